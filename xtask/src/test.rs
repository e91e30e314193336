//! `test`: everything that has to pass before a change is merged.

use std::{
    fmt::Display,
    process::ExitCode,
    time::{Duration, Instant},
};

use tokio::process::Command;

use crate::{
    e2e::{self, E2e},
    engines::{self, Used},
    process,
    runner::{Suite, libtest},
    tidy, ui, workspace,
};

/// The widest name of a step.
const NAME: usize = 10;

/// Runs every step, whatever the ones before it gave. The last line that is printed is the total.
pub(crate) async fn run() -> anyhow::Result<ExitCode> {
    let examples = e2e::examples()?;
    let mut total = Total::default();

    total.command("format", workspace::cargo(&["fmt", "--all", "--", "--check", "-l"])).await?;
    total
        .command(
            "clippy",
            workspace::cargo(&["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]),
        )
        .await?;
    let started = Instant::now();
    let violations = tidy::check().await?;
    total.step("tidy", started.elapsed(), violations.is_empty(), &lines(&violations));
    total.unit(unit_tests(&examples)).await?;
    for features in ["", "docker", "local"] {
        let name = format!("features {features}");
        let check =
            ["check", "--quiet", "--package", "testcelery", "--no-default-features", "--features", features];
        total.command(name.trim_end(), workspace::cargo(&check)).await?;
    }
    let mut docs = workspace::cargo(&["doc", "--workspace", "--no-deps"]);
    docs.env("RUSTDOCFLAGS", "-D warnings");
    total.command("docs", docs).await?;
    total
        .command("package", workspace::cargo(&["package", "--workspace", "--no-verify", "--allow-dirty"]))
        .await?;
    for used in engines::all().await? {
        total.e2e(&used, &examples).await;
    }
    // What they run is here by now.
    total
        .command("kills", workspace::cargo(&["run", "--quiet", "--package", e2e::E2E, "--bin", "kills"]))
        .await?;

    for failure in &total.failures {
        ui::line(format_args!("FAILED   {failure}"));
    }
    ui::line(format_args!("{} passed, {} failed", total.passed, total.failed));
    Ok(if total.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Unit tests, documentation tests, and whatever else needs no stack.
fn unit_tests(examples: &[Suite]) -> Command {
    let mut cargo = workspace::cargo(&["test", "--workspace", "--no-fail-fast"]);
    for package in examples.iter().map(|suite| suite.package.as_str()).chain([e2e::E2E]) {
        cargo.args(["--exclude", package]);
    }
    cargo
}

fn lines(items: &[impl Display]) -> String {
    items.iter().map(|item| format!("{item}\n")).collect()
}

/// What the steps gave so far. A step counts as one test, and the steps that run tests count those.
#[derive(Default)]
struct Total {
    passed: usize,
    failed: usize,
    failures: Vec<String>,
}

impl Total {
    /// A step that is one command.
    async fn command(&mut self, name: &str, mut command: Command) -> anyhow::Result<()> {
        let progress = ui::Progress::spinner(name);
        let output = process::capture(&mut command).await?;
        progress.clear();
        self.step(name, output.took, output.status.success(), &output.text);
        Ok(())
    }

    fn step(&mut self, name: &str, took: Duration, passed: bool, output: &str) {
        self.row(name, passed, took, "");
        if passed {
            self.passed += 1;
        } else {
            ui::line(output.trim_end());
            self.fail(1, name.to_owned());
        }
    }

    /// The tests without a stack.
    async fn unit(&mut self, mut command: Command) -> anyhow::Result<()> {
        const STEP: &str = "unit";
        let progress = ui::Progress::spinner(STEP);
        let output = process::capture(&mut command).await?;
        progress.clear();
        let counts = libtest::counts(&output.text).unwrap_or_default();
        // A build that fails, or a test binary that crashes, gives no count.
        let uncounted = usize::from(!output.status.success() && counts.failed == 0);
        let passed = output.status.success() && counts.failed == 0 && counts.passed > 0;
        self.passed += counts.passed;
        let summary = format!("{} passed, {} failed", counts.passed, counts.failed);
        self.row(STEP, passed, output.took, &summary);
        if !passed {
            ui::line(ui::printed(&output.text));
            let names = libtest::failed_names(&output.text).join(", ");
            let names = if names.is_empty() {
                "a test binary was not built or did not finish"
            } else {
                names.as_str()
            };
            self.fail((counts.failed + uncounted).max(1), format!("{STEP}: {names}"));
        }
        Ok(())
    }

    /// The tests with a stack.
    async fn e2e(&mut self, used: &Used, examples: &[Suite]) {
        let step = format!("e2e {}", used.name());
        let started = Instant::now();
        let suites: Vec<Suite> = examples.iter().cloned().chain(e2e::suites(used.name())).collect();
        match E2e::default().tests(used, &suites).await {
            Ok(finished) => {
                let totals = finished.totals;
                // A run whose every test was left out has shown nothing.
                let is_good = totals.failed == 0 && totals.passed > 0;
                self.row(&step, is_good, started.elapsed(), &totals.to_string());
                self.passed += totals.passed;
                if !is_good {
                    self.fail(totals.failed.max(1), format!("{step}: {totals}"));
                }
                self.leaks(&finished.leaks);
            }
            Err(error) => {
                self.row(&step, false, started.elapsed(), "");
                ui::error(&error);
                self.fail(1, format!("{step}: {error:#}"));
            }
        }
    }

    fn leaks(&mut self, leaks: &[String]) {
        const STEP: &str = "leaks";
        self.row(STEP, leaks.is_empty(), Duration::ZERO, "");
        if leaks.is_empty() {
            self.passed += 1;
        } else {
            self.fail(1, format!("{STEP}: left behind, and removed now: {}", leaks.join(", ")));
        }
    }

    fn fail(&mut self, count: usize, what: String) {
        self.failed += count;
        self.failures.push(what);
    }

    fn row(&self, name: &str, passed: bool, took: Duration, summary: &str) {
        let status = if passed { "ok" } else { "FAILED" };
        let line = format!("{status:7}  {name:NAME$}  {:>6.1} s  {summary}", took.as_secs_f64());
        ui::line(line.trim_end());
    }
}
