//! `bench`: testcelery against pytest-celery, on the same machine in the same run.

mod codegen;
mod peer;
mod stats;

use std::{
    num::NonZeroUsize,
    process::ExitCode,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};
use testcelery_docker::Docker;
use tokio::process::Command;

use self::{
    peer::Peer,
    stats::{Samples, ratio},
};
use crate::{
    engines::{self, Used},
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
    /// The local engine's programs, fetched into an empty cache.
    Cache,
    /// Workers' content: from sources to files, and into containers.
    Codegen {
        /// Measured uploads on each engine, after one that is not measured.
        #[arg(long, value_name = "N", default_value = "5")]
        runs: NonZeroUsize,
    },
}

impl Bench {
    pub(crate) async fn run(self) -> anyhow::Result<ExitCode> {
        match self {
            Self::Startup { runs } => startup(runs.get()).await,
            Self::Cache => cache().await,
            Self::Codegen { runs } => codegen::run(runs.get()).await.map(|()| ExitCode::SUCCESS),
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
const MOST_LOCAL_RATIO: f64 = 1.0 / 3.0;
/// The most time of what the local engine and the setup do themselves.
const MOST_OWN_MS: f64 = 50.0;
/// The most time for choosing an engine.
const MOST_DECISION_MS: f64 = 20.0;
/// The most time for what the local engine fetches, in seconds.
const MOST_FILL_S: f64 = 60.0;

/// The width of the first column.
const WIDTH: usize = 36;

/// What was measured of one side.
#[derive(Debug, Default)]
struct Side {
    test: Samples,
    process: Samples,
    peak_mib: Samples,
    /// What the harness itself took.
    own: Samples,
}

impl Side {
    fn add(&mut self, test: Duration, process: Duration, peak_kib: Option<u64>) {
        self.test.time(test);
        self.process.time(process);
        if let Some(kib) = peak_kib.and_then(|kib| u32::try_from(kib).ok()) {
            self.peak_mib.value(f64::from(kib) / 1024.0);
        }
    }
}

/// One broker: our side on each engine, and the peer's, which is Docker's.
#[derive(Debug, Default)]
struct Compared {
    docker: Side,
    local: Side,
    theirs: Side,
}

async fn startup(runs: usize) -> anyhow::Result<ExitCode> {
    let engines = engines::chosen(Some(engines::Wanted::Both)).await?;
    for used in &engines {
        engines::ensure(used).await?;
        session::sweep(used.engine.as_ref()).await?;
    }
    let daemon = engines::daemon().await?;
    let peer = Peer::install(peer_environment(&daemon).await?).await?;
    let suite = Suite { package: OURS.to_owned(), which: Which::All };
    let cases = runner::list(&runner::build(&[suite]).await?).await?;

    let mut all: Vec<Compared> = BROKERS.iter().map(|_| Compared::default()).collect();
    let progress = ui::Progress::bar("measuring", (runs + 1) * BROKERS.len() * (engines.len() + 1));
    for run in 0..=runs {
        for (broker, compared) in BROKERS.iter().zip(&mut all) {
            // The first run fills the page cache on all sides.
            let is_warm = run > 0;
            for (used, side) in engines.iter().zip([&mut compared.docker, &mut compared.local]) {
                progress.detail(format!("{broker} + redis, ours, {}", used.name()));
                let ours = measure(case_of(&cases, broker)?, used).await?;
                if is_warm {
                    side.add(ours.test, ours.process, ours.peak_kib);
                    side.own.value(ours.own.as_secs_f64() * 1000.0);
                }
                progress.advance();
            }
            progress.detail(format!("{broker} + redis, pytest-celery"));
            let peer = peer.run(broker).await?;
            progress.advance();
            if is_warm {
                compared.theirs.add(peer.test, peer.process, peer.peak_kib);
            }
        }
    }
    progress.clear();
    print(runs, &all);
    print_decision(runs).await?;
    print_crates().await?;
    let mut leaks = Vec::new();
    for used in &engines {
        leaks.extend(session::leaks(used.engine.as_ref()).await?);
    }
    for leak in &leaks {
        ui::line(format_args!("left behind, and removed now: {leak}"));
    }
    Ok(if leaks.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// One run of our test.
struct Measured {
    test: Duration,
    own: Duration,
    process: Duration,
    peak_kib: Option<u64>,
}

async fn measure(case: &Case, used: &Used) -> anyhow::Result<Measured> {
    let settings = Settings { jobs: NonZeroUsize::MIN, environment: &session::environment(used) };
    let row = runner::run_one(case, &settings).await?;
    if row.outcome != Outcome::Passed {
        bail!("{} did not pass: {:?}\n{}", row.name, row.outcome, row.output.trim_end());
    }
    let report = row.report.as_ref();
    let times = report.and_then(|report| Some((report.total()?, report.own()?)));
    let (test, own) = times.with_context(|| format!("{} did not report its times", row.name))?;
    Ok(Measured { test, own, process: row.took, peak_kib: row.peak_kib })
}

/// How long it takes to decide for an engine, in this process, after the first time.
async fn print_decision(runs: usize) -> anyhow::Result<()> {
    let mut samples = Samples::default();
    for run in 0..=runs {
        let begin = Instant::now();
        testcelery::Engine::choose().await?;
        if run > 0 {
            samples.value(begin.elapsed().as_secs_f64() * 1000.0);
        }
    }
    let goal = samples.median().map(|ms| verdict(ms, MOST_DECISION_MS, "ms"));
    ui::line(format_args!(
        "\n{:WIDTH$}  {:>22}  {}",
        "choosing an engine, ms",
        samples.shown(),
        goal.unwrap_or_default()
    ));
    Ok(())
}

/// How long the first run takes that has nothing yet: programs and packages from the network into an empty cache.
async fn cache() -> anyhow::Result<ExitCode> {
    let folder = tempfile::tempdir()?;
    let begin = Instant::now();
    let mut task = Command::new(std::env::current_exe()?);
    task.arg("provide");
    task.env("TESTCELERY_CACHE", folder.path());
    process::succeed(&mut task).await?;
    let seconds = begin.elapsed().as_secs_f64();
    ui::line(format_args!(
        "programs into an empty cache: {seconds:.1} s, {}",
        verdict(seconds, MOST_FILL_S, "s")
    ));
    Ok(ExitCode::SUCCESS)
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

fn print(runs: usize, all: &[Compared]) {
    ui::line(format_args!(
        "hello world with a fresh stack, {runs} runs of each, alternating, after one that is not measured"
    ));
    ui::line(
        "test: boot, body and teardown; process: from its start to its end; ours in cargo's test profile, with our default worker, which\n\
         leaves out mingle; the peer's worker is plain celery, in Docker; own work: boot and teardown without the time in which a server boots\n\
         by itself from its start on, or a worker from the moment on that it is told to go",
    );
    ui::line(format_args!(
        "\n{:WIDTH$}  {:>22}  {:>22}  {:>6}",
        "median (min..max)", "testcelery", "pytest-celery", "ratio"
    ));
    for (broker, Compared { docker, local, theirs }) in BROKERS.iter().zip(all) {
        for (engine, ours, most) in [("docker", docker, MOST_RATIO), ("local", local, MOST_LOCAL_RATIO)] {
            let name = format!("{broker} + redis, {engine}");
            // The goal of the local engine is for Redis: the other broker's own boot is longer than that.
            let most = (engine == "docker" || *broker == "redis").then_some(most);
            row(&format!("{name}, test, s"), &ours.test, &theirs.test, most);
            row(&format!("{name}, process, s"), &ours.process, &theirs.process, None);
            row(&format!("{name}, memory, MiB"), &ours.peak_mib, &theirs.peak_mib, None);
            if let Some(mib) = ours.peak_mib.median() {
                ui::line(format_args!("{:WIDTH$}  {}", "", verdict(mib, MOST_MIB, "MiB")));
            }
            let goal =
                ours.own.median().filter(|_| engine == "local").map(|own| verdict(own, MOST_OWN_MS, "ms"));
            let line = format!(
                "{:WIDTH$}  {:>22}  {}",
                format!("{name}, own work, ms"),
                ours.own.shown(),
                goal.unwrap_or_default()
            );
            ui::line(line.trim_end());
        }
    }
}

fn row(name: &str, ours: &Samples, theirs: &Samples, most: Option<f64>) {
    let ratio = ratio(ours, theirs);
    let shown = ratio.map_or_else(|| "-".to_owned(), |ratio| format!("{ratio:.2}"));
    let goal = ratio.zip(most).map(|(ratio, most)| verdict(ratio, most, "of the peer's time"));
    let line = format!(
        "{name:WIDTH$}  {:>22}  {:>22}  {shown:>6}  {}",
        ours.shown(),
        theirs.shown(),
        goal.unwrap_or_default()
    );
    ui::line(line.trim_end());
}

fn verdict(value: f64, most: f64, unit: &str) -> String {
    format!("goal: at most {most:.2} {unit}, {}", if value <= most { "met" } else { "MISSED" })
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
        assert_eq!(verdict(0.5, 0.5, "x"), "goal: at most 0.50 x, met");
        assert_eq!(verdict(0.51, 0.5, "x"), "goal: at most 0.50 x, MISSED");
    }
}
