//! From packages to a list of tests.

use std::{collections::BTreeSet, path::PathBuf, process::Stdio, sync::Arc};

use anyhow::{Context as _, bail};
use cargo_metadata::{Message, Metadata, Target};
use tokio::process::Command;

use super::libtest;
use crate::{
    process::{self, Group},
    workspace,
};

/// Which tests of a package are run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Which {
    /// All of them. Those that are ignored are listed as skipped.
    All,
    /// Only those that are ignored elsewhere, because they need a daemon.
    IgnoredOnly,
}

/// A package with tests that need a stack, in its `tests/`.
#[derive(Debug, Clone)]
pub(crate) struct Suite {
    pub(crate) package: String,
    pub(crate) which: Which,
}

/// An executable with tests.
#[derive(Debug)]
pub(crate) struct Binary {
    /// How its tests are named in lists, as `e2e` or `docker::daemon`.
    pub(crate) name: String,
    path: PathBuf,
    /// Where cargo would run it.
    folder: PathBuf,
    pub(crate) which: Which,
}

impl Binary {
    /// A command with the environment that cargo would give it.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(&self.path);
        command.current_dir(&self.folder).env("CARGO_MANIFEST_DIR", &self.folder);
        command
    }
}

/// One test of a binary.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    pub(crate) binary: Arc<Binary>,
    pub(crate) test: String,
}

impl Case {
    /// The name in the list: unique in the workspace.
    pub(crate) fn name(&self) -> String {
        format!("{}::{}", self.binary.name, self.test)
    }
}

/// Builds the test binaries of these packages; cargo shows its own progress.
pub(crate) async fn build(suites: &[Suite]) -> anyhow::Result<Vec<Arc<Binary>>> {
    let packages = workspace::metadata()?;
    // The whole workspace is selected, because cargo unites the features of what is selected: that way every task uses the same
    // build of the dependencies.
    let mut cargo =
        workspace::cargo(&["test", "--no-run", "--workspace", "--message-format=json-render-diagnostics"]);
    for name in test_targets(&packages, suites)? {
        cargo.args(["--test", name]);
    }
    let mut messages = tempfile::tempfile()?;
    cargo.stdout(messages.try_clone()?).stderr(Stdio::inherit());
    let status = Group::spawn(&mut cargo)?.wait().await?;
    if !status.success() {
        bail!("the tests could not be built: `{}` ({status})", process::shown(&cargo));
    }
    std::io::Seek::rewind(&mut messages)?;
    let mut binaries = Vec::new();
    for message in Message::parse_stream(std::io::BufReader::new(messages)) {
        let Message::CompilerArtifact(artifact) = message.context("could not read cargo's messages")? else {
            continue;
        };
        let Some(path) = artifact.executable.clone().filter(|_| artifact.profile.test) else {
            continue;
        };
        let package = &packages[&artifact.package_id];
        let Some(suite) = suites.iter().find(|suite| suite.package == package.name.as_str()) else {
            continue;
        };
        let folder = package.manifest_path.parent().map(|folder| folder.as_std_path().to_owned());
        binaries.push(Arc::new(Binary {
            name: binary_name(&suite.package, &artifact.target),
            path: path.into_std_path_buf(),
            folder: folder.unwrap_or_else(|| workspace::root().to_owned()),
            which: suite.which,
        }));
    }
    binaries.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(binaries)
}

/// The names of the test targets of these packages.
fn test_targets<'a>(packages: &'a Metadata, suites: &[Suite]) -> anyhow::Result<BTreeSet<&'a str>> {
    let mut names = BTreeSet::new();
    for suite in suites {
        let package =
            packages.workspace_packages().into_iter().find(|package| package.name.as_str() == suite.package);
        let targets = package.map(|package| package.targets.as_slice()).unwrap_or_default();
        let mut tests = targets.iter().filter(|target| target.is_test()).peekable();
        if tests.peek().is_none() {
            bail!("the package `{}` has no tests in `tests/`", suite.package);
        }
        names.extend(tests.map(|target| target.name.as_str()));
    }
    Ok(names)
}

/// The package without our prefix, and the target where that says more.
fn binary_name(package: &str, target: &Target) -> String {
    let package = package.strip_prefix("testcelery-").unwrap_or(package);
    if target.is_test() && target.name != package {
        format!("{package}::{}", target.name)
    } else {
        package.to_owned()
    }
}

/// Asks the binaries for their tests.
pub(crate) async fn list(binaries: &[Arc<Binary>]) -> anyhow::Result<Vec<Case>> {
    let mut cases = Vec::new();
    for binary in binaries {
        let mut command = binary.command();
        command.args(["--list", "--format", "terse"]);
        if binary.which == Which::IgnoredOnly {
            command.arg("--ignored");
        }
        let listed = process::succeed(&mut command).await?;
        let tests = libtest::names(&listed);
        cases.extend(tests.into_iter().map(|test| Case { binary: Arc::clone(binary), test }));
    }
    Ok(cases)
}
