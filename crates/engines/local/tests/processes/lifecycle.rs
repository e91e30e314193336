//! Starting, stopping, looking inside.

use std::time::Duration;

use testcelery_api::{
    Capability, ContainerSpec, ContainerState, Engine, Error, Exec, ExitStatus, FileTree, Image, Mount,
    Program, Signal, Software, Stream,
};
use testcelery_local::Local;

use crate::{members, script, started};

#[tokio::test]
async fn from_creation_to_removal() {
    let engine = Local::open();
    let container = engine.create(script("c", "echo up; exec sleep 60").port(6379)).await.unwrap();
    assert_eq!(container.state().await.unwrap(), ContainerState::Created);
    assert!(container.endpoint(6379).is_err());
    container.start().await.unwrap();
    container.logs().wait_for("up").await.unwrap();
    assert_eq!(container.state().await.unwrap(), ContainerState::Running);
    let endpoint = container.endpoint(6379).unwrap();
    assert_eq!(endpoint.host_address(), endpoint.network_address());
    assert!(endpoint.host.starts_with("127.") && endpoint.host != "127.0.0.1");
    container.remove().await.unwrap();
    container.remove().await.unwrap();
    assert_eq!(container.state().await.unwrap(), ContainerState::Exited(ExitStatus::Gone));
    assert!(members(container.id()).is_empty());
    assert!(container.start().await.is_err());
}

#[tokio::test]
async fn every_end_has_its_code_and_its_whole_log() {
    let engine = Local::open();
    for (text, code) in [("exit 0", 0), ("exit 3", 3), ("kill -KILL $$", 137), ("kill -TERM $$", 143)] {
        let container = started(&engine, script("c", &format!("echo last words; {text}"))).await;
        assert_eq!(container.wait_exit().await, ExitStatus::Code(code), "{text}");
        assert_eq!(container.logs().text(), "last words\n");
        let error = container.logs().wait_for("never").await.unwrap_err();
        assert!(matches!(error, Error::Exited(_)), "{error}");
    }
}

#[tokio::test]
async fn signals_reach_the_main_process() {
    let engine = Local::open();
    let text = "trap 'echo usr1' USR1; echo up; while :; do sleep 0.01; done";
    let container = started(&engine, script("c", text)).await;
    container.logs().wait_for("up").await.unwrap();
    container.kill(&Signal::USR1).await.unwrap();
    container.logs().wait_for("usr1").await.unwrap();
    container.kill(&Signal::KILL).await.unwrap();
    assert_eq!(container.wait_exit().await, ExitStatus::Code(137));
    assert!(container.kill(&Signal::TERM).await.is_err(), "it does not run");
}

#[tokio::test]
async fn stop_asks_first_and_then_kills() {
    let engine = Local::open();
    let polite =
        started(&engine, script("c", "trap 'echo bye; exit 7' TERM; echo up; while :; do sleep 0.01; done"))
            .await;
    polite.logs().wait_for("up").await.unwrap();
    polite.stop(Duration::from_secs(30)).await.unwrap();
    assert_eq!(polite.logs().ended(), Some(ExitStatus::Code(7)));
    assert!(polite.logs().contains("bye"));
    let deaf = started(&engine, script("c", "trap '' TERM; echo up; while :; do sleep 0.01; done")).await;
    deaf.logs().wait_for("up").await.unwrap();
    deaf.stop(Duration::from_millis(50)).await.unwrap();
    assert_eq!(deaf.logs().ended(), Some(ExitStatus::Code(137)));
    deaf.stop(Duration::ZERO).await.unwrap();
}

#[tokio::test]
async fn a_restart_keeps_files_and_address_and_hides_old_lines() {
    let engine = Local::open();
    let text = "seen=$(cat n 2>/dev/null); echo again > n; echo run $seen; exec sleep 60";
    let container = started(&engine, script("c", text).port(80)).await;
    container.logs().wait_for("run").await.unwrap();
    let before = container.endpoint(80).unwrap();
    container.restart(Duration::from_secs(5)).await.unwrap();
    let line = container.logs().wait_for("run").await.unwrap();
    assert_eq!((line.text.as_str(), line.number), ("run again", 1));
    assert_eq!(container.endpoint(80).unwrap(), before);
}

#[tokio::test]
async fn a_pause_freezes_everything_forked_children_too() {
    let engine = Local::open();
    let text = "(while :; do echo child; sleep 0.01; done) & while :; do echo main; sleep 0.01; done";
    let container = started(&engine, script("c", text)).await;
    for word in ["child", "main"] {
        container.logs().wait_for(word).await.unwrap();
    }
    container.pause().await.unwrap();
    assert_eq!(container.state().await.unwrap(), ContainerState::Paused);
    for pid in members(container.id()) {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        assert!(stat.contains(") T ") || stat.contains(") D "), "{stat}");
    }
    assert!(container.exec(Exec::new(["true"])).await.unwrap_err().to_string().contains("run a command in"));
    let cursor = container.logs().cursor();
    container.unpause().await.unwrap();
    for word in ["child", "main"] {
        container.logs().wait(word).since(cursor).await.unwrap();
    }
    container.pause().await.unwrap();
    container.remove().await.unwrap();
    assert!(members(container.id()).is_empty());
}

#[tokio::test]
async fn a_paused_container_stops_in_order() {
    let engine = Local::open();
    let text = "trap 'exit 7' TERM; echo up; while :; do sleep 0.01; done";
    let container = started(&engine, script("c", text)).await;
    container.logs().wait_for("up").await.unwrap();
    container.pause().await.unwrap();
    container.stop(Duration::from_secs(20)).await.unwrap();
    assert_eq!(container.state().await.unwrap(), ContainerState::Exited(ExitStatus::Code(7)));
}

#[tokio::test]
async fn exec_keeps_the_streams_apart() {
    let engine = Local::open();
    let container = started(&engine, script("c", "exec sleep 60").env("OWN", "/work/x")).await;
    let text = "echo out; echo err >&2; echo $OWN $MORE; pwd; exit 5";
    let output = container.exec(Exec::new(["sh", "-c", text]).env("MORE", "more")).await.unwrap();
    let stdout = output.stdout_text().unwrap();
    let lines: Vec<&str> = stdout.lines().collect();
    assert_eq!((output.code, output.stderr_text().as_str()), (5, "err\n"));
    assert_eq!(lines[0], "out");
    assert!(lines[1].ends_with("/root/work/x more") && lines[2].ends_with("/root/work"), "{lines:?}");
    let error = container.exec(Exec::new(["no-such-program"])).await.unwrap_err();
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert!(source.contains("no program `no-such-program` in "), "{source}");
    let error = container.exec(Exec::new(["true"]).user("root")).await.unwrap_err();
    assert!(matches!(error, Error::Unsupported { capability: Capability::Users, .. }), "{error}");
}

#[tokio::test]
async fn files_go_in_and_come_out() {
    let engine = Local::open();
    let mut files = FileTree::new();
    files.insert("/etc/own/server.conf", "file /etc/own/other\nhost /etc/hosts\nbind 0.0.0.0\n");
    files.insert("/etc/own/other", "file /etc/own/other\n");
    let source = tempfile::tempdir().unwrap();
    std::fs::write(source.path().join("seen"), "of the host\n").unwrap();
    let spec = script("c", "cat /etc/own/server.conf /src/seen; exec sleep 60")
        .files(files.as_settings())
        .mount(Mount::bind(source.path(), "/src"));
    let container = started(&engine, spec).await;
    container.logs().wait_for("of the host").await.unwrap();
    let log = container.logs().text();
    assert!(log.contains("/root/etc/own/other\n") && log.contains("host /etc/hosts\n"), "{log}");
    assert!(!log.contains("0.0.0.0"), "{log}");

    let mut plain = FileTree::new();
    plain.insert("/work/data", "bind 0.0.0.0 /etc/own/other");
    container.upload(&plain).await.unwrap();
    assert_eq!(container.download("/work/data").await.unwrap().text("/work/data"), plain.text("/work/data"));
    assert_eq!(container.download("/etc/own").await.unwrap().len(), 2);
    let error = container.download("/etc/passwd").await.unwrap_err();
    assert!(std::error::Error::source(&error).unwrap().to_string().contains("/etc/passwd"));
    container.remove().await.unwrap();
    assert!(source.path().join("seen").exists(), "a mount is not removed");
}

/// The engine makes these folders itself where nothing is mounted there.
#[tokio::test]
async fn a_mount_takes_the_place_of_a_folder_of_the_containers_own() {
    let engine = Local::open();
    for folder in ["/work", "/tmp"] {
        let source = tempfile::tempdir().unwrap();
        std::fs::write(source.path().join("seen"), "of the host\n").unwrap();
        let spec = script("c", &format!("cat {folder}/seen; exec sleep 60"))
            .mount(Mount::bind(source.path(), folder));
        let container = started(&engine, spec).await;
        container.logs().wait_for("of the host").await.unwrap();
        container.remove().await.unwrap();
        assert!(source.path().join("seen").exists(), "a mount is not removed");
    }
}

#[tokio::test]
async fn a_mount_inside_of_another_is_refused() {
    let source = tempfile::tempdir().unwrap();
    let spec = script("c", "").mount(Mount::bind(source.path(), "/work/data"));
    let spec = spec.mount(Mount::bind(source.path(), "/work"));
    let error = Local::open().create(spec).await.unwrap_err();
    let text = std::error::Error::source(&error).unwrap().to_string();
    assert!(text.contains("/work/data is mounted inside of /work"), "{text}");
    assert!(std::fs::read_dir(source.path()).unwrap().next().is_none(), "nothing is put into it");
}

#[tokio::test]
async fn containers_of_a_network_find_each_other_by_name() {
    let engine = Local::open();
    let server = script("server", "exec sleep 60").port(6379).alias("cache");
    let client = script("client", "echo $URL $ALIAS; exec sleep 60")
        .env("URL", "redis://:server@server:6379/0")
        .env("ALIAS", "http://cache/");
    let network = engine.create_network(&[&server, &client]).await.unwrap();
    let client = started(&engine, client.network(network.clone())).await;
    let server = engine.create(server.network(network.clone())).await.unwrap();
    let (host, _) = server.network_address(6379);
    let line = client.logs().wait_for("redis").await.unwrap();
    assert_eq!(line.text, format!("redis://:server@{host}:6379/0 http://{host}/"));
    let error = network.disconnect(server.as_ref()).await.unwrap_err();
    assert!(matches!(error, Error::Unsupported { capability: Capability::Partition, .. }), "{error}");
}

#[tokio::test]
async fn the_environment_is_the_containers_own() {
    let engine = Local::open();
    let container = started(&engine, script("c", "env; exec sleep 60").env("A", "b")).await;
    container.logs().wait_for("A=b").await.unwrap();
    let output = container.exec(Exec::new(["env"])).await.unwrap().stdout_text().unwrap();
    let mut names: Vec<&str> = output.lines().filter_map(|line| Some(line.split_once('=')?.0)).collect();
    names.retain(|name| !["PWD", "SHLVL", "_", "OLDPWD"].contains(name));
    names.sort_unstable();
    let known =
        ["A", "HOME", "HOSTNAME", "LANG", "PATH", "TESTCELERY_CONTAINER", "TESTCELERY_OWNER", "TMPDIR"];
    assert_eq!(names, known);
}

#[tokio::test]
async fn what_ends_at_once_says_why() {
    let engine = Local::open();
    let container = started(&engine, script("c", "echo 'no such setting' >&2; exit 1")).await;
    let error = container.logs().wait_for("ready").await.unwrap_err().to_string();
    assert!(error.contains("exited with code 1") && error.contains("no such setting"), "{error}");
    assert_eq!(container.logs().lines()[0].stream, Stream::Stderr);
    let container = engine.create(script("c", "").command(["no-such-program"])).await.unwrap();
    let error = container.start().await.unwrap_err();
    assert!(std::error::Error::source(&error).unwrap().to_string().contains("no program `no-such-program`"));
}

#[tokio::test]
async fn what_it_cannot_do_it_says_before_anything_starts() {
    let engine = Local::open();
    let image = ContainerSpec::new("c", Image::reference("redis:8"));
    for (spec, capability) in [
        (image, Capability::Images),
        (script("c", "").user("root"), Capability::Users),
        (script("c", "").memory_limit(1 << 20), Capability::MemoryLimit),
        (script("c", "").mount(Mount::tmpfs("/x")), Capability::Tmpfs),
        (script("c", "").mount(Mount::bind("/", "/x").read_only()), Capability::ReadOnlyMounts),
        (script("c", "").port_on(80, 8080), Capability::HostPorts),
    ] {
        let error = engine.create(spec).await.unwrap_err();
        assert!(
            matches!(&error, Error::Unsupported { capability: seen, .. } if *seen == capability),
            "{error}"
        );
        assert!(error.to_string().contains("TESTCELERY_ENGINE"), "{error}");
    }
}

#[tokio::test]
async fn without_a_command_the_program_runs_alone() {
    let engine = Local::open();
    let image = Image::reference("none").software(Software::program(Program::new("true")));
    let container = started(&engine, ContainerSpec::new("c", image)).await;
    assert_eq!(container.wait_exit().await, ExitStatus::Code(0));
}
