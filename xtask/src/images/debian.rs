//! The images from Debian packages, for machines that reach no registry.

use std::collections::HashMap;

use anyhow::Context as _;
use sha2::{Digest as _, Sha256};
use testcelery_api::{Build, FileTree, shorten};
use testcelery_docker::{Docker, ImageInfo, Progress};

use super::{rootfs, wanted::Wanted};
use crate::ui;

/// The image that the others start from.
const BASE: &str = "testcelery/debian:trixie";
/// The bare file system, as long as the base is being made of it.
const ROOTFS: &str = "testcelery/debian:rootfs";
/// The label with the hash of what an image is made of.
pub(crate) const CONTENT: &str = "testcelery.content";
/// What makes the file system an image like the official ones.
const BASE_DOCKERFILE: &str = "ARG BASE\nFROM ${BASE}\nCMD [\"bash\"]\n";

/// What the daemon has: references, and the hash of the content where it is one of these images.
#[derive(Debug, Default)]
pub(super) struct Present(HashMap<String, Option<String>>);

impl Present {
    /// Asks the daemon.
    pub(super) async fn ask(docker: &Docker) -> anyhow::Result<Self> {
        Ok(Self::of(&docker.images().await?))
    }

    fn of(images: &[ImageInfo]) -> Self {
        let named = images.iter().flat_map(|image| {
            let content = image.labels.get(CONTENT);
            image.references.iter().map(move |reference| (reference.clone(), content.cloned()))
        });
        Self(named.collect())
    }

    pub(super) fn has(&self, reference: &str) -> bool {
        self.0.contains_key(reference)
    }

    /// Whether a substitute is there, made of what it would be made of now.
    pub(super) fn has_current(&self, wanted: &Wanted) -> anyhow::Result<bool> {
        Ok(self.has_content(&wanted.substitute, &content(wanted)?))
    }

    fn has_content(&self, reference: &str, content: &str) -> bool {
        self.0.get(reference).and_then(Option::as_deref) == Some(content)
    }
}

/// Makes the base of the others when it is not there.
pub(super) async fn ensure_base(docker: &Docker) -> anyhow::Result<()> {
    if Present::ask(docker).await?.has_content(BASE, &base_content()) {
        return Ok(());
    }
    let folder = tempfile::tempdir().context("could not create a temporary folder")?;
    let archive = folder.path().join("rootfs.tar");
    rootfs::make(&archive).await?;
    docker.import_image(&archive, ROOTFS).await?;
    run(docker, &labelled(BASE, BASE_DOCKERFILE, &base_content()).arg("BASE", ROOTFS)).await?;
    docker.remove_image(ROOTFS).await?;
    Ok(())
}

/// Builds one of them, on the base.
pub(super) async fn build(docker: &Docker, wanted: &Wanted) -> anyhow::Result<()> {
    let build = labelled(&wanted.substitute, &wanted.dockerfile()?, &content(wanted)?);
    run(docker, &build.arg("BASE", BASE)).await
}

async fn run(docker: &Docker, build: &Build) -> anyhow::Result<()> {
    let bar = ui::Progress::spinner(format!("building {}", build.tag));
    docker.build(build, &|progress| bar.detail(shown(progress))).await?;
    bar.done("built");
    Ok(())
}

fn shown(progress: Progress) -> String {
    match progress {
        Progress::Step { number, total, text } => format!("{number}/{total} {text}"),
        Progress::Layer { id, status, .. } => format!("{id} {status}"),
        Progress::Line(line) => shorten(&line).into_owned(),
        _ => String::new(),
    }
}

/// The label comes last: it changes whenever anything else does, and invalidates no step.
fn labelled(tag: &str, dockerfile: &str, content: &str) -> Build {
    let mut context = FileTree::new();
    context.insert("Dockerfile", format!("{}\nLABEL {CONTENT}={content}\n", dockerfile.trim_end()));
    Build::new(tag, context)
}

fn base_content() -> String {
    hash(rootfs::OPTIONS.iter().copied().chain([BASE_DOCKERFILE]))
}

fn content(wanted: &Wanted) -> anyhow::Result<String> {
    Ok(hash([base_content().as_str(), &wanted.dockerfile()?]))
}

fn hash<'a>(parts: impl IntoIterator<Item = &'a str>) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part.len().to_le_bytes());
        hash.update(part);
    }
    format!("{:x}", hash.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_recipe_is_not_current() {
        let present =
            Present(HashMap::from([("a:1".to_owned(), Some(hash(["one"]))), ("b:1".to_owned(), None)]));
        assert!(present.has("b:1") && !present.has("c:1"));
        assert!(present.has_content("a:1", &hash(["one"])));
        assert!(!present.has_content("a:1", &hash(["two"])));
        assert!(!present.has_content("b:1", &hash(["one"])), "made by somebody else");
    }

    #[test]
    fn parts_do_not_run_into_each_other() {
        assert_ne!(hash(["ab", "c"]), hash(["a", "bc"]));
    }

    #[test]
    fn the_label_is_the_last_step() {
        let build = labelled("a:1", "FROM x\nRUN y\n", "abc");
        assert_eq!(build.context.text("Dockerfile"), Some("FROM x\nRUN y\nLABEL testcelery.content=abc\n"));
    }
}
