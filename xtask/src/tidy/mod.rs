//! `tidy`: the rules of the house that no other tool checks.

mod layers;
mod readme;
mod text;

use std::{collections::BTreeSet, fmt, path::PathBuf, process::ExitCode};

use anyhow::Context as _;

use crate::{ui, workspace};

/// Something that breaks a rule.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Violation {
    path: String,
    /// 0 where the whole file is meant.
    line: usize,
    rule: &'static str,
    /// What is wrong, and what to do.
    advice: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, line, rule, advice } = self;
        match line {
            0 => write!(f, "{path}: {rule}: {advice}"),
            line => write!(f, "{path}:{line}: {rule}: {advice}"),
        }
    }
}

/// Prints what breaks a rule, and fails if anything does.
pub(crate) async fn run() -> anyhow::Result<ExitCode> {
    let violations = check().await?;
    for violation in &violations {
        ui::line(violation);
    }
    ui::line(format_args!("tidy: {} violations", violations.len()));
    Ok(if violations.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Checks every rule on every file that belongs to the repository, or is about to.
pub(crate) async fn check() -> anyhow::Result<Vec<Violation>> {
    let metadata = workspace::metadata()?;
    let mut found = BTreeSet::new();
    for path in files().await? {
        // A file that is deleted and not yet committed, or is no text.
        let Ok(content) = std::fs::read_to_string(workspace::root().join(&path)) else {
            continue;
        };
        found.extend(text::check(&path, &content));
    }
    found.extend(layers::check(&metadata));
    found.extend(readme::check(&metadata));
    Ok(found.into_iter().collect())
}

async fn files() -> anyhow::Result<Vec<String>> {
    let mut git = tokio::process::Command::new("git");
    git.current_dir(workspace::root()).args(["ls-files", "--cached", "--others", "--exclude-standard"]);
    let listed = crate::process::succeed(&mut git)
        .await
        .context("tidy needs git to know the files of the repository")?;
    Ok(listed.lines().map(str::to_owned).collect())
}

/// A path of cargo's as one relative to the root.
fn shown(path: &cargo_metadata::camino::Utf8Path) -> String {
    workspace::relative(&PathBuf::from(path))
}
