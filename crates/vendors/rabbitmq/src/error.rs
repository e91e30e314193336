//! What can go wrong when a test opens a connection of its own.

use std::time::Duration;

/// The result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What can go wrong when a test opens a connection of its own.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The container does not run.
    #[error(transparent)]
    Container(#[from] testcelery_api::Error),

    /// The URL holds something that AMQP cannot carry.
    #[error("{url} cannot be used: {problem}")]
    Url {
        /// The redacted URL.
        url: String,
        /// What is wrong with it.
        problem: String,
    },

    /// The broker cannot be reached, or refuses.
    #[error("no AMQP connection to {url}")]
    Connect {
        /// The redacted URL.
        url: String,
        /// Why.
        #[source]
        source: lapin::Error,
    },

    /// The broker does not answer.
    #[error("no AMQP connection to {url} within {waited:?}")]
    NoAnswer {
        /// The redacted URL.
        url: String,
        /// How long was waited.
        waited: Duration,
    },
}
