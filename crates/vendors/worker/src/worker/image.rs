//! What is installed.

use testcelery_api::{Image, Software};

use crate::{Dockerfile, Worker};

impl Worker {
    /// Sets the version of Celery, as `5.4.0`. Kombu and others that go with it are pinned where that version needs it.
    #[must_use]
    pub fn celery(mut self, version: impl Into<String>) -> Self {
        self.answers.version = version.into();
        self
    }

    /// Sets the version of Python, as `3.12`: the official image of that version, or such a Python of the machine.
    #[must_use]
    pub fn python(mut self, version: impl Into<String>) -> Self {
        self.answers.python = Some(version.into());
        self
    }

    /// Starts the image from another one that has `python` and `pip` on its path, instead of the official one.
    #[must_use]
    pub fn base(mut self, image: Image) -> Self {
        self.answers.base = Some(image);
        self
    }

    /// Builds the image from a Dockerfile of your own. It has to install what the worker needs.
    #[must_use]
    pub fn dockerfile(mut self, dockerfile: Dockerfile) -> Self {
        self.answers.dockerfile = Some(dockerfile);
        self
    }

    /// Runs an image that is there already. It has to hold what the worker needs.
    #[must_use]
    pub fn image(mut self, image: Image) -> Self {
        self.answers.image = Some(image);
        self
    }

    /// Adds a package, as pip's requirement: `pydantic==2.11.7`.
    #[must_use]
    pub fn requirement(mut self, requirement: impl Into<String>) -> Self {
        self.answers.requirements.push(requirement.into());
        self
    }

    /// Adds extras of Celery, as `msgpack`. It always has `redis` and `pymemcache`, and those of its pool.
    #[must_use]
    pub fn extras<S: Into<String>>(mut self, extras: impl IntoIterator<Item = S>) -> Self {
        self.answers.extras.extend(extras.into_iter().map(Into::into));
        self
    }

    /// Says what an image of your own holds, for engines that run processes and not images.
    #[must_use]
    pub fn software(mut self, software: Software) -> Self {
        self.software = Some(software);
        self
    }
}
