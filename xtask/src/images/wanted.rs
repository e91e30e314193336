//! Which images the tests need.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use testcelery_api::{Image, ImageSource, WorkerContext};
use testcelery_worker::{Worker, WorkerRecipe as _};

use crate::workspace;

/// The recipe of the base of the worker's image.
pub(super) const PYTHON: &str = "python";

/// An image with a substitute that can be built from Debian packages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// The reference that a registry has.
    pub(crate) reference: String,
    /// The local tag that stands in for it.
    pub(crate) substitute: String,
    /// Its folder below `templates/images`.
    pub(crate) recipe: &'static str,
}

impl Wanted {
    fn new(reference: &str, substitute: &str, recipe: &'static str) -> Self {
        Self { reference: reference.to_owned(), substitute: substitute.to_owned(), recipe }
    }

    /// The Dockerfile of the substitute.
    pub(super) fn dockerfile(&self) -> anyhow::Result<String> {
        let path: PathBuf = Path::new("templates/images").join(self.recipe).join("Dockerfile");
        std::fs::read_to_string(workspace::root().join(&path))
            .with_context(|| format!("could not read {}", path.display()))
    }
}

/// The default image of every component that is not built, and the base of the one that is.
pub(crate) fn all() -> anyhow::Result<Vec<Wanted>> {
    Ok(vec![
        Wanted::new(testcelery_rabbitmq::DEFAULT_IMAGE, testcelery_rabbitmq::SUBSTITUTE_IMAGE, "rabbitmq"),
        Wanted::new(testcelery_redis::DEFAULT_IMAGE, testcelery_redis::SUBSTITUTE_IMAGE, "redis"),
        Wanted::new(testcelery_memcached::DEFAULT_IMAGE, testcelery_memcached::SUBSTITUTE_IMAGE, "memcached"),
        python(&worker()?)?,
    ])
}

/// The image of a worker that is not told anything.
pub(crate) fn worker() -> anyhow::Result<Image> {
    let plan = Worker::default().plan(&WorkerContext::new("worker", "images"))?;
    Ok(plan.spec.image)
}

fn python(worker: &Image) -> anyhow::Result<Wanted> {
    let ImageSource::Build(build) = &worker.source else { bail!("the worker's image is not built") };
    let base = build.base.as_deref().context("the worker's image has no base")?;
    let substitute =
        base.substitute.as_deref().context("the base of the worker's image has no substitute")?;
    Ok(Wanted::new(base.name(), substitute, PYTHON))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_image_has_a_recipe() {
        let all = all().unwrap();
        assert_eq!(all.len(), 4);
        for wanted in all {
            assert!(wanted.dockerfile().unwrap().contains("ARG BASE"), "{wanted:?}");
            assert!(wanted.substitute.starts_with("testcelery/"), "{wanted:?}");
        }
    }
}
