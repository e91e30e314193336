//! `images`: everything that the tests run, present on this machine.

mod debian;
mod mirror;
mod rootfs;
mod wanted;

use std::process::ExitCode;

use futures_util::future::{join_all, try_join_all};
use testcelery_api::{Engine as _, Error, LOCK_TIMEOUT, LockFile, PrivateFolder};
use testcelery_docker::{Docker, Progress};

pub(crate) use self::debian::CONTENT;
use self::debian::Present;
pub(crate) use self::wanted::{Wanted, all, worker};
use crate::ui;

/// Options of `images`.
#[derive(Debug, clap::Args)]
pub(crate) struct Images {
    /// Builds the images from Debian packages, even where a registry answers.
    #[arg(long)]
    from_debian: bool,
}

impl Images {
    pub(crate) async fn run(self) -> anyhow::Result<ExitCode> {
        let docker = Docker::connect().await?;
        ensure(&docker, self.from_debian).await?;
        let present = Present::ask(&docker).await?;
        for wanted in all()? {
            ui::line(used(&wanted, &present));
        }
        ui::line(worker()?.name());
        Ok(ExitCode::SUCCESS)
    }
}

/// Makes sure that every image is there. Takes a few milliseconds when they are.
pub(crate) async fn ensure(docker: &Docker, from_debian: bool) -> anyhow::Result<()> {
    if !missing(docker, from_debian).await?.is_empty() {
        let _lock = lock().await?;
        // Another run may have made them meanwhile.
        let mut missing = missing(docker, from_debian).await?;
        if !from_debian {
            missing = pull(docker, missing).await;
        }
        if !missing.is_empty() {
            build(docker, missing).await?;
        }
    }
    ensure_worker(docker).await
}

/// Builds images side by side: most of each build is one process that unpacks packages, with downloads in between. The worker's image
/// is begun as soon as its base is there.
async fn build(docker: &Docker, wanted: Vec<Wanted>) -> anyhow::Result<()> {
    debian::ensure_base(docker).await?;
    let (python, servers): (Vec<_>, Vec<_>) =
        wanted.into_iter().partition(|wanted| wanted.recipe == wanted::PYTHON);
    let worker = async {
        try_join_all(python.iter().map(|python| debian::build(docker, python))).await?;
        ensure_worker(docker).await
    };
    let servers = try_join_all(servers.iter().map(|server| debian::build(docker, server)));
    futures_util::try_join!(servers, worker)?;
    Ok(())
}

async fn ensure_worker(docker: &Docker) -> anyhow::Result<()> {
    let worker = worker()?;
    if !docker.has_image(worker.name()).await? {
        let progress = ui::Progress::spinner(format!("building {}", worker.name()));
        docker.ensure_image(&worker).await?;
        progress.done("built");
    }
    Ok(())
}

async fn missing(docker: &Docker, from_debian: bool) -> anyhow::Result<Vec<Wanted>> {
    let present = Present::ask(docker).await?;
    let mut missing = Vec::new();
    for wanted in all()? {
        let official = !from_debian && present.has(&wanted.reference);
        if !official && !present.has_current(&wanted)? {
            missing.push(wanted);
        }
    }
    Ok(missing)
}

/// Pulls what a registry has, and gives the rest.
async fn pull(docker: &Docker, wanted: Vec<Wanted>) -> Vec<Wanted> {
    let pulled = join_all(wanted.into_iter().map(|wanted| async {
        let bar = ui::Progress::spinner(format!("pulling {}", wanted.reference));
        let result = docker.pull(&wanted.reference, &|progress| bar.detail(shown(progress))).await;
        match result {
            Ok(()) => {
                bar.done("pulled");
                None
            }
            Err(error) => {
                bar.done(format_args!("{}; building {} instead", reason(&error), wanted.substitute));
                Some(wanted)
            }
        }
    }));
    pulled.await.into_iter().flatten().collect()
}

/// The error's own hint is this command.
fn reason(error: &Error) -> String {
    match error {
        Error::ImageMissing { reason, .. } => reason.clone(),
        error => error.to_string(),
    }
}

fn shown(progress: Progress) -> String {
    match progress {
        Progress::Layer { id, status, .. } => format!("{id} {status}"),
        _ => String::new(),
    }
}

/// One run at a time makes images on this machine. The lock ends with its process.
async fn lock() -> anyhow::Result<LockFile> {
    let folder = PrivateFolder::in_temp("locks")?;
    Ok(LockFile::take_async(&folder, "images.lock", "the making of the images", LOCK_TIMEOUT).await?)
}

fn used(wanted: &Wanted, present: &Present) -> String {
    if present.has(&wanted.reference) {
        return wanted.reference.clone();
    }
    format!("{} (for {})", wanted.substitute, wanted.reference)
}
