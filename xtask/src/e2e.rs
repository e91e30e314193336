//! `e2e`: the tests that need a real stack.

use std::{num::NonZeroUsize, process::ExitCode};

use anyhow::bail;

use crate::{
    engines::{self, Used, Wanted},
    runner::{self, Case, Settings, Suite, Totals, Which},
    session, ui, workspace,
};

/// Options of `e2e`.
#[derive(Debug, clap::Args)]
pub(crate) struct E2e {
    /// Only tests with this in their name, as it is printed.
    filter: Option<String>,
    /// Where they run [default: Docker where a daemon is asked for or answers, else local processes].
    #[arg(long, value_enum)]
    engine: Option<Wanted>,
    /// How many tests run at a time [default: one per core].
    #[arg(long, value_name = "N")]
    jobs: Option<NonZeroUsize>,
    /// How often every test runs.
    #[arg(long, value_name = "N", default_value = "1")]
    repeat: NonZeroUsize,
}

impl Default for E2e {
    fn default() -> Self {
        Self { filter: None, engine: None, jobs: None, repeat: NonZeroUsize::MIN }
    }
}

/// The packages with such tests: those of an engine, which are ignored in `cargo test`, and those of all.
pub(crate) fn suites(engine: &str) -> Vec<Suite> {
    vec![
        Suite { package: format!("testcelery-{engine}"), which: Which::IgnoredOnly },
        Suite { package: E2E.to_owned(), which: Which::All },
    ]
}

/// The package with the tests of all engines.
pub(crate) const E2E: &str = "testcelery-e2e";

/// The example packages, whose tests need a stack too.
pub(crate) fn examples() -> anyhow::Result<Vec<Suite>> {
    let metadata = workspace::metadata()?;
    let folder = workspace::root().join("examples");
    let examples = metadata
        .workspace_packages()
        .into_iter()
        .filter(|package| package.manifest_path.starts_with(&folder));
    Ok(examples.map(|package| Suite { package: package.name.to_string(), which: Which::All }).collect())
}

/// What a run of tests with a stack gave.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) totals: Totals,
    /// What was left behind, and is removed now.
    pub(crate) leaks: Vec<String>,
}

impl Finished {
    pub(crate) fn is_good(&self) -> bool {
        // A run whose every test was left out has shown nothing.
        self.totals.failed == 0 && self.totals.passed > 0 && self.leaks.is_empty()
    }
}

impl E2e {
    /// Runs them; fails when one fails, when there is none, and when anything is left behind.
    pub(crate) async fn run(self) -> anyhow::Result<ExitCode> {
        let mut is_good = true;
        for used in engines::chosen(self.engine).await? {
            let finished = self.tests(&used, &suites(used.name())).await?;
            ui::line(format_args!("\n{}: {}", used.name(), finished.totals));
            for leak in &finished.leaks {
                ui::line(format_args!("left behind, and removed now: {leak}"));
            }
            if finished.leaks.is_empty() {
                ui::line("nothing is left behind");
            }
            is_good &= finished.is_good();
        }
        Ok(if is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    /// Ensures what an engine needs, then builds, lists and runs the tests of these packages, and looks for what they left behind.
    pub(crate) async fn tests(&self, used: &Used, suites: &[Suite]) -> anyhow::Result<Finished> {
        ui::line(format_args!("engine: {used}"));
        engines::ensure(used).await?;
        session::sweep(used.engine.as_ref()).await?;
        let cases = self.cases(suites).await?;
        let cores = || std::thread::available_parallelism().ok();
        let jobs = self.jobs.or_else(cores).unwrap_or(NonZeroUsize::MIN);
        let settings = Settings { jobs, environment: &session::environment(used) };
        let totals = runner::run_all(&cases, &settings).await;
        let leaks = session::leaks(used.engine.as_ref()).await?;
        Ok(Finished { totals: totals?, leaks })
    }

    async fn cases(&self, suites: &[Suite]) -> anyhow::Result<Vec<Case>> {
        let binaries = runner::build(suites).await?;
        let mut cases = runner::list(&binaries).await?;
        if let Some(filter) = &self.filter {
            cases.retain(|case| case.name().contains(filter.as_str()));
        }
        if cases.is_empty() {
            match &self.filter {
                Some(filter) => bail!("no test has `{filter}` in its name"),
                None => bail!("there are no tests"),
            }
        }
        let all = cases.len() * self.repeat.get();
        Ok(cases.iter().cycle().take(all).cloned().collect())
    }
}
