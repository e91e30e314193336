//! Start, stop, signals, logs, exec.

use std::time::Duration;

use testcelery_api::{ContainerState, Engine, Error, Exec, ExitStatus, Signal, Stream};
use tokio::time::timeout;

use crate::{docker, script, started, unique};

const SOON: Duration = Duration::from_secs(20);

#[tokio::test]
#[ignore = "needs Docker and the images: cargo xtask e2e runs it"]
async fn a_run_has_its_log_and_its_exit_code() {
    let docker = docker().await;
    let container = docker.create(script("c", "echo out; echo err >&2; printf last; exit 3")).await.unwrap();
    assert_eq!(container.state().await.unwrap(), ContainerState::Created);
    container.start().await.unwrap();
    let status = timeout(SOON, container.wait_exit()).await.unwrap();
    assert_eq!(status, ExitStatus::Code(3));
    assert_eq!(container.state().await.unwrap(), ContainerState::Exited(status));
    let mut lines: Vec<_> =
        container.logs().lines().into_iter().map(|line| (line.text, line.stream)).collect();
    lines.sort_by(|one, other| one.0.cmp(&other.0));
    let expected = [("err", Stream::Stderr), ("last", Stream::Stdout), ("out", Stream::Stdout)];
    let expected = expected.map(|(text, stream)| (text.to_owned(), stream));
    assert_eq!(lines, expected);
    container.remove().await.unwrap();
    assert_eq!(container.state().await.unwrap(), ContainerState::Exited(ExitStatus::Gone));
    container.remove().await.unwrap();
}

#[tokio::test]
#[ignore = "needs Docker and the images: cargo xtask e2e runs it"]
async fn a_long_log_is_complete_before_the_end_is_told() {
    let docker = docker().await;
    let container = started(&docker, script("c", "seq 1 50000; exit 1")).await;
    timeout(SOON, container.wait_exit()).await.unwrap();
    // Kept are the last 20 000.
    let lines = container.logs().lines();
    assert_eq!(lines.last().unwrap().text, "50000");
    assert_eq!(lines.last().unwrap().number, 49_999);
    container.remove().await.unwrap();
}

#[tokio::test]
#[ignore = "needs Docker and the images: cargo xtask e2e runs it"]
async fn kill_and_start_again() {
    let docker = docker().await;
    let container = started(&docker, script("c", "echo ready $$; exec sleep 60")).await;
    container.logs().wait_for("ready").await.unwrap();
    for _ in 0..3 {
        container.kill(&Signal::KILL).await.unwrap();
        container.start().await.unwrap();
        // Of this run, not of the one before.
        container.logs().wait_for("ready").await.unwrap();
        assert_eq!(container.logs().count("ready"), 1);
    }
    assert_eq!(container.logs().lines().len(), 4);
    container.kill(&Signal::KILL).await.unwrap();
    let status = timeout(SOON, container.wait_exit()).await.unwrap();
    assert_eq!(status, ExitStatus::Code(137));
    let error = container.kill(&Signal::KILL).await.unwrap_err();
    assert!(matches!(error, Error::Engine { .. }), "{error}");
    container.remove().await.unwrap();
}

#[tokio::test]
#[ignore = "needs Docker and the images: cargo xtask e2e runs it"]
async fn any_signal_reaches_the_process() {
    let docker = docker().await;
    let catch = "trap 'echo got usr1' USR1; trap 'echo got term; exit 7' TERM; echo ready; while :; do sleep 0.05; done";
    let container = started(&docker, script("c", catch)).await;
    container.logs().wait_for("ready").await.unwrap();
    container.kill(&Signal::named("usr1")).await.unwrap();
    container.logs().wait_for("got usr1").await.unwrap();
    container.stop(SOON).await.unwrap();
    // Known and complete when `stop` returns.
    assert_eq!(container.logs().ended(), Some(ExitStatus::Code(7)));
    assert!(container.logs().contains("got term"));
    container.stop(SOON).await.unwrap();
    container.remove().await.unwrap();
}

#[tokio::test]
#[ignore = "needs Docker and the images: cargo xtask e2e runs it"]
async fn stop_kills_after_its_grace() {
    let docker = docker().await;
    let container =
        started(&docker, script("c", "trap '' TERM; echo ready; while :; do sleep 0.05; done")).await;
    container.logs().wait_for("ready").await.unwrap();
    timeout(SOON, container.stop(Duration::from_millis(200))).await.unwrap().unwrap();
    assert_eq!(container.logs().ended(), Some(ExitStatus::Code(137)));
    container.remove().await.unwrap();
}

#[tokio::test]
#[ignore = "needs Docker and the images: cargo xtask e2e runs it"]
async fn a_restart_keeps_files_and_may_change_the_port() {
    let docker = docker().await;
    let spec = crate::ContainerSpec::new("broker", crate::redis_image())
        .command(["redis-server", "--save", "", "--protected-mode", "no"])
        .port(6379);
    let container = docker.create(spec).await.unwrap();
    let error = container.endpoint(6379).unwrap_err().to_string();
    assert!(error.contains("has not been started"), "{error}");
    container.start().await.unwrap();
    for _ in 0..2 {
        container.logs().wait_for("Ready to accept connections").await.unwrap();
        let endpoint = container.endpoint(6379).unwrap();
        assert_eq!(endpoint.network_address(), "broker:6379");
        // A name such as `localhost` may mean another address family than the one that is bound.
        assert!(endpoint.host.parse::<std::net::IpAddr>().is_ok(), "{endpoint}");
        tokio::net::TcpStream::connect(endpoint.host_address()).await.unwrap();
        container.restart(SOON).await.unwrap();
    }
    let error = container.endpoint(80).unwrap_err().to_string();
    assert!(error.contains("not published"), "{error}");
    container.kill(&Signal::KILL).await.unwrap();
    timeout(SOON, container.wait_exit()).await.unwrap();
    let error = container.endpoint(6379).unwrap_err().to_string();
    assert!(error.contains("exited with code 137"), "{error}");
    container.remove().await.unwrap();
}

#[tokio::test]
#[ignore = "needs Docker and the images: cargo xtask e2e runs it"]
async fn pause_and_unpause() {
    let docker = docker().await;
    let container = started(&docker, script("c", "while :; do echo tick; sleep 0.02; done")).await;
    container.logs().wait_for("tick").await.unwrap();
    container.pause().await.unwrap();
    assert_eq!(container.state().await.unwrap(), ContainerState::Paused);
    let paused = container.exec(Exec::new(["true"])).await.unwrap_err();
    assert!(std::error::Error::source(&paused).is_some(), "{paused}");
    let silent = container.logs().wait("tick").times(5).since_now().timeout(Duration::from_millis(500)).await;
    assert!(matches!(silent, Err(Error::Timeout(_))));
    container.unpause().await.unwrap();
    container.logs().wait("tick").times(5).since_now().await.unwrap();
    // A frozen container can be killed, and removed.
    container.pause().await.unwrap();
    timeout(SOON, container.kill(&Signal::KILL)).await.unwrap().unwrap();
    assert_eq!(timeout(SOON, container.wait_exit()).await.unwrap(), ExitStatus::Code(137));
    container.start().await.unwrap();
    container.pause().await.unwrap();
    timeout(SOON, container.remove()).await.unwrap().unwrap();
}

#[tokio::test]
#[ignore = "needs Docker and the images: cargo xtask e2e runs it"]
async fn exec_keeps_its_streams_apart() {
    let docker = docker().await;
    let container = started(&docker, script("c", "exec sleep 60")).await;
    let both = Exec::new(["sh", "-c", "echo $GREETING; pwd >&2; id -un; exit 5"])
        .env("GREETING", "hello")
        .user("redis")
        .working_dir("/etc");
    let output = container.exec(both).await.unwrap();
    assert_eq!(
        (output.code, output.stdout_text().unwrap().as_str(), output.stderr_text().as_str()),
        (5, "hello\nredis\n", "/etc\n")
    );
    let binary = Exec::new(["sh", "-c", "printf '\\001\\000\\377'; exit 127"]);
    let output = container.exec(binary).await.unwrap();
    assert_eq!((output.code, output.stdout), (127, vec![1, 0, 255]));
    let large = Exec::new(["sh", "-c", "seq 1 100000"]);
    let output = container.exec(large).await.unwrap();
    assert_eq!(output.stdout_text().unwrap().lines().count(), 100_000);
    let error = container.exec(Exec::new(["no-such-program"])).await.unwrap_err();
    let reason = std::error::Error::source(&error).unwrap().to_string();
    assert!(reason.contains("no-such-program"), "{reason}");
    container.remove().await.unwrap();
}

#[tokio::test]
#[ignore = "needs Docker and the images: cargo xtask e2e runs it"]
async fn a_container_that_dies_while_waited_for_is_an_error_at_once() {
    let docker = docker().await;
    let container = started(&docker, script("c", "echo ImportError: celery >&2; exit 1")).await;
    let wait = timeout(SOON, container.logs().wait_for("ready")).await.unwrap();
    let text = wait.unwrap_err().to_string();
    assert!(text.contains("exited with code 1") && text.contains("| ImportError: celery"), "{text}");
    container.remove().await.unwrap();
}

#[tokio::test]
#[ignore = "needs Docker and the images: cargo xtask e2e runs it"]
async fn a_command_that_does_not_exist_cannot_be_started() {
    let docker = docker().await;
    let spec = script("c", "").command([unique("no-such-program")]);
    let container = docker.create(spec).await.unwrap();
    let error = container.start().await.unwrap_err();
    let reason = std::error::Error::source(&error).unwrap().to_string();
    assert!(reason.contains("no-such-program"), "{reason}");
    assert!(timeout(SOON, container.wait_exit()).await.is_ok());
    container.remove().await.unwrap();
}

#[tokio::test]
#[ignore = "needs Docker and the images: cargo xtask e2e runs it"]
async fn a_start_of_what_runs_does_nothing() {
    let docker = docker().await;
    let container = started(&docker, script("c", "echo ready; exec sleep 60")).await;
    container.logs().wait_for("ready").await.unwrap();
    container.start().await.unwrap();
    assert_eq!(container.logs().count("ready"), 1);
    container.remove().await.unwrap();
}

/// Cancels a start at many points; the next one starts a run that is followed from its beginning to its end.
#[tokio::test]
#[ignore = "needs Docker and the images: cargo xtask e2e runs it"]
async fn a_cancelled_start_can_be_repeated() {
    let docker = docker().await;
    for step in [0, 1, 2, 4, 8, 20, 60, 150] {
        let container = docker.create(script("c", "echo ready; exec sleep 60")).await.unwrap();
        let _ = timeout(Duration::from_millis(step), container.start()).await;
        timeout(SOON, container.start()).await.unwrap().unwrap();
        container.logs().wait_for("ready").await.unwrap();
        assert_eq!(container.logs().count("ready"), 1, "after {step} ms");
        container.kill(&Signal::KILL).await.unwrap();
        let status = timeout(SOON, container.wait_exit()).await.unwrap();
        assert_eq!(status, ExitStatus::Code(137), "after {step} ms");
        container.remove().await.unwrap();
    }
}

#[tokio::test]
#[ignore = "needs Docker and the images: cargo xtask e2e runs it"]
async fn memory_that_runs_out_is_told() {
    let docker = docker().await;
    let spec = script("c", "x=aaaaaaaaaaaaaaaa; while :; do x=$x$x; done").memory_limit(16 << 20);
    let container = started(&docker, spec).await;
    let status = timeout(SOON, container.wait_exit()).await.unwrap();
    assert_eq!(status, ExitStatus::OutOfMemory);
    container.remove().await.unwrap();
}
