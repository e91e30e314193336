//! Runs tests that need a real stack: each in a process of its own, several at a time.

mod build;
pub(crate) mod libtest;
mod report;
mod table;

use std::{
    num::NonZeroUsize,
    path::Path,
    process::ExitStatus,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use futures_util::{StreamExt as _, stream};

pub(crate) use build::{Case, Suite, Which, build, list};
pub(crate) use report::Report;
use table::Table;

use crate::{
    process::{Group, Sink},
    ui,
};

/// After this a test's process is killed, and the test has failed.
const LIMIT: Duration = Duration::from_secs(300);

/// The variable with the file that a test appends its report to.
const REPORT: &str = "TESTCELERY_REPORT";

/// How a test ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    Passed,
    /// With how its process ended.
    Failed(String),
    /// With the reason.
    Skipped(String),
}

/// One test that has run.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) outcome: Outcome,
    pub(crate) report: Option<Report>,
    /// From the start of its process to the end.
    pub(crate) took: Duration,
    /// Everything that it printed.
    pub(crate) output: String,
    /// The most memory that its process held at one time, where that was watched.
    pub(crate) peak_kib: Option<u64>,
}

/// How the tests are run.
#[derive(Debug)]
pub(crate) struct Settings<'a> {
    /// How many at a time.
    pub(crate) jobs: NonZeroUsize,
    /// The environment that all of them share.
    pub(crate) environment: &'a [(&'static str, String)],
}

/// How many tests ended how.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    pub(crate) passed: usize,
    pub(crate) failed: usize,
    pub(crate) skipped: usize,
}

impl Totals {
    fn count(&mut self, outcome: &Outcome) {
        match outcome {
            Outcome::Passed => self.passed += 1,
            Outcome::Failed(_) => self.failed += 1,
            Outcome::Skipped(_) => self.skipped += 1,
        }
    }
}

impl std::fmt::Display for Totals {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} passed, {} failed", self.passed, self.failed)?;
        if self.skipped > 0 {
            write!(f, ", {} skipped", self.skipped)?;
        }
        Ok(())
    }
}

/// Runs the tests, prints a row as each ends, and the output of those that failed at the end.
pub(crate) async fn run_all(cases: &[Case], settings: &Settings<'_>) -> anyhow::Result<Totals> {
    let names: Vec<String> = cases.iter().map(Case::name).collect();
    let table = Table::new(names.iter().map(String::as_str));
    let progress = ui::Progress::bar("running tests", cases.len());
    ui::line(table.head());
    let mut totals = Totals::default();
    let mut failures = Vec::new();
    let mut rows =
        stream::iter(cases.iter().map(|case| run_one(case, settings))).buffer_unordered(settings.jobs.get());
    while let Some(row) = rows.next().await {
        let row = row?;
        totals.count(&row.outcome);
        ui::line(table.row(&row));
        progress.advance();
        progress.detail(row.name.clone());
        if matches!(row.outcome, Outcome::Failed(_)) {
            failures.push(row);
        }
    }
    drop(rows);
    progress.clear();
    for row in &failures {
        ui::line(failure(row));
    }
    Ok(totals)
}

/// What is shown of a test that failed. Its output names the folder with the evidence.
fn failure(row: &Row) -> String {
    let how = match &row.outcome {
        Outcome::Failed(how) => how.as_str(),
        _ => "",
    };
    format!("\n--- {}: {how}\n{}", row.name, ui::printed(&row.output))
}

/// Runs one test.
pub(crate) async fn run_one(case: &Case, settings: &Settings<'_>) -> anyhow::Result<Row> {
    run_limited(case, settings, LIMIT).await
}

async fn run_limited(case: &Case, settings: &Settings<'_>, limit: Duration) -> anyhow::Result<Row> {
    let folder = tempfile::tempdir().context("could not create a temporary folder")?;
    let report = folder.path().join("report.jsonl");
    let mut command = case.binary.command();
    command.arg(&case.test).args(["--exact", "--nocapture"]);
    if case.binary.which == Which::IgnoredOnly {
        command.arg("--ignored");
    }
    command.envs(settings.environment.iter().map(|(name, value)| (name, value))).env(REPORT, &report);
    let mut sink = Sink::new()?;
    sink.attach(&mut command)?;
    let started = Instant::now();
    let mut group = Group::spawn(&mut command)?;
    let (status, peak_kib) = wait_watched(&mut group, limit).await?;
    let took = started.elapsed();
    let output = sink.text()?;
    let outcome = match status {
        None => Outcome::Failed(format!("killed after {} s", limit.as_secs())),
        Some(status) => outcome(&case.test, status.success(), &status.to_string(), &output),
    };
    let report = report::read(&report);
    // libtest knows no test that skips itself, and counts it as passed.
    let outcome = match report.as_ref().and_then(Report::skipped) {
        Some(reason) if outcome == Outcome::Passed => Outcome::Skipped(reason.to_owned()),
        _ => outcome,
    };
    Ok(Row { name: case.name(), outcome, report, took, output, peak_kib })
}

/// A test has passed when its process says so in both ways: by its exit code, and by having counted it.
fn outcome(test: &str, success: bool, status: &str, output: &str) -> Outcome {
    match libtest::last_counts(output) {
        Some(counts) if success && counts.passed == 1 => Outcome::Passed,
        Some(counts) if success && counts.ignored == 1 => {
            Outcome::Skipped(libtest::ignored_because(output, test).unwrap_or("ignored").to_owned())
        }
        Some(_) if success => Outcome::Failed("it ran no test".to_owned()),
        None if success => Outcome::Failed("it ended without a result".to_owned()),
        _ => Outcome::Failed(status.to_owned()),
    }
}

/// How often the memory of a process is read.
const MEMORY_INTERVAL: Duration = Duration::from_millis(20);

/// Waits for a process at most so long, and reads its memory meanwhile. The kernel keeps the high-water mark (`VmHWM` in
/// proc(5)), so that only what the process takes in its last moments can be missed.
pub(crate) async fn wait_watched(
    group: &mut Group,
    limit: Duration,
) -> anyhow::Result<(Option<ExitStatus>, Option<u64>)> {
    let id = group.id();
    let waiting = group.wait_at_most(limit);
    tokio::pin!(waiting);
    let mut peak = None;
    let mut ticks = tokio::time::interval(MEMORY_INTERVAL);
    loop {
        tokio::select! {
            ended = &mut waiting => return Ok((ended?, peak)),
            _ = ticks.tick() => peak = id.and_then(high_water_mark).or(peak),
        }
    }
}

fn high_water_mark(id: u32) -> Option<u64> {
    kib(&std::fs::read_to_string(Path::new("/proc").join(id.to_string()).join("status")).ok()?)
}

fn kib(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const OK: &str =
        "test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s\n";
    const IGNORED: &str = "test a ... ignored, left out\n\
        test result: ok. 0 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s\n";
    const NONE: &str =
        "test result: ok. 0 passed; 0 failed; 0 ignored; 0 measured; 3 filtered out; finished in 0.01s\n";

    #[test]
    fn a_test_passes_by_code_and_by_count() {
        assert_eq!(outcome("a", true, "", OK), Outcome::Passed);
        assert_eq!(outcome("a", true, "", IGNORED), Outcome::Skipped("left out".into()));
        assert_eq!(outcome("a", true, "", NONE), Outcome::Failed("it ran no test".into()));
        assert_eq!(outcome("a", true, "", ""), Outcome::Failed("it ended without a result".into()));
        assert_eq!(
            outcome("a", false, "signal: 6 (SIGABRT)", OK),
            Outcome::Failed("signal: 6 (SIGABRT)".into())
        );
        assert_eq!(outcome("a", false, "exit status: 101", ""), Outcome::Failed("exit status: 101".into()));
    }

    #[test]
    fn totals_name_the_skipped_only_where_there_are_some() {
        let mut totals = Totals::default();
        totals.count(&Outcome::Passed);
        totals.count(&Outcome::Failed("x".into()));
        assert_eq!(totals.to_string(), "1 passed, 1 failed");
        totals.count(&Outcome::Skipped("y".into()));
        assert_eq!(totals.to_string(), "1 passed, 1 failed, 1 skipped");
    }

    #[test]
    fn the_high_water_mark_is_read_from_the_status() {
        assert_eq!(kib("Name:\tx\nVmHWM:\t   12345 kB\nVmRSS:\t 1 kB\n"), Some(12345));
        assert_eq!(kib("Name:\tx\n"), None);
        assert!(high_water_mark(std::process::id()).is_some());
    }
}
