//! What runs containers.

use std::{fmt, sync::Arc};

use async_trait::async_trait;

use crate::{Container, ContainerSpec, Image, Result};

/// Something that not every engine can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Capability {
    /// Building an image from a Dockerfile.
    ImageBuild,
    /// Cutting a container off its network.
    Partition,
    /// Limiting a container's memory.
    MemoryLimit,
    /// Running as a user of the image.
    Users,
    /// Mounting a file system in memory.
    Tmpfs,
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ImageBuild => "image builds",
            Self::Partition => "network partitions",
            Self::MemoryLimit => "memory limits",
            Self::Users => "other users",
            Self::Tmpfs => "file systems in memory",
        })
    }
}

/// What runs containers: a Docker daemon, local processes, or something of your own.
#[async_trait]
pub trait Engine: Send + Sync + fmt::Debug {
    /// A short name for messages, as `docker`.
    fn name(&self) -> &'static str;

    /// Whether it can do something that not every engine can.
    fn supports(&self, capability: Capability) -> bool;

    /// Makes sure that an image is there: pulls or builds it where needed.
    ///
    /// # Errors
    /// [`Error::ImageMissing`](crate::Error::ImageMissing) or [`Error::ImageBuild`](crate::Error::ImageBuild).
    async fn ensure_image(&self, image: &Image) -> Result<()>;

    /// Creates a network of its own for containers that are to see each other by name.
    ///
    /// # Errors
    /// When the engine refuses.
    async fn create_network(&self) -> Result<Arc<dyn Network>>;

    /// Creates a container and writes its files, without starting it. The container is guarded from the moment it exists:
    /// whatever fails or is cancelled from then on leaves nothing behind.
    ///
    /// # Errors
    /// When the engine refuses.
    async fn create(&self, spec: ContainerSpec) -> Result<Arc<dyn Container>>;

    /// Removes whatever processes that have ended left behind, by being killed for instance. What belongs to a process that still runs, or
    /// of which that is not known, stays.
    ///
    /// # Errors
    /// When something cannot be removed.
    async fn remove_orphans(&self) -> Result<()>;
}

/// A network of an engine. Like a container it is its own guard.
#[async_trait]
pub trait Network: Send + Sync + fmt::Debug {
    /// The engine's identifier.
    fn id(&self) -> &str;

    /// Cuts a container off, with its connections.
    ///
    /// # Errors
    /// [`Error::Unsupported`](crate::Error::Unsupported) where the engine cannot, or when it refuses.
    async fn disconnect(&self, container: &dyn Container) -> Result<()>;

    /// Lets a container that was cut off back in, under its old names.
    ///
    /// # Errors
    /// As [`disconnect`](Self::disconnect).
    async fn connect(&self, container: &dyn Container) -> Result<()>;

    /// Removes it. Removing what is gone is no error.
    ///
    /// # Errors
    /// When a container is still in it, or the engine refuses.
    async fn remove(&self) -> Result<()>;
}
