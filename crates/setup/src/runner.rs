//! What `#[testcelery::test]` calls: boot, body, evidence, teardown, report.
//!
//! Public because the attribute's code calls it from other crates; use the attribute, or [`Setup::builder`](crate::Setup::builder).

use std::{
    fmt,
    future::Future,
    panic::AssertUnwindSafe,
    time::{Duration, Instant},
};

use futures_util::FutureExt;
use testcelery_api::{self as api, Capability, Logs, escape_report};

use crate::{
    Error, Setup, SetupBuilder, evidence,
    hooks::panic_text,
    interrupt::{Running, arrived},
    kept_errors::KeptErrors,
    narrow, reaper,
    report::{Report, ms},
    say::say,
};

pub use crate::narrow::Row;

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
/// # Signals
/// While a test runs, the first `SIGINT` or `SIGTERM` removes every stack of this process within 8 s, whatever the bodies do, and then ends the process by
/// that signal. Another one ends the process at once. Before the first and after the last test, signals do what they did without testcelery.
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
    let running = Running::begin(test);
    let running = running.map_err(|error| Failure(format!("signals cannot be watched: {error}")))?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.map_err(|error| Failure(format!("no tokio runtime: {error}")))?;
    let (report, failure) = runtime.block_on(play(test, row, &running, builder, needs, body));
    drop(running);
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
    running: &Running,
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
    let address = if engine.guards_itself() { None } else { engine.address() };
    if let Some(address) = &address {
        reaper::begun(test, engine.name(), address);
    }
    running.on(&engine);
    let Some(booted) = unless_interrupted(builder.boot()).await else { return (report, None) };
    report.boot_ms = ms(begin.elapsed());
    let setup = match booted {
        Ok(setup) => setup,
        Err(failure) => {
            // Of what such a boot has started something may be left: the reaper looks when this process ends.
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

    running.has(&setup);
    report.components_ms = ms(setup.components_booted());

    let begin = Instant::now();
    let body = AssertUnwindSafe(body(setup.clone())).catch_unwind();
    let Some(outcome) = unless_interrupted(body).await else { return (report, None) };
    let failure = outcome.map_or_else(|panic| Some(panic_text(panic.as_ref())), Outcome::failure);
    report.body_ms = ms(begin.elapsed());

    let begin = Instant::now();
    let logs = setup.all_logs();
    let Some(hooks) = unless_interrupted(setup.before_down()).await else { return (report, None) };
    let hooks: Vec<String> = hooks.iter().map(|error| format!("{error:?}")).collect();
    let down = setup.down().await.err().map(|error| format!("{error:?}"));
    report.teardown_ms = ms(begin.elapsed());
    if down.is_none() && address.is_some() {
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

/// Drops a future when a signal arrives. `None` then: the process is about to end, and what is returned is read by nobody.
async fn unless_interrupted<T>(future: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        biased;
        () = arrived() => None,
        output = future => Some(output),
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
