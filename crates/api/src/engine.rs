//! What runs containers.

use std::{fmt, sync::Arc};

use async_trait::async_trait;

use crate::{Container, ContainerSpec, Error, Filter, Image, Leftover, Result};

/// Something that not every engine can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Capability {
    /// Running an image of a registry.
    Images,
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
    /// Mounting a file or folder of the host so that it can only be read.
    ReadOnlyMounts,
    /// Publishing a port on a given port of the host.
    HostPorts,
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Images => "images",
            Self::ImageBuild => "image builds",
            Self::Partition => "network partitions",
            Self::MemoryLimit => "memory limits",
            Self::Users => "other users",
            Self::Tmpfs => "file systems in memory",
            Self::ReadOnlyMounts => "read-only mounts",
            Self::HostPorts => "ports of your choice on the host",
        })
    }
}

/// What runs containers: a Docker daemon, local processes, or something of your own.
#[async_trait]
pub trait Engine: Send + Sync + fmt::Debug {
    /// A short name for messages, as `docker`.
    fn name(&self) -> &'static str;

    /// Which one it is and why, for people: as `docker 28.2.2 at unix:///var/run/docker.sock (DOCKER_HOST)`.
    fn description(&self) -> String;

    /// Whether it can do something that not every engine can.
    fn supports(&self, capability: Capability) -> bool;

    /// What to do where it cannot do something: the end of the message of [`require`](Self::require).
    fn hint(&self, capability: Capability) -> String {
        format!("run it on an engine that can do {capability}")
    }

    /// Fails where it cannot do something.
    ///
    /// # Errors
    /// [`Error::Unsupported`].
    fn require(&self, capability: Capability) -> Result<()> {
        if self.supports(capability) {
            return Ok(());
        }
        Err(Error::Unsupported { engine: self.name().to_owned(), capability, hint: self.hint(capability) })
    }

    /// Makes sure that an image is there: pulls or builds it where needed.
    ///
    /// # Errors
    /// [`Error::ImageMissing`](crate::Error::ImageMissing) or [`Error::ImageBuild`](crate::Error::ImageBuild).
    async fn ensure_image(&self, image: &Image) -> Result<()>;

    /// Creates a network of its own for containers that are to see each other by name. These are the first of them: an engine without
    /// a name service of its own decides by now where they are going to be reached.
    ///
    /// # Errors
    /// When the engine refuses.
    async fn create_network(&self, members: &[&ContainerSpec]) -> Result<Arc<dyn Network>>;

    /// Creates a container and writes its files, without starting it. The container is guarded from the moment it exists:
    /// whatever fails or is cancelled from then on leaves nothing behind.
    ///
    /// # Errors
    /// When the engine refuses.
    async fn create(&self, spec: ContainerSpec) -> Result<Arc<dyn Container>>;

    /// Returns the address by which another process of this machine reaches the same engine. The process that removes what a killed test has left
    /// gets it. `None` by default: an engine that neither has an address nor guards itself keeps what a killed test has left.
    fn address(&self) -> Option<String> {
        None
    }

    /// Whether it takes everything away by itself when the process that made it is killed. Where it does not, the setup sees to it.
    fn guards_itself(&self) -> bool {
        false
    }

    /// What is there of ours.
    ///
    /// # Errors
    /// When the engine cannot list it.
    async fn leftovers(&self, filter: &Filter) -> Result<Vec<Leftover>>;

    /// Removes what is there of ours until there is nothing left of it, and returns what it removed. Works from any process.
    ///
    /// # Errors
    /// When something cannot be removed.
    async fn remove_leftovers(&self, filter: &Filter) -> Result<Vec<Leftover>>;
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
