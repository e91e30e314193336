//! What can go wrong with a question to a running worker.

use std::fmt;

use testcelery_api::{Error as ApiError, indent_lines, shorten};

/// The result of questions to a running worker.
pub(crate) type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a question to a running worker has no answer. `Display` and `Debug` shorten long texts; the fields have the whole.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No Python could be started in the worker's container.
    #[error(
        "worker `{worker}`: could not run {what} in its container; it has to run, with `python` on its path and the content at `/app`"
    )]
    NoPython {
        /// The worker.
        worker: String,
        /// What was to be run.
        what: String,
        /// Why.
        #[source]
        source: Box<ApiError>,
    },

    /// The worker's container does not have our content.
    #[error(
        "worker `{worker}`: {what} needs the content of testcelery at `/app`, which a worker of a `WorkerRecipe` has; this one says: {}",
        shorten(last_line)
    )]
    NoContent {
        /// The worker.
        worker: String,
        /// What was to be run.
        what: String,
        /// What Python says.
        last_line: String,
    },

    /// Python failed.
    #[error("worker `{worker}`: {what} failed: {}{}", shorten(exception), indent_lines(stderr))]
    Python {
        /// The worker.
        worker: String,
        /// What was run.
        what: String,
        /// The last line of the traceback, as `ZeroDivisionError: division by zero`.
        exception: String,
        /// All that went to standard error: what was printed, and the traceback.
        stderr: String,
    },

    /// The answer is not what was asked for.
    #[error("worker `{worker}`: {what} has the value {value}, which is no `{wanted}`")]
    Value {
        /// The worker.
        worker: String,
        /// What was run.
        what: String,
        /// The beginning and the end of the value, as JSON.
        value: String,
        /// The type that was asked for.
        wanted: &'static str,
        /// Where it differs.
        #[source]
        source: serde_json::Error,
    },
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, worker, what) = match self {
            Self::NoPython { worker, what, .. } => ("NoPython", worker, what),
            Self::NoContent { worker, what, .. } => ("NoContent", worker, what),
            Self::Python { worker, what, .. } => ("Python", worker, what),
            Self::Value { worker, what, .. } => ("Value", worker, what),
        };
        let mut shown = f.debug_struct(name);
        shown.field("worker", worker).field("what", &shorten(what));
        match self {
            Self::NoPython { source, .. } => shown.field("source", source),
            Self::NoContent { last_line, .. } => shown.field("last_line", &shorten(last_line)),
            Self::Python { exception, stderr, .. } => {
                shown.field("exception", &shorten(exception)).field("stderr", &shorten(stderr))
            }
            Self::Value { value, wanted, source, .. } => {
                shown.field("value", value).field("wanted", wanted).field("source", source)
            }
        };
        shown.finish()
    }
}
