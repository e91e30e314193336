//! After everything: nothing. Also after a panic, Ctrl-C and `kill -9`.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use testcelery::{
    Engine,
    api::{ContainerState, ExitStatus, Filter, Leftover, SESSION_VARIABLE},
    prelude::*,
};

/// How long the reaper may take for what a killed test left.
const REAPED_WITHIN: Duration = Duration::from_secs(10);

/// Set for the test that is to be interrupted: it says `up` and holds its stack.
const HOLD: &str = "TESTCELERY_E2E_HOLD";

/// What belongs to a session now.
pub(crate) async fn left_over(session: &str) -> Vec<Leftover> {
    let engine = Engine::auto().await.expect("an engine");
    engine.leftovers(&Filter::Session(session.to_owned())).await.expect("the engine can list")
}

/// Fails when anything of a session is left.
pub(crate) async fn assert_nothing_left(session: &str) {
    let left = left_over(session).await;
    assert!(left.is_empty(), "{left:?}");
}

/// Taking down is complete when it returns, and doing it twice is no error.
#[testcelery::test(backends(redis, memcached, rpc))]
async fn down_twice(setup: Setup) -> Result<()> {
    let container = setup.workers()[0].container().clone();
    setup.down().await?;
    assert_eq!(container.state().await?, ContainerState::Exited(ExitStatus::Gone));
    setup.down().await
}

/// Holds its stack where it is told to; the tests below start it as a process of its own.
#[testcelery::test(backends(redis, memcached, rpc))]
async fn held(setup: Setup) -> Result<()> {
    assert_eq!(setup.ping().await?, "pong");
    match std::env::var(HOLD).as_deref() {
        Ok("panic") => {
            announce();
            panic!("as told")
        }
        Ok(_) => {
            announce();
            std::future::pending().await
        }
        Err(_) => Ok(()),
    }
}

#[expect(clippy::print_stdout, reason = "tells the test that started this process that the stack is up")]
fn announce() {
    println!("up");
}

struct Held {
    child: Child,
    session: String,
}

/// Starts the test above as a process of its own.
fn hold(row: &str, how: Option<&str>) -> Held {
    let session = format!("held-{row}-{how:?}-{}", std::process::id());
    let child = Command::new(std::env::current_exe().expect("this program"))
        .args([&format!("leftovers::held::{row}"), "--exact", "--nocapture"])
        .envs(how.map(|how| (HOLD, how)))
        .env(SESSION_VARIABLE, &session)
        .env_remove("TESTCELERY_REPORT")
        .env_remove("TESTCELERY_BROKERS")
        .env_remove("TESTCELERY_BACKENDS")
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("it starts");
    Held { child, session }
}

impl Held {
    /// Waits for its end, and returns its exit code and what it wrote.
    fn ended(self) -> (Option<i32>, String) {
        let output = self.child.wait_with_output().expect("it ends");
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
    }

    async fn until_up(&mut self) {
        let output = self.child.stdout.take().expect("a pipe");
        let up = BufReader::new(output).lines().map_while(|line| line.ok()).any(|line| line.contains("up"));
        assert!(up, "the stack did not come up");
        let left = left_over(&self.session).await;
        assert_eq!(left.iter().filter(|left| left.kind == "container").count(), 3, "{left:?}");
    }

    fn signal(&self, signal: &str) {
        let sent = Command::new("kill").args([signal, &self.child.id().to_string()]).status();
        assert!(sent.expect("there is a kill program").success());
    }
}

#[tokio::test]
async fn a_pass_leaves_nothing() {
    for row in ["rabbitmq_redis", "rabbitmq_memcached", "rabbitmq_rpc", "redis_redis", "redis_memcached"] {
        let held = hold(row, None);
        let session = held.session.clone();
        let (code, output) = held.ended();
        assert_eq!(code, Some(0), "{row}: {output}");
        assert!(output.contains("1 passed"), "{row}: {output}");
        assert_nothing_left(&session).await;
    }
}

#[tokio::test]
async fn a_panic_leaves_nothing() {
    let held = hold("redis_redis", Some("panic"));
    let session = held.session.clone();
    let (code, output) = held.ended();
    assert_eq!(code, Some(101), "{output}");
    assert!(output.lines().any(|line| line.ends_with("up")), "the stack was up by then: {output}");
    assert_nothing_left(&session).await;
}

#[tokio::test]
async fn ctrl_c_leaves_nothing() {
    let mut held = hold("redis_redis", Some("int"));
    held.until_up().await;
    held.signal("-INT");
    assert!(!held.child.wait().expect("it ends").success());
    assert_nothing_left(&held.session).await;
}

#[tokio::test]
async fn kill_9_leaves_nothing() {
    let mut held = hold("rabbitmq_redis", Some("kill"));
    held.until_up().await;
    held.signal("-KILL");
    held.child.wait().expect("it ends");
    let begin = Instant::now();
    while !left_over(&held.session).await.is_empty() {
        assert!(begin.elapsed() < REAPED_WITHIN, "{:?}", left_over(&held.session).await);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
