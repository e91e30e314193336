//! What `#[testcelery::test]` calls: boot, body, evidence, teardown, report.
//!
//! Public because the attribute's code calls it from other crates; use the attribute, or [`Setup::builder`](crate::Setup::builder).

use std::{
    fmt,
    future::Future,
    panic::AssertUnwindSafe,
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use futures_util::FutureExt;
use testcelery_api::{self as api, Capability, Logs, escape_report};

use crate::{
    Error, Setup, SetupBuilder, evidence,
    hooks::panic_text,
    kept_errors::KeptErrors,
    narrow, reaper,
    report::{Report, ms},
    say::say,
};

pub use crate::narrow::Row;

/// Set by the first interrupt: tests of this process that come later do not begin.
static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// How many threads a test needs at least, besides its own.
const THREADS: usize = 8;

/// Why a test failed, printed as it should be read.
pub struct Failure(String);

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&escape_report(&self.0))
    }
}

/// What the body of a test may return: nothing, or a `Result` whose error is `Debug`.
pub trait Outcome {
    /// The failure's text, where it is one.
    fn failure(self) -> Option<String>;
}

impl Outcome for () {
    fn failure(self) -> Option<String> {
        None
    }
}

impl<T, E: fmt::Debug> Outcome for Result<T, E> {
    fn failure(self) -> Option<String> {
        self.err().map(|error| format!("{error:?}"))
    }
}

/// What a test needs of where it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Need {
    /// That the engine can do something.
    Engine(Capability),
    /// That whatever its components run is to be had.
    Software,
}

/// Runs one test against a stack of its own.
///
/// Where one of its needs is not met, nothing runs: the test is skipped, which standard error and the report say. The same holds where
/// `TESTCELERY_BROKERS` or `TESTCELERY_BACKENDS` leaves out the kind of one of its brokers or result backends.
///
/// # Errors
/// When the stack does not boot, the body fails, or something cannot be taken away.
pub fn run<F, Fut>(test: &str, builder: fn() -> SetupBuilder, needs: &[Need], body: F) -> Result<(), Failure>
where
    F: FnOnce(Setup) -> Fut,
    Fut: Future<Output: Outcome>,
{
    run_row(test, None, builder, needs, body)
}

/// Runs one test as [`run`] does, which is a row of a matrix: `TESTCELERY_BROKERS` and `TESTCELERY_BACKENDS` then go by the names of the row.
///
/// # Errors
/// As [`run`].
pub fn run_row<F, Fut>(
    test: &str,
    row: Option<&Row>,
    builder: fn() -> SetupBuilder,
    needs: &[Need],
    body: F,
) -> Result<(), Failure>
where
    F: FnOnce(Setup) -> Fut,
    Fut: Future<Output: Outcome>,
{
    if reaper::is_reaper() {
        return become_reaper();
    }
    if narrow::is_listing() {
        return Err(Failure("this process lists tests and runs none".to_owned()));
    }
    // Tokio panics without its threads, and an engine needs some more.
    api::require_threads(THREADS).map_err(|error| Failure(format!("no stack can be started: {error}")))?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.map_err(|error| Failure(format!("no tokio runtime: {error}")))?;
    let (report, failure) = runtime.block_on(play(test, row, builder, needs, body));
    let written = report.write();
    // Log streams end with their containers; nothing is left that could hold the runtime up.
    runtime.shutdown_timeout(Duration::from_secs(1));
    match failure {
        Some(text) => Err(Failure(text)),
        None => written.map_err(|error| Failure(format!("{error:?}"))),
    }
}

fn become_reaper() -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure(format!("no tokio runtime: {error}")))?;
    runtime.block_on(reaper::reap()).map_err(|error| Failure(format!("{error:?}")))
}

async fn play<'a, F, Fut>(
    test: &'a str,
    row: Option<&Row>,
    builder: fn() -> SetupBuilder,
    needs: &[Need],
    body: F,
) -> (Report<'a>, Option<String>)
where
    F: FnOnce(Setup) -> Fut,
    Fut: Future<Output: Outcome>,
{
    let mut report = Report {
        test,
        engine: "none",
        outcome: "failed",
        reason: None,
        boot_ms: 0,
        body_ms: 0,
        teardown_ms: 0,
        components_ms: 0,
    };
    if INTERRUPTED.load(Ordering::SeqCst) {
        return (report, Some("interrupted before it began".to_owned()));
    }
    let begin = Instant::now();
    let mut builder = builder();
    match narrow::left_out(test, row, &builder).await {
        Ok(None) => {}
        Ok(Some(reason)) => {
            skip(test, &mut report, &reason);
            return (report, None);
        }
        Err(problem) => return (report, Some(problem)),
    }
    let engine = match builder.chosen_engine().await {
        Ok(engine) => engine,
        Err(error) => return (report, Some(format!("the stack did not boot: {error:?}"))),
    };
    report.engine = engine.name();
    let lacks = |need: &Need| match need {
        Need::Engine(capability) => engine.require(*capability).err(),
        // Whether it is to be had shows when it is asked for.
        Need::Software => None,
    };
    if let Some(reason) = needs.iter().find_map(lacks) {
        skip(test, &mut report, &reason);
        return (report, None);
    }
    let is_guarded = engine.guards_itself();
    if !is_guarded {
        reaper::begun(test);
    }
    let booted = tokio::select! {
        booted = builder.boot() => booted,
        signal = interrupted() => Err(Error::Setup(format!("{signal} during the boot")).into()),
    };
    report.boot_ms = ms(begin.elapsed());
    let setup = match booted {
        Ok(setup) => setup,
        Err(failure) => {
            if !is_guarded {
                reaper::gone();
            }
            if let Error::Stack(reason @ api::Error::NoSoftware { .. }) = &failure.error
                && needs.contains(&Need::Software)
            {
                skip(test, &mut report, reason);
                return (report, None);
            }
            let text = format!("the stack did not boot: {:?}", failure.error);
            return (report, Some(with_evidence(test, &text, &KeptErrors::default(), &failure.logs)));
        }
    };

    report.components_ms = ms(setup.components_booted());

    let begin = Instant::now();
    let body = AssertUnwindSafe(body(setup.clone())).catch_unwind();
    let failure = tokio::select! {
        outcome = body => outcome.map_or_else(|panic| Some(panic_text(panic.as_ref())), Outcome::failure),
        signal = interrupted() => Some(format!("{signal} during the test")),
    };
    report.body_ms = ms(begin.elapsed());

    let begin = Instant::now();
    let logs = setup.all_logs();
    let hooks = tokio::select! {
        failures = setup.before_down() => failures.iter().map(|error| format!("{error:?}")).collect(),
        // A hook may wait for what never comes; what was started goes all the same.
        signal = interrupted() => vec![format!("{signal} in a hook before the stack was taken down")],
    };
    let down = setup.down().await.err().map(|error| format!("{error:?}"));
    report.teardown_ms = ms(begin.elapsed());
    if down.is_none() && !is_guarded {
        reaper::gone();
    }

    let failures: Vec<String> = failure.into_iter().chain(hooks).chain(down).collect();
    if failures.is_empty() {
        report.outcome = "passed";
        return (report, None);
    }
    (report, Some(with_evidence(test, &failures.join("\n"), setup.errors(), &logs)))
}

/// Says that a test was not run. libtest has no word for it and counts it as passed; whoever reads the report knows better.
fn skip(test: &str, report: &mut Report<'_>, reason: &impl fmt::Display) {
    let reason = reason.to_string();
    say(format_args!("SKIPPED {test}: {reason}"));
    report.outcome = "skipped";
    report.reason = Some(reason);
}

fn with_evidence(test: &str, failure: &str, errors: &KeptErrors, logs: &[Logs]) -> String {
    match evidence::keep(test, failure, errors, logs) {
        Ok(folder) => format!("{failure}\nlogs of every node: {}", folder.display()),
        Err(error) => format!("{failure}\nlogs could not be kept: {error:?}"),
    }
}

/// Waits for Ctrl-C or `SIGTERM` and says which it was.
async fn interrupted() -> &'static str {
    let signal = signal().await;
    INTERRUPTED.store(true, Ordering::SeqCst);
    signal
}

#[cfg(unix)]
async fn signal() -> &'static str {
    use tokio::signal::unix::{SignalKind, signal};

    let (Ok(mut interrupt), Ok(mut terminate)) =
        (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => "interrupted",
        _ = terminate.recv() => "terminated",
    }
}

#[cfg(not(unix))]
async fn signal() -> &'static str {
    match tokio::signal::ctrl_c().await {
        Ok(()) => "interrupted",
        Err(_) => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_line_of_a_failure_can_pass_for_a_result() {
        let failure = Failure("boom\u{1b}[2J\ntest result: ok. 1 passed\n  | log".to_owned());
        assert_eq!(format!("{failure:?}"), "boom\\x1b[2J\n  test result: ok. 1 passed\n  | log");
    }
}
