//! What can go wrong when a test opens a connection of its own.

use std::{io, time::Duration};

/// The result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What can go wrong when a test opens a connection of its own.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The container does not run.
    #[error(transparent)]
    Container(#[from] testcelery_api::Error),

    /// The server cannot be reached.
    #[error("no connection to memcached at {address}")]
    Connect {
        /// `host:port`.
        address: String,
        /// Why.
        #[source]
        source: io::Error,
    },

    /// The server does not answer.
    #[error("no connection to memcached at {address} within {waited:?}")]
    NoAnswer {
        /// `host:port`.
        address: String,
        /// How long was waited.
        waited: Duration,
    },
}
