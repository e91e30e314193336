//! pytest-celery, in a virtual environment of its own. What it runs is in `xtask/peer/`.

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use tokio::process::Command;

use crate::{
    process::{self, Group, Sink},
    runner, ui, workspace,
};

/// After this a run is killed.
const LIMIT: Duration = Duration::from_secs(300);

/// An installed peer.
#[derive(Debug)]
pub(super) struct Peer {
    python: PathBuf,
    environment: Vec<(&'static str, String)>,
}

/// What one run took.
#[derive(Debug)]
pub(super) struct Run {
    /// Setup, call and teardown of the test.
    pub(super) test: Duration,
    /// The whole process, without the check that the worker image is there.
    pub(super) process: Duration,
    /// The most memory that the process held.
    pub(super) peak_kib: Option<u64>,
}

impl Peer {
    /// Makes the virtual environment, or takes the one that was made from the same requirements.
    pub(super) async fn install(environment: Vec<(&'static str, String)>) -> anyhow::Result<Self> {
        let requirements = folder().join("requirements.txt");
        let wanted = std::fs::read(&requirements).context("could not read the peer's requirements")?;
        let wanted = format!("{:x}", Sha256::digest(wanted));
        let venv = workspace::target_dir("testcelery-peer")?.join("venv");
        let python = venv.join("bin/python");
        let stamp = venv.join("requirements.sha256");
        if std::fs::read_to_string(&stamp).is_ok_and(|made| made == wanted) {
            return Ok(Self { python, environment });
        }
        let progress = ui::Progress::spinner("pytest-celery");
        process::succeed(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&venv))
            .await
            .context("the peer needs python3 with its venv module (package `python3-venv` on Debian)")?;
        let mut pip = Command::new(&python);
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"])
            .arg(&requirements);
        process::succeed(&mut pip).await?;
        std::fs::write(&stamp, wanted)?;
        progress.done("installed into a virtual environment");
        Ok(Self { python, environment })
    }

    /// Runs its hello world against one broker.
    pub(super) async fn run(&self, broker: &str) -> anyhow::Result<Run> {
        let scratch = tempfile::tempdir().context("could not create a temporary folder")?;
        let report = scratch.path().join("report.jsonl");
        let mut pytest = Command::new(&self.python);
        pytest
            .current_dir(folder())
            .args(["-m", "pytest", "-q", "-p", "no:cacheprovider", "-k"])
            .arg(format!("{broker}_broker"))
            .arg("test_hello.py")
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("PEER_REPORT", &report)
            .envs(self.environment.iter().map(|(name, value)| (name, value)));
        let mut sink = Sink::new()?;
        sink.attach(&mut pytest)?;
        let started = Instant::now();
        let mut group = Group::spawn(&mut pytest)?;
        let (status, peak_kib) = runner::wait_watched(&mut group, LIMIT).await?;
        let lines = std::fs::read_to_string(&report).unwrap_or_default();
        let process = started.elapsed().saturating_sub(image_time(&lines));
        match (status, test_time(&lines)) {
            (Some(status), Some(test)) if status.success() => Ok(Run { test, process, peak_kib }),
            (status, _) => {
                let how = status.map_or_else(
                    || format!("killed after {} s", LIMIT.as_secs()),
                    |status| status.to_string(),
                );
                bail!("pytest-celery's test did not pass ({how}):\n{}", crate::ui::printed(&sink.text()?))
            }
        }
    }
}

fn folder() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/peer"))
}

#[derive(Deserialize)]
struct Phase {
    nodeid: String,
    outcome: String,
    duration: f64,
}

/// Setup, call and teardown together; `None` unless there is exactly one of each and all have passed.
fn test_time(lines: &str) -> Option<Duration> {
    let phases: Vec<Phase> = phases(lines)?.into_iter().filter(|phase| !phase.nodeid.is_empty()).collect();
    let whole = phases.len() == 3 && phases.iter().all(|phase| phase.outcome == "passed");
    whole.then(|| seconds(&phases)).flatten()
}

/// The build of the worker image: the line that belongs to no test.
fn image_time(lines: &str) -> Duration {
    let phases = phases(lines).unwrap_or_default();
    let image: Vec<Phase> = phases.into_iter().filter(|phase| phase.nodeid.is_empty()).collect();
    seconds(&image).unwrap_or_default()
}

fn phases(lines: &str) -> Option<Vec<Phase>> {
    lines.lines().map(|line| serde_json::from_str(line).ok()).collect()
}

fn seconds(phases: &[Phase]) -> Option<Duration> {
    Duration::try_from_secs_f64(phases.iter().map(|phase| phase.duration).sum()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(when: &str, outcome: &str, seconds: f64) -> String {
        format!(
            "{{\"nodeid\":\"t[x]\",\"when\":\"{when}\",\"outcome\":\"{outcome}\",\"duration\":{seconds}}}\n"
        )
    }

    #[test]
    fn a_test_takes_its_three_phases() {
        let image = "{\"nodeid\":\"\",\"when\":\"image\",\"outcome\":\"passed\",\"duration\":9}\n";
        let phases =
            [line("setup", "passed", 3.5), line("call", "passed", 0.25), line("teardown", "passed", 1.25)];
        assert_eq!(test_time(&format!("{image}{}", phases.concat())), Some(Duration::from_secs(5)));
        assert_eq!(test_time(&phases[..2].concat()), None, "no teardown");
        assert_eq!(
            test_time(&[&phases[0], &line("call", "failed", 1.0), &phases[2]].map(String::as_str).concat()),
            None
        );
        assert_eq!(test_time(&phases.concat().repeat(2)), None, "two tests");
        assert_eq!(test_time(""), None);
        assert_eq!(image_time(&format!("{image}{}", phases.concat())), Duration::from_secs(9));
    }
}
