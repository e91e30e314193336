//! What processes cannot do, and what to do instead.

use testcelery_api::{Capability, Error};

use crate::error::ENGINE;

/// Whether this engine can do it. All of them are things that a kernel does for containers.
pub(crate) fn supports(_: Capability) -> bool {
    false
}

/// The error of what it cannot do.
pub(crate) fn unsupported(capability: Capability) -> Error {
    Error::Unsupported { engine: ENGINE.to_owned(), capability, hint: hint(capability) }
}

/// The end of the message that says that it cannot.
pub(crate) fn hint(capability: Capability) -> String {
    let instead = match capability {
        Capability::Images => {
            "it runs programs of this machine and not images; leave the component's default image, or say what yours holds with \
             `Image::software(..)`"
        }
        Capability::ImageBuild => {
            "it runs programs of this machine and builds no images; say what the image holds with `Image::software(..)`, or with `software` \
             of a worker"
        }
        Capability::Partition => "pause the container or kill it instead",
        Capability::MemoryLimit => "leave the limit out",
        Capability::Users => "everything runs as the user who runs the test; leave the user out",
        Capability::Tmpfs => "leave the mount out: a container's folder is removed with it",
        Capability::ReadOnlyMounts => "a mount is a link here; mount it writable",
        Capability::HostPorts => {
            "a container has its standard ports on an address of its own; publish without a port of the host"
        }
        _ => "there is nothing like it here",
    };
    format!("{instead}, or take an engine of containers (TESTCELERY_ENGINE)")
}
