//! The facade's error.

use std::fmt;

use testcelery_api::{BoxError, escape_report};

/// The result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What can go wrong in a test with a stack. `Debug` prints the whole report, causes and evidence included, because that is what a failed
/// test shows.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An engine, a container or a component failed.
    #[error(transparent)]
    Stack(#[from] testcelery_api::Error),

    /// A call failed, or the task behind it.
    #[error(transparent)]
    Client(#[from] testcelery_client::Error),

    /// A question to a running worker has no answer.
    #[error(transparent)]
    Worker(#[from] testcelery_worker::Error),

    /// A setup that cannot work; nothing was started.
    #[error("the setup cannot work: {0}")]
    Setup(String),

    /// A hook of the setup failed, or panicked.
    #[error("the hook {hook} failed")]
    Hook {
        /// The hook, as the builder has it.
        hook: &'static str,
        /// What it says.
        #[source]
        source: BoxError,
    },

    /// An error of somebody else, in a hook or a test.
    #[error(transparent)]
    Other(BoxError),

    /// The stack is up and does not behave as one.
    #[error("the setup is not ready: {0}")]
    NotReady(String),

    /// Something of the stack could not be taken away, or a hook before that failed.
    #[error("the setup was not taken down as it should be:\n{0}")]
    Down(String),

    /// A file of the report could not be written.
    #[error("could not write `{path}`")]
    Report {
        /// The file.
        path: std::path::PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

impl Error {
    /// Any error, for code that has to return this one: `.map_err(Error::other)?`.
    pub fn other(error: impl Into<BoxError>) -> Self {
        Self::Other(error.into())
    }

    /// The exception that a task raised, where the error is one.
    pub fn as_task_error(&self) -> Option<&testcelery_client::TaskError> {
        match self {
            Self::Client(error) => error.as_task_error(),
            _ => None,
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")?;
        let mut source = std::error::Error::source(self);
        while let Some(error) = source {
            write!(f, "\n  caused by: {}", escape_report(&error.to_string()))?;
            source = error.source();
        }
        Ok(())
    }
}
