//! `e2e`: the tests that need a real stack.

use std::{num::NonZeroUsize, process::ExitCode};

use anyhow::bail;

use crate::{
    runner::{self, Case, Settings, Suite, Totals, Which},
    ui,
};

/// Options of `e2e`.
#[derive(Debug, clap::Args)]
pub(crate) struct E2e {
    /// Only tests with this in their name, as it is printed.
    filter: Option<String>,
    /// How many tests run at a time [default: one per core].
    #[arg(long, value_name = "N")]
    jobs: Option<NonZeroUsize>,
    /// How often every test runs.
    #[arg(long, value_name = "N", default_value = "1")]
    repeat: NonZeroUsize,
}

/// The packages with such tests.
pub(crate) const SUITES: [Suite; 2] = [
    Suite {
        package: "testcelery-api",
        which: Which::All,
    },
    Suite {
        package: "testcelery-client",
        which: Which::All,
    },
];

impl E2e {
    /// Runs them; fails when one fails, when there is none, and when anything is left behind.
    pub(crate) async fn run(self) -> anyhow::Result<ExitCode> {
        let totals = self.tests(&SUITES).await?;
        ui::line(format_args!("\n{totals}"));
        Ok(if totals.failed == 0 {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        })
    }

    async fn tests(&self, suites: &[Suite]) -> anyhow::Result<Totals> {
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
        let cases: Vec<Case> = cases
            .iter()
            .cycle()
            .take(cases.len() * self.repeat.get())
            .cloned()
            .collect();
        let jobs = self
            .jobs
            .or_else(|| std::thread::available_parallelism().ok())
            .unwrap_or(NonZeroUsize::MIN);
        runner::run_all(
            &cases,
            &Settings {
                jobs,
                environment: &[],
            },
        )
        .await
    }
}
