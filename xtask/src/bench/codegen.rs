//! `bench codegen`: how long content takes from sources to files, and from files into a worker's container.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use serde::Deserialize;
use testcelery::api::{ContainerSpec, WorkerContext};
use testcelery_worker::WorkerRecipe as _;

use super::{WIDTH, stats::Samples, verdict};
use crate::{
    engines::{self, Used},
    process, ui, workspace,
};

/// The most time for 1,000 modules of 100 lines, in milliseconds.
const MOST_LARGE_MS: f64 = 500.0;
/// The most memory of the process that generates them.
const MOST_MIB: f64 = 100.0;
/// The most time for one small project, in milliseconds.
const MOST_SMALL_MS: f64 = 2.0;
/// The most time by which the content may delay a worker's start, in milliseconds.
const MOST_UPLOAD_MS: f64 = 50.0;

/// What the benchmark of the crate prints.
#[derive(Debug, Deserialize)]
struct Measured {
    large_ms: Vec<f64>,
    small_ms: Vec<f64>,
    peak_mib: Option<f64>,
}

/// Runs the crate's own benchmark, and creates workers with and without their content on every engine.
pub(super) async fn run(runs: usize) -> anyhow::Result<()> {
    let mut bench =
        workspace::cargo(&["bench", "--quiet", "--package", "testcelery-codegen", "--bench", "codegen"]);
    let printed = process::succeed(&mut bench).await?;
    let line = printed.lines().find(|line| line.starts_with('{'));
    let measured: Measured =
        serde_json::from_str(line.context("the benchmark of codegen printed no figures")?)?;
    ui::line(format_args!("{:WIDTH$}  {:>22}", "median (min..max)", "testcelery"));
    row("1,000 modules of 100 lines, ms", &samples(&measured.large_ms), MOST_LARGE_MS, "ms");
    let peak = samples(&measured.peak_mib.into_iter().collect::<Vec<_>>());
    row("the same, most memory, MiB", &peak, MOST_MIB, "MiB");
    row("a small project, ms", &samples(&measured.small_ms), MOST_SMALL_MS, "ms");
    for used in engines::all().await? {
        engines::ensure(&used).await?;
        let name = format!("into a worker, {}, ms", used.name());
        row(&name, &upload(&used, runs).await?, MOST_UPLOAD_MS, "ms");
    }
    Ok(())
}

fn samples(values: &[f64]) -> Samples {
    let mut samples = Samples::default();
    values.iter().for_each(|value| samples.value(*value));
    samples
}

fn row(name: &str, samples: &Samples, most: f64, unit: &str) {
    let goal = samples.median().map(|median| verdict(median, most, unit)).unwrap_or_default();
    ui::line(format_args!("{name:WIDTH$}  {:>22}  {goal}", samples.shown()));
}

/// By how much longer a worker's container is created with its content than without, one after the other.
async fn upload(used: &Used, runs: usize) -> anyhow::Result<Samples> {
    let plan = testcelery::Worker::default().plan(&WorkerContext::new("bench", "bench"))?;
    let mut bare = plan.spec.clone();
    bare.files.clear();
    let mut samples = Samples::default();
    for run in 0..=runs {
        let with = create(used, &plan.spec).await?;
        let without = create(used, &bare).await?;
        // The first run learns which folders the image has.
        if run > 0 {
            samples.value((with.as_secs_f64() - without.as_secs_f64()) * 1000.0);
        }
    }
    Ok(samples)
}

async fn create(used: &Used, spec: &ContainerSpec) -> anyhow::Result<Duration> {
    let begin = Instant::now();
    let container = used.engine.create(spec.clone()).await?;
    let took = begin.elapsed();
    container.remove().await?;
    Ok(took)
}
