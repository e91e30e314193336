//! `clean`: nothing of testcelery's is left on this machine.

use std::process::ExitCode;

use testcelery::api::Filter;
use testcelery_docker::Docker;

use crate::{
    engines::{self, Used},
    images, ui,
};

/// Options of `clean`.
#[derive(Debug, clap::Args)]
pub(crate) struct Clean {
    /// Removes nothing; lists what there is, and fails if there is anything.
    #[arg(long)]
    check: bool,
    /// The images too: those that were built here, for the worker and from Debian packages.
    #[arg(long)]
    images: bool,
}

/// What the names of our own images begin with. The second is that of the benchmark's peer.
const IMAGES: [&str; 2] = ["testcelery/", "testcelery-peer/"];

impl Clean {
    pub(crate) async fn run(self) -> anyhow::Result<ExitCode> {
        let used = engines::all().await?;
        let docker = engines::daemon().await.ok();
        let images = match &docker {
            Some(docker) if self.images => own_images(docker).await?,
            _ => Vec::new(),
        };
        if self.check {
            return self.report(&used, &images).await;
        }
        for Used { engine, .. } in &used {
            for left in engine.remove_leftovers(&Filter::All).await? {
                ui::line(format_args!("removed {left}"));
            }
        }
        let mut code = ExitCode::SUCCESS;
        for (docker, image) in
            docker.iter().flat_map(|docker| images.iter().map(move |image| (docker, image)))
        {
            match docker.remove_image(image).await {
                Ok(()) => ui::line(format_args!("removed image {image}")),
                Err(error) => {
                    code = ExitCode::FAILURE;
                    ui::error(&error.into());
                }
            }
        }
        Ok(code)
    }

    async fn report(&self, used: &[Used], images: &[String]) -> anyhow::Result<ExitCode> {
        let mut found = Vec::new();
        for Used { engine, .. } in used {
            let left = engine.leftovers(&Filter::All).await?;
            found.extend(left.iter().map(|left| format!("{left} of the {} engine", engine.name())));
        }
        found.extend(images.iter().map(|image| format!("image {image}")));
        for name in &found {
            ui::line(name);
        }
        if found.is_empty() {
            ui::line("nothing is left behind");
            return Ok(ExitCode::SUCCESS);
        }
        let images = if self.images { " --images" } else { "" };
        ui::line(format_args!("{} left behind; `cargo xtask clean{images}` removes it", found.len()));
        Ok(ExitCode::FAILURE)
    }
}

/// The references of our own images, and the identifiers of those that a newer build has taken the name from. Those that others are
/// built on come last.
async fn own_images(docker: &Docker) -> anyhow::Result<Vec<String>> {
    let mut images = docker.images().await?;
    images.sort_by_key(|image| std::cmp::Reverse(image.created));
    let ours = |name: &String| IMAGES.iter().any(|prefix| name.starts_with(prefix));
    let names = images.into_iter().flat_map(|image| match image.references.is_empty() {
        true if image.labels.contains_key(images::CONTENT) => vec![image.id],
        _ => image.references.into_iter().filter(ours).collect(),
    });
    Ok(names.collect())
}
