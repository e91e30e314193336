//! A process that is killed leaves nothing, and nobody else's process is touched.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use testcelery_api::{Engine, Filter, Leftover, SESSION_VARIABLE, start_time};
use testcelery_local::Local;

use crate::{members, script, started};

/// What is left of a killed process has to be gone by then.
const GONE_WITHIN: Duration = Duration::from_secs(10);

const OWNER: &str = "orphan-test-";

#[tokio::test]
async fn kill_9_of_the_owner() {
    let session = std::env::var(SESSION_VARIABLE).unwrap_or_default();
    if session.starts_with(OWNER) {
        let engine = Local::open();
        let spec = script(
            "c",
            "(cd /; env -i LANGUAGE=C setsid sh -c 'echo stranger $$; exec sleep 600' &); setsid setsid sleep 600 & trap '' TERM HUP INT; echo up; while :; do sleep 0.01; done",
        );
        let container = started(&engine, spec).await;
        container.logs().wait_for("up").await.unwrap();
        let stranger = container.logs().wait_for("stranger ").await.unwrap().text;
        // One without a trace in its environment, as a program that sets its own title may be.
        let bare =
            script("bare", "exec /usr/bin/env -i /bin/sh -c 'echo pid $$; while :; do sleep 0.01; done'");
        let bare = started(&engine, bare).await;
        let pid = bare.logs().wait_for("pid ").await.unwrap().text;
        // Not `println!`, whose output libtest keeps for itself.
        std::io::stdout()
            .write_all(format!("\n{pid}\n{stranger}\nid {}\n", container.id()).as_bytes())
            .unwrap();
        return std::future::pending().await;
    }
    let session = format!("{OWNER}{}", std::process::id());
    let mut foreign = Command::new("sleep").arg("60").spawn().unwrap();
    let mut owner = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "--nocapture", "orphans::kill_9_of_the_owner"])
        .env(SESSION_VARIABLE, &session)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(owner.stdout.take().unwrap()).lines().map(|line| line.unwrap());
    let mut told = |what: &str| lines.find_map(|line| line.strip_prefix(what).map(str::to_owned)).unwrap();
    let bare: u32 = told("pid ").parse().unwrap();
    let stranger: u32 = told("stranger ").parse().unwrap();
    let id = told("id ");
    assert!(start_time(bare).is_some());
    let engine = Local::open();
    let of_session = Filter::Session(session);
    let found = engine.leftovers(&of_session).await.unwrap();
    assert!(found.len() == 2 && found.iter().any(|left| left.name == id), "{found:?}");
    assert!(!engine.leftovers(&Filter::DeadOwner).await.unwrap().contains(&found[0]));
    assert!(members(&id).len() >= 2);

    owner.kill().unwrap();
    owner.wait().unwrap();
    let begin = Instant::now();
    while start_time(bare).is_some()
        || start_time(stranger).is_some()
        || !members(&id).is_empty()
        || !engine.leftovers(&of_session).await.unwrap().is_empty()
    {
        assert!(
            begin.elapsed() < GONE_WITHIN,
            "{:?} {:?}",
            members(&id),
            engine.leftovers(&of_session).await
        );
        tokio::task::yield_now().await;
    }
    assert!(foreign.try_wait().unwrap().is_none(), "somebody else's process");
    foreign.kill().unwrap();
    foreign.wait().unwrap();
}

#[tokio::test]
async fn another_process_can_remove_what_there_is() {
    let engine = Local::open();
    let other = Local::open();
    let container = started(&engine, script("c", "exec sleep 60")).await;
    let all = other.leftovers(&Filter::All).await.unwrap();
    assert!(all.iter().any(|left| left.name == container.id() && left.kind == "container"));
    container.remove().await.unwrap();
    let all = other.leftovers(&Filter::All).await.unwrap();
    assert!(!all.iter().any(|left| left.name == container.id()));
}

/// Whose it was cannot be read, as after a disk that was full: only who removes everything removes it.
#[tokio::test]
async fn a_run_without_an_owner_is_found() {
    let mut dead = Command::new("true").spawn().unwrap();
    dead.wait().unwrap();
    // The folder of all runs is there as long as there is a run.
    let engine = Local::open();
    let container = started(&engine, script("c", "exec sleep 60")).await;
    let base = std::env::temp_dir().join(format!("testcelery-{}", rustix::process::getuid().as_raw()));
    let (lost, starting) = (format!("{}-lost", dead.id()), format!("{}-starting", std::process::id()));
    for run in [&lost, &starting] {
        fs::create_dir(base.join(run)).unwrap();
    }
    let has = |left: &[Leftover], name: &str| left.iter().any(|left| left.name == name);
    let all = engine.leftovers(&Filter::All).await.unwrap();
    assert!(has(&all, &lost) && !has(&all, &starting), "{all:?}");
    assert!(!has(&engine.leftovers(&Filter::DeadOwner).await.unwrap(), &lost));
    // Of all sessions that cannot be read.
    let removed = engine.remove_leftovers(&Filter::Session(String::new())).await.unwrap();
    assert!(has(&removed, &lost) && !base.join(&lost).exists());
    fs::remove_dir(base.join(starting)).unwrap();
    container.remove().await.unwrap();
}

/// Somebody who looks at a container's folder is not taken for one of its processes.
#[tokio::test]
async fn a_shell_in_the_folder_is_left_alone() {
    let engine = Local::open();
    let text = "echo at $PWD; (cd / && exec /usr/bin/env -i /bin/sleep 600) & exec sleep 600";
    let container = started(&engine, script("c", text)).await;
    let folder = container.logs().wait_for("at ").await.unwrap().text.replace("at ", "");
    let mut foreign = Command::new("sleep").arg("60").current_dir(folder).spawn().unwrap();
    container.pause().await.unwrap();
    container.unpause().await.unwrap();
    // The child that kept neither variable nor folder is in the group; if it stayed, the log would never end.
    container.remove().await.unwrap();
    assert!(foreign.try_wait().unwrap().is_none(), "somebody else's process");
    foreign.kill().unwrap();
    foreign.wait().unwrap();
}
