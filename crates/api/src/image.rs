//! What a container is made from.

use std::collections::BTreeMap;

use crate::{Capability, FileTree, Software};

/// When a reference is pulled from its registry.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum PullPolicy {
    /// Before every start.
    Always,
    /// When the engine does not have it (default).
    #[default]
    Missing,
    /// Never: it has to be there.
    Never,
}

/// An image: a reference to pull, or a build, with an optional substitute for machines that reach no registry.
///
/// ```
/// use testcelery_api::{Image, PullPolicy};
///
/// let image = Image::reference("redis:8.2.3").substitute("testcelery/redis:debian-trixie");
/// assert_eq!(image.name(), "redis:8.2.3");
/// assert_eq!(image.pull, PullPolicy::Missing);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Image {
    /// Where it comes from.
    pub source: ImageSource,
    /// When a reference is pulled; a build is made when its tag is missing, whatever the policy.
    pub pull: PullPolicy,
    /// A local reference that is used where the first one is absent and this one is present.
    pub substitute: Option<String>,
    /// How the substitute is made where it is absent too; `None` leaves that to somebody else.
    pub substitute_build: Option<Box<Build>>,
    /// The same without an image, for engines that have none; `None` where there is no such thing.
    pub software: Option<Software>,
}

/// Where an image comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ImageSource {
    /// A reference, as `redis:8.2.3`.
    Reference(String),
    /// A Dockerfile with its context.
    Build(Box<Build>),
}

impl Image {
    /// An image that a registry or the engine has.
    pub fn reference(reference: impl Into<String>) -> Self {
        Self {
            source: ImageSource::Reference(reference.into()),
            pull: PullPolicy::default(),
            substitute: None,
            substitute_build: None,
            software: None,
        }
    }

    /// An image that is built when its tag is missing.
    pub fn build(build: Build) -> Self {
        Self {
            source: ImageSource::Build(Box::new(build)),
            pull: PullPolicy::default(),
            substitute: None,
            substitute_build: None,
            software: None,
        }
    }

    /// Sets when the reference is pulled.
    #[must_use]
    pub fn pull(mut self, policy: PullPolicy) -> Self {
        self.pull = policy;
        self
    }

    /// Names a local reference to use where the first one is absent.
    #[must_use]
    pub fn substitute(mut self, reference: impl Into<String>) -> Self {
        self.substitute = Some(reference.into());
        self
    }

    /// Makes a [substitute](Self::substitute) where the reference is absent and cannot be pulled, as on a machine that reaches no registry:
    /// the build's tag is the substitute. With [`PullPolicy::Always`] and [`PullPolicy::Never`] nothing is made.
    ///
    /// ```
    /// use testcelery_api::{Build, FileTree, Image};
    ///
    /// let mut context = FileTree::new();
    /// context.insert("Dockerfile", "FROM debian:trixie-slim\nRUN apt-get update && apt-get install --yes valkey-server\n");
    /// let image = Image::reference("valkey/valkey:8.1").or_build(Build::new("testcelery/valkey:debian-trixie", context));
    /// assert_eq!(image.substitute.as_deref(), Some("testcelery/valkey:debian-trixie"));
    /// ```
    #[must_use]
    pub fn or_build(mut self, build: Build) -> Self {
        self.substitute = Some(build.tag.clone());
        self.substitute_build = Some(Box::new(build));
        self
    }

    /// Says what the image holds, for engines that run processes instead of images.
    #[must_use]
    pub fn software(mut self, software: Software) -> Self {
        self.software = Some(software);
        self
    }

    /// What it takes of an engine to run it; nothing where what it holds is said beside it.
    pub fn needs(&self) -> Option<Capability> {
        match (&self.source, &self.software) {
            (_, Some(_)) => None,
            (ImageSource::Reference(_), None) => Some(Capability::Images),
            (ImageSource::Build(_), None) => Some(Capability::ImageBuild),
        }
    }

    /// The reference, or the tag that the build gives.
    pub fn name(&self) -> &str {
        match &self.source {
            ImageSource::Reference(reference) => reference,
            ImageSource::Build(build) => &build.tag,
        }
    }
}

/// A Dockerfile with its context. The tag is expected to be a hash of what goes in, so that a tag that exists is never rebuilt.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Build {
    /// The tag of the result.
    pub tag: String,
    /// The image that the Dockerfile starts from, ensured first and passed as the build argument `BASE_IMAGE`.
    pub base: Option<Box<Image>>,
    /// The context, by path relative to its root (the Dockerfile included, no leading slash).
    pub context: FileTree,
    /// Which file of the context is the Dockerfile; `Dockerfile` unless said otherwise.
    pub dockerfile: String,
    /// Build arguments.
    pub args: BTreeMap<String, String>,
    /// The stage of the Dockerfile that the tag names; `None` is the last one.
    pub target: Option<String>,
}

impl Build {
    /// A build of a context into a tag.
    pub fn new(tag: impl Into<String>, context: FileTree) -> Self {
        Self {
            tag: tag.into(),
            base: None,
            context,
            dockerfile: "Dockerfile".to_owned(),
            args: BTreeMap::new(),
            target: None,
        }
    }

    /// Names the file of the context that is the Dockerfile.
    #[must_use]
    pub fn dockerfile(mut self, path: impl Into<String>) -> Self {
        self.dockerfile = path.into();
        self
    }

    /// Names the image that the Dockerfile starts from.
    #[must_use]
    pub fn base(mut self, base: Image) -> Self {
        self.base = Some(Box::new(base));
        self
    }

    /// Sets a build argument.
    #[must_use]
    pub fn arg(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.args.insert(name.into(), value.into());
        self
    }

    /// Builds up to a stage of the Dockerfile, as `FROM .. AS stage` names it, instead of to its end. Another stage is another image, so it
    /// belongs into the hash of the tag.
    #[must_use]
    pub fn target(mut self, stage: impl Into<String>) -> Self {
        self.target = Some(stage.into());
        self
    }
}
