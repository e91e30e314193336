//! What of the host, or of memory, a container sees in its file system.

use std::path::PathBuf;

/// A mount inside a container.
///
/// ```
/// use testcelery_api::Mount;
///
/// let source = Mount::bind("/home/me/project", "/src").read_only();
/// assert_eq!(source.target(), "/src");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Mount {
    /// A folder or file of the host.
    Bind {
        /// The path on the host.
        source: PathBuf,
        /// The path in the container.
        target: String,
        /// Whether the container may only read it.
        read_only: bool,
    },
    /// A file system in memory that goes with the container.
    Tmpfs {
        /// The path in the container.
        target: String,
    },
}

impl Mount {
    /// A folder or file of the host, writable.
    pub fn bind(source: impl Into<PathBuf>, target: impl Into<String>) -> Self {
        Self::Bind { source: source.into(), target: target.into(), read_only: false }
    }

    /// A file system in memory.
    pub fn tmpfs(target: impl Into<String>) -> Self {
        Self::Tmpfs { target: target.into() }
    }

    /// Makes a bind mount read-only; a tmpfs stays as it is.
    #[must_use]
    pub fn read_only(self) -> Self {
        match self {
            Self::Bind { source, target, .. } => Self::Bind { source, target, read_only: true },
            other => other,
        }
    }

    /// The path in the container.
    pub fn target(&self) -> &str {
        match self {
            Self::Bind { target, .. } | Self::Tmpfs { target } => target,
        }
    }
}
