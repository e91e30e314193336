#![doc = include_str!("../README.md")]

#[cfg(unix)]
mod disposition;
#[cfg(unix)]
mod unix;
#[cfg(unix)]
mod watcher;

#[cfg(not(unix))]
mod other;

use std::fmt;

#[cfg(not(unix))]
pub use other::Watch;
#[cfg(unix)]
pub use watcher::Watch;

/// A signal that asks the process to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Interrupt {
    /// `SIGINT`, which Ctrl-C sends.
    Interrupted,
    /// `SIGTERM`.
    Terminated,
}

impl fmt::Display for Interrupt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Interrupted => "interrupted",
            Self::Terminated => "terminated",
        })
    }
}

/// Returns the first signal that arrived during a [`Watch`]. The process is about to end then.
pub fn first() -> Option<Interrupt> {
    #[cfg(unix)]
    return unix::first();
    #[cfg(not(unix))]
    return None;
}
