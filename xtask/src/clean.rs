//! `clean`: nothing of testcelery's is left on this machine.

use std::process::ExitCode;

use testcelery_docker::{Docker, Filter};

use crate::{images, session, ui};

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
        let docker = Docker::connect().await?;
        let images = if self.images { own_images(&docker).await? } else { Vec::new() };
        if self.check {
            return self.report(&docker, &images).await;
        }
        for name in session::names(&docker.remove_leftovers(&Filter::All).await?) {
            ui::line(format_args!("removed {name}"));
        }
        let mut code = ExitCode::SUCCESS;
        for image in images {
            match docker.remove_image(&image).await {
                Ok(()) => ui::line(format_args!("removed image {image}")),
                Err(error) => {
                    code = ExitCode::FAILURE;
                    ui::error(&error.into());
                }
            }
        }
        Ok(code)
    }

    async fn report(&self, docker: &Docker, images: &[String]) -> anyhow::Result<ExitCode> {
        let mut found = session::names(&docker.leftovers(&Filter::All).await?);
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
