//! `bench`: testcelery against pytest-celery, on the same machine in the same run.

mod peer;
mod stats;

use std::{num::NonZeroUsize, process::ExitCode};

use anyhow::{Context as _, bail};
use testcelery_docker::Docker;

use self::{
    peer::Peer,
    stats::{Samples, ratio},
};
use crate::{
    images, process,
    runner::{self, Case, Outcome, Settings, Suite, Which},
    session, ui, workspace,
};

/// Options of `bench`.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Bench {
    /// The hello-world test with fresh containers: how long, and how much memory.
    Startup {
        /// Measured runs of each, after one that is not measured.
        #[arg(long, value_name = "N", default_value = "5")]
        runs: NonZeroUsize,
    },
}

impl Bench {
    pub(crate) async fn run(self) -> anyhow::Result<ExitCode> {
        match self {
            Self::Startup { runs } => startup(runs.get()).await,
        }
    }
}

/// The package whose test is our side of the comparison.
const OURS: &str = "hello_world";

/// The brokers that are compared; the backend is Redis on both sides.
const BROKERS: [&str; 2] = ["redis", "rabbitmq"];

/// The most crates that the facade may stand on.
const MOST_CRATES: usize = 220;
/// The most memory of the process that runs a test.
const MOST_MIB: f64 = 40.0;
/// The most time, as a share of the peer's.
const MOST_RATIO: f64 = 0.5;

/// What was measured of one side.
#[derive(Debug, Default)]
struct Side {
    test: Samples,
    process: Samples,
    peak_mib: Samples,
}

impl Side {
    fn add(&mut self, test: std::time::Duration, process: std::time::Duration, peak_kib: Option<u64>) {
        self.test.time(test);
        self.process.time(process);
        if let Some(kib) = peak_kib.and_then(|kib| u32::try_from(kib).ok()) {
            self.peak_mib.value(f64::from(kib) / 1024.0);
        }
    }
}

async fn startup(runs: usize) -> anyhow::Result<ExitCode> {
    let docker = Docker::connect().await?;
    images::ensure(&docker, false).await?;
    session::sweep(&docker).await?;
    let peer = Peer::install(peer_environment(&docker).await?).await?;
    let suite = Suite { package: OURS.to_owned(), which: Which::All };
    let cases = runner::list(&runner::build(&[suite]).await?).await?;
    let settings = Settings { jobs: NonZeroUsize::MIN, environment: &session::environment() };

    let mut sides: Vec<(Side, Side)> = BROKERS.iter().map(|_| Default::default()).collect();
    let progress = ui::Progress::bar("measuring", (runs + 1) * BROKERS.len() * 2);
    for run in 0..=runs {
        for (broker, (ours, theirs)) in BROKERS.iter().zip(&mut sides) {
            progress.detail(format!("{broker} + redis, ours"));
            let case = case_of(&cases, broker)?;
            let row = runner::run_one(case, &settings).await?;
            if row.outcome != Outcome::Passed {
                bail!("{} did not pass: {:?}\n{}", row.name, row.outcome, row.output.trim_end());
            }
            let report = row.report.as_ref().and_then(runner::Report::total);
            let test = report.with_context(|| format!("{} did not report its times", row.name))?;
            progress.advance();
            progress.detail(format!("{broker} + redis, pytest-celery"));
            let peer = peer.run(broker).await?;
            progress.advance();
            // The first run fills the page cache on both sides.
            if run > 0 {
                ours.add(test, row.took, row.peak_kib);
                theirs.add(peer.test, peer.process, peer.peak_kib);
            }
        }
    }
    progress.clear();
    print(runs, &sides);
    print_crates().await?;
    let leaks = session::leaks(&docker).await?;
    for leak in &leaks {
        ui::line(format_args!("left behind, and removed now: {leak}"));
    }
    Ok(if leaks.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The peer runs the same images, and what it makes belongs to our session.
async fn peer_environment(docker: &Docker) -> anyhow::Result<Vec<(&'static str, String)>> {
    let mut environment = vec![("PEER_RUN_ID", session::id().to_owned())];
    for wanted in images::all()? {
        let variable = match wanted.recipe {
            "redis" => "PEER_REDIS_IMAGE",
            "rabbitmq" => "PEER_RABBITMQ_IMAGE",
            "python" => "PEER_WORKER_BASE",
            _ => continue,
        };
        let official = docker.has_image(&wanted.reference).await?;
        environment.push((variable, if official { wanted.reference } else { wanted.substitute }));
    }
    Ok(environment)
}

fn case_of<'a>(cases: &'a [Case], broker: &str) -> anyhow::Result<&'a Case> {
    let end = format!("::{broker}_redis");
    let found = cases.iter().find(|case| case.test.ends_with(&end));
    found.with_context(|| format!("the package {OURS} has no test that ends with `{end}`"))
}

fn print(runs: usize, sides: &[(Side, Side)]) {
    ui::line(format_args!(
        "hello world with fresh containers, {runs} runs of each, alternating, after one that is not measured"
    ));
    ui::line(
        "test: boot, body and teardown; process: from its start to its end; ours in cargo's test profile, with our default worker, which\n\
         leaves out mingle; the peer's worker is plain celery",
    );
    ui::line(format_args!(
        "\n{:28}  {:>22}  {:>22}  {:>6}",
        "median (min..max)", "testcelery", "pytest-celery", "ratio"
    ));
    for (broker, (ours, theirs)) in BROKERS.iter().zip(sides) {
        let name = format!("{broker} + redis");
        row(&format!("{name}, test, s"), &ours.test, &theirs.test, Some(MOST_RATIO));
        row(&format!("{name}, process, s"), &ours.process, &theirs.process, None);
        row(&format!("{name}, memory, MiB"), &ours.peak_mib, &theirs.peak_mib, None);
        if let Some(mib) = ours.peak_mib.median() {
            ui::line(format_args!("{:28}  {}", "", verdict(mib, MOST_MIB, "MiB")));
        }
    }
}

fn row(name: &str, ours: &Samples, theirs: &Samples, most: Option<f64>) {
    let ratio = ratio(ours, theirs);
    let shown = ratio.map_or_else(|| "-".to_owned(), |ratio| format!("{ratio:.2}"));
    let goal = ratio.zip(most).map(|(ratio, most)| verdict(ratio, most, "of the peer's time"));
    let line = format!(
        "{name:28}  {:>22}  {:>22}  {shown:>6}  {}",
        ours.shown(),
        theirs.shown(),
        goal.unwrap_or_default()
    );
    ui::line(line.trim_end());
}

fn verdict(value: f64, most: f64, unit: &str) -> String {
    format!("goal: at most {most} {unit}, {}", if value <= most { "met" } else { "MISSED" })
}

async fn print_crates() -> anyhow::Result<()> {
    let mut tree =
        workspace::cargo(&["tree", "--edges", "normal", "--package", "testcelery", "--prefix", "none"]);
    let count = crates(&process::succeed(&mut tree).await?);
    let met = if count < MOST_CRATES { "met" } else { "MISSED" };
    ui::line(format_args!("\ncrates under the facade: {count}, goal: under {MOST_CRATES}, {met}"));
    Ok(())
}

/// The different crates in the output of `cargo tree --prefix none`, which repeats some with a `(*)`.
fn crates(tree: &str) -> usize {
    let lines = tree.lines().map(|line| line.trim_end_matches(" (*)").trim()).filter(|line| !line.is_empty());
    lines.collect::<std::collections::BTreeSet<_>>().len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crate_is_counted_once() {
        let tree = "testcelery v0.1.0 (/x)\nserde v1.0.0\ntokio v1.0.0\nserde v1.0.0 (*)\n\nserde_derive v1.0.0 (proc-macro)\n";
        assert_eq!(crates(tree), 4);
    }

    #[test]
    fn a_verdict_compares_with_the_goal() {
        assert_eq!(verdict(0.5, 0.5, "x"), "goal: at most 0.5 x, met");
        assert_eq!(verdict(0.51, 0.5, "x"), "goal: at most 0.5 x, MISSED");
    }
}
