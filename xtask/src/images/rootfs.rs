//! The root file system that the Debian images start from.

use std::path::Path;

use anyhow::{Context as _, bail};
use tokio::process::Command;

use super::mirror;
use crate::{process, ui};

/// The Debian release. It has rabbitmq-server 4.0, redis-server 8.0, memcached 1.6 and Python 3.13.
const SUITE: &str = "trixie";

/// What mmdebstrap is told besides release, mirror and target. No part of it differs between machines, so that it can stand for
/// the result.
pub(super) const OPTIONS: [&str; 11] = [
    "--quiet",
    "--variant=minbase",
    "--include=ca-certificates",
    // The file system is packed and thrown away: nothing has to survive a power cut.
    "--dpkgopt=force-unsafe-io",
    // These stay in force for the packages that the images add.
    "--dpkgopt=path-exclude=/usr/share/man/*",
    "--dpkgopt=path-exclude=/usr/share/locale/*",
    "--dpkgopt=path-exclude=/usr/share/doc/*",
    "--dpkgopt=path-include=/usr/share/doc/*/copyright",
    "--aptopt=Acquire::Languages \"none\"",
    // Packages must not start their services while they are installed.
    "--customize-hook=printf '#!/bin/sh\\nexit 101\\n' >\"$1/usr/sbin/policy-rc.d\" && chmod 755 \"$1/usr/sbin/policy-rc.d\"",
    // mmdebstrap copies these two from the machine that it runs on; a container gets its own.
    "--customize-hook=: >\"$1/etc/resolv.conf\"; : >\"$1/etc/hostname\"",
];

/// Makes the file system as a tar archive.
pub(super) async fn make(archive: &Path) -> anyhow::Result<()> {
    if !on_path("mmdebstrap") {
        install().await?;
    }
    // Without one it takes the mirror that it was built with.
    let mirror = mirror::configured();
    let from = mirror.as_deref().unwrap_or("mmdebstrap's own mirror");
    let progress = ui::Progress::spinner(format!("Debian {SUITE} from {from}"));
    let mut command = Command::new("mmdebstrap");
    command.args(OPTIONS).arg(SUITE).arg(archive).args(&mirror);
    process::succeed(&mut command).await?;
    progress.done("file system made");
    Ok(())
}

/// Installs mmdebstrap where we may.
async fn install() -> anyhow::Result<()> {
    const PACKAGES: [&str; 2] = ["mmdebstrap", "debian-archive-keyring"];
    let packages = PACKAGES.join(" ");
    if !on_path("apt-get") {
        bail!(
            "the images are built with mmdebstrap, which is not installed, and this is no Debian or Ubuntu; install it (package `mmdebstrap` in most distributions), or make a registry reachable"
        );
    }
    if !rustix::process::geteuid().is_root() {
        bail!(
            "the images are built with mmdebstrap, which is not installed; run `sudo apt-get install {packages}`, or make a registry reachable"
        );
    }
    ui::note(format_args!("mmdebstrap is not installed; we are root here, so: apt-get install {packages}"));
    let progress = ui::Progress::spinner(format!("apt-get install {packages}"));
    process::succeed(apt_get().arg("update")).await.context("could not install mmdebstrap")?;
    process::succeed(apt_get().args(["install", "--yes", "--no-install-recommends"]).args(PACKAGES))
        .await
        .context("could not install mmdebstrap")?;
    progress.done("installed");
    Ok(())
}

fn apt_get() -> Command {
    let mut command = Command::new("apt-get");
    command.arg("--quiet").env("DEBIAN_FRONTEND", "noninteractive");
    command
}

fn on_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}
