//! What a user sees who makes a mistake. Each is made by a process of its own, so that the exit code and what is left behind count.

use std::{
    process::{Command, Output},
    time::{Duration, Instant},
};

use crate::leftovers::assert_nothing_left;

struct Seen {
    session: String,
    code: Option<i32>,
    text: String,
    elapsed: Duration,
}

fn make(mistake: &str, env: &[(&str, &str)]) -> Seen {
    let session = format!("bad-input-{mistake}-{}", std::process::id());
    let begin = Instant::now();
    let Output { status, stdout, stderr } = Command::new(env!("CARGO_BIN_EXE_bad_input"))
        .arg(mistake)
        .env("TESTCELERY_SESSION", &session)
        .env_remove("TESTCELERY_DOCKER_HOST")
        .envs(env.iter().copied())
        .output()
        .expect("the program runs");
    let text = format!("{}{}", String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    Seen { session, code: status.code(), text, elapsed: begin.elapsed() }
}

/// Checks what every row has in common, and the parts of the message.
fn expect(seen: &Seen, parts: &[&str]) {
    assert_eq!(seen.code, Some(1), "{}", seen.text);
    assert!(!seen.text.contains("panicked"), "{}", seen.text);
    for part in parts {
        assert!(seen.text.contains(part), "no {part:?} in:\n{}", seen.text);
    }
}

async fn expect_clean(mistake: &str, parts: &[&str]) -> Seen {
    let seen = make(mistake, &[]);
    expect(&seen, parts);
    assert_nothing_left(&seen.session).await;
    seen
}

#[test]
fn no_docker_daemon() {
    let seen = make("no-daemon", &[("DOCKER_HOST", "unix:///nowhere/docker.sock")]);
    expect(&seen, &["no docker daemon could be reached", "unix:///nowhere/docker.sock", "DOCKER_HOST"]);
}

#[tokio::test]
async fn image_absent_and_no_registry() {
    expect_clean("no-image", &["testcelery.invalid/nothing:1", "cargo xtask images"]).await;
}

#[tokio::test]
async fn tasks_file_missing() {
    let seen = expect_clean("missing-tasks", &["tests/nowhere/tasks.py"]).await;
    assert!(seen.elapsed < Duration::from_secs(2), "nothing was to be started: {:?}", seen.elapsed);
}

#[tokio::test]
async fn tasks_file_is_not_python() {
    let seen = expect_clean("broken-tasks", &["broken.py:1:7", "def f(:"]).await;
    assert!(seen.elapsed < Duration::from_secs(2), "nothing was to be started: {:?}", seen.elapsed);
}

#[tokio::test]
async fn worker_crashes_on_import() {
    let seen = expect_clean(
        "crash-on-import",
        &[
            "ended too early",
            "exited with code 2",
            "Traceback (most recent call last)",
            "RuntimeError: boom while importing",
        ],
    )
    .await;
    assert!(seen.elapsed < Duration::from_secs(30), "an error at once, not at a timeout: {:?}", seen.elapsed);
}

#[tokio::test]
async fn unknown_task_name() {
    expect_clean("unknown-task", &["NotRegistered", "nobody.knows.me"]).await;
}

#[tokio::test]
async fn result_that_never_comes() {
    let parts = [
        "no result of task testcelery.tasks.ping",
        "within 1.0s",
        "last known state is PENDING",
        "worker is running; last lines of worker",
    ];
    expect_clean("no-result", &parts).await;
}

#[tokio::test]
async fn broker_url_that_nobody_speaks() {
    expect_clean("unknown-scheme", &["nobody speaks kafka:// as a broker", "known are amqp, pyamqp, redis"])
        .await;
}

#[tokio::test]
async fn value_that_json_cannot_carry() {
    expect_clean("not-json", &["args[1] of task testcelery.tasks.add cannot be carried by JSON"]).await;
}

#[tokio::test]
async fn two_components_of_one_name() {
    let seen = expect_clean(
        "same-name",
        &["two components are named `store`", "broker 1 (redis)", "backend 1 (redis)"],
    )
    .await;
    assert!(seen.elapsed < Duration::from_secs(2), "nothing was to be started: {:?}", seen.elapsed);
}
