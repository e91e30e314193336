//! The checkout that the tasks work on.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use cargo_metadata::Metadata;
use tokio::process::Command;

/// The root of the checkout.
pub(crate) fn root() -> &'static Path {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.parent().unwrap_or(package)
}

/// A cargo command in the root, with the cargo that runs us.
pub(crate) fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root()).args(arguments);
    command
}

/// What cargo knows about the members, without their dependencies' dependencies.
pub(crate) fn metadata() -> anyhow::Result<Metadata> {
    cargo_metadata::MetadataCommand::new()
        .current_dir(root())
        .no_deps()
        .exec()
        .context("could not read the workspace")
}

/// A folder of ours below cargo's target folder, made when missing.
pub(crate) fn target_dir(name: &str) -> anyhow::Result<PathBuf> {
    let path = metadata()?.target_directory.into_std_path_buf().join(name);
    std::fs::create_dir_all(&path).with_context(|| format!("could not create {}", path.display()))?;
    Ok(path)
}

/// A path as a reader of the checkout would type it.
pub(crate) fn relative(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).display().to_string()
}
