//! After everything: nothing. Also after a panic, Ctrl-C and `kill -9`.

use std::{
    io::{BufRead, BufReader},
    os::unix::process::ExitStatusExt,
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

/// The signals as the kernel counts them.
pub(crate) const SIGINT: i32 = 2;
pub(crate) const SIGTERM: i32 = 15;

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

/// Fails when anything of a session is left after the time of the reaper.
async fn assert_nothing_left_soon(session: &str) {
    let begin = Instant::now();
    while !left_over(session).await.is_empty() {
        assert!(begin.elapsed() < REAPED_WITHIN, "{:?}", left_over(session).await);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
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
    hold_as_told(&setup).await
}

pub(crate) async fn hold_as_told(setup: &Setup) -> Result<()> {
    assert_eq!(setup.ping().await?, "pong");
    match std::env::var(HOLD).as_deref() {
        Ok("panic") => {
            announce();
            panic!("as told")
        }
        Ok("block") => {
            announce();
            block()
        }
        Ok("exit") => exit(),
        Ok("abort") => std::process::abort(),
        Ok("forget") => {
            let own = Setup::builder().broker(Redis::default()).without_workers().start().await?;
            std::mem::forget(own);
            Ok(())
        }
        Ok("pass") | Err(_) => Ok(()),
        Ok(_) => {
            announce();
            std::future::pending().await
        }
    }
}

#[expect(clippy::exit, reason = "a test may do it")]
fn exit() -> ! {
    std::process::exit(1)
}

/// A test without a stack that runs behind the one above, in the same process.
#[test]
fn held_without_a_stack() {
    if std::env::var(HOLD).as_deref() == Ok("pass") {
        announce();
        block();
    }
}

/// Blocks its thread, as a client without async or a `sleep` does.
fn block() -> ! {
    loop {
        std::thread::park();
    }
}

#[expect(clippy::print_stdout, reason = "tells the test that started this process that the stack is up")]
fn announce() {
    println!("up");
}

pub(crate) struct Held {
    pub(crate) child: Child,
    pub(crate) session: String,
}

/// A test of this program that is going to be started as a process of its own.
pub(crate) struct Holding {
    command: Command,
    session: String,
}

/// Starts the test above as a process of its own, with some more variables.
pub(crate) fn hold(row: &str, how: Option<&str>, env: &[(&str, &str)]) -> Held {
    let mut holding = hold_command(&[&format!("leftovers::held::{row}"), "--exact"], how);
    holding.command.envs(env.iter().copied());
    holding.into_held()
}

pub(crate) fn hold_command(args: &[&str], how: Option<&str>) -> Holding {
    let session = format!("held-{args:?}-{how:?}-{}", std::process::id());
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command
        .args(args)
        .arg("--nocapture")
        .envs(how.map(|how| (HOLD, how)))
        .env(SESSION_VARIABLE, &session)
        .env_remove("TESTCELERY_REPORT")
        .env_remove("TESTCELERY_BROKERS")
        .env_remove("TESTCELERY_BACKENDS")
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    Holding { command, session }
}

impl Holding {
    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    pub(crate) fn into_held(mut self) -> Held {
        Held { child: self.command.spawn().expect("it starts"), session: self.session }
    }
}

impl Held {
    /// Waits for its end, and returns its exit code and what it wrote.
    fn ended(self) -> (Option<i32>, String) {
        let output = self.child.wait_with_output().expect("it ends");
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
    }

    pub(crate) async fn until_up(&mut self) {
        self.until_told(1);
        let left = left_over(&self.session).await;
        assert_eq!(left.iter().filter(|left| left.kind == "container").count(), 3, "{left:?}");
    }

    fn until_told(&mut self, times: usize) {
        let output = self.child.stdout.take().expect("a pipe");
        let lines = BufReader::new(output).lines().map_while(|line| line.ok());
        let told = lines.filter(|line| line.contains("up")).take(times).count();
        assert_eq!(told, times, "the stack did not come up");
    }

    pub(crate) fn signal(&self, signal: &str) {
        let sent = Command::new("kill").args([signal, &self.child.id().to_string()]).status();
        assert!(sent.expect("there is a kill program").success());
    }
}

#[tokio::test]
async fn a_pass_leaves_nothing() {
    for row in ["rabbitmq_redis", "rabbitmq_memcached", "rabbitmq_rpc", "redis_redis", "redis_memcached"] {
        let held = hold(row, None, &[]);
        let session = held.session.clone();
        let (code, output) = held.ended();
        assert_eq!(code, Some(0), "{row}: {output}");
        assert!(output.contains("1 passed"), "{row}: {output}");
        assert_nothing_left(&session).await;
    }
}

#[tokio::test]
async fn a_panic_leaves_nothing() {
    let held = hold("redis_redis", Some("panic"), &[]);
    let session = held.session.clone();
    let (code, output) = held.ended();
    assert_eq!(code, Some(101), "{output}");
    assert!(output.lines().any(|line| line.ends_with("up")), "the stack was up by then: {output}");
    assert_nothing_left(&session).await;
}

#[tokio::test]
async fn ctrl_c_leaves_nothing() {
    let mut held = hold("redis_redis", Some("int"), &[]);
    held.until_up().await;
    held.signal("-INT");
    assert_eq!(held.child.wait().expect("it ends").signal(), Some(SIGINT));
    assert_nothing_left(&held.session).await;
}

/// Nothing of the test's own thread is needed.
#[tokio::test]
async fn a_signal_ends_bodies_that_block_their_threads() {
    // Two tests at a time.
    let mut held =
        hold_command(&["leftovers::held::redis_", "--test-threads=4", "--skip=rpc"], Some("block"))
            .into_held();
    held.until_told(2);
    held.signal("-TERM");
    assert_eq!(held.child.wait().expect("it ends").signal(), Some(SIGTERM));
    assert_nothing_left(&held.session).await;
}

#[tokio::test]
async fn a_signal_during_the_boot_leaves_nothing() {
    let mut held = hold("rabbitmq_redis", Some("int"), &[]);
    while !left_over(&held.session).await.iter().any(|left| left.kind == "container") {
        tokio::task::yield_now().await;
    }
    held.signal("-INT");
    assert_eq!(held.child.wait().expect("it ends").signal(), Some(SIGINT));
    // What was under way by then is removed by the reaper.
    assert_nothing_left_soon(&held.session).await;
}

/// A test without a stack that follows in the same process is ended as if there had been none.
#[tokio::test]
async fn signals_do_what_they_did_when_the_last_stack_is_gone() {
    for (signal, number) in [("-INT", SIGINT), ("-TERM", SIGTERM)] {
        let args =
            ["leftovers::held", "--test-threads=1", "--skip=rabbitmq", "--skip=rpc", "--skip=memcached"];
        let mut held = hold_command(&args, Some("pass")).into_held();
        held.until_told(1);
        held.signal(signal);
        assert_eq!(held.child.wait().expect("it ends").signal(), Some(number));
        assert_nothing_left(&held.session).await;
    }
}

#[tokio::test]
async fn kill_9_leaves_nothing() {
    let mut held = hold("rabbitmq_redis", Some("kill"), &[]);
    held.until_up().await;
    held.signal("-KILL");
    held.child.wait().expect("it ends");
    assert_nothing_left_soon(&held.session).await;
}

/// Without unwinding and without the runner's good-bye.
#[tokio::test]
async fn exit_and_abort_leave_nothing() {
    for how in ["exit", "abort"] {
        let mut held = hold("redis_redis", Some(how), &[]);
        assert!(!held.child.wait().expect("it ends").success());
        assert_nothing_left_soon(&held.session).await;
    }
}

/// A test that passes while it forgets a setup of its own: the reaper is told that all is well.
#[tokio::test]
async fn what_is_forgotten_is_removed_by_the_next_run() {
    let forgetful = hold("redis_redis", Some("forget"), &[]);
    let session = forgetful.session.clone();
    assert_eq!(forgetful.ended().0, Some(0));
    assert_eq!(hold("redis_redis", None, &[]).ended().0, Some(0));
    // On local processes it is the guardian's, which may still be at work.
    assert_nothing_left_soon(&session).await;
}
