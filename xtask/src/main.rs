#![doc = include_str!("../README.md")]
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command line tool speaks through both")]

mod bench;
mod clean;
mod doctor;
mod e2e;
mod engines;
mod images;
mod interrupt;
mod process;
mod runner;
mod session;
mod test;
mod tidy;
mod ui;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The development tasks of testcelery.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", about)]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Makes every image that the tests need present.
    Images(images::Images),
    /// Makes everything present that the local engine runs.
    Provide,
    /// Runs the tests that need a real stack.
    E2e(e2e::E2e),
    /// Runs everything that has to pass before a change is merged.
    Test,
    /// Removes everything of testcelery's that is left on any engine.
    Clean(clean::Clean),
    /// Says which engine is used and why, and what is off.
    Doctor,
    /// Measures testcelery against pytest-celery.
    #[command(subcommand)]
    Bench(bench::Bench),
    /// Checks the rules of the house that no other tool checks.
    Tidy,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    match interrupt::run(cli.task.run()) {
        Ok(code) => code,
        Err(error) => {
            ui::error(&error);
            ExitCode::FAILURE
        }
    }
}

impl Task {
    async fn run(self) -> anyhow::Result<ExitCode> {
        match self {
            Self::Images(task) => task.run().await,
            Self::Provide => engines::provide().await,
            Self::E2e(task) => task.run().await,
            Self::Test => test::run().await,
            Self::Clean(task) => task.run().await,
            Self::Doctor => doctor::run().await,
            Self::Bench(task) => task.run().await,
            Self::Tidy => tidy::run().await,
        }
    }
}
