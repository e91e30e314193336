//! The result document that workers store.

use std::fmt;

use serde::Deserialize;
use serde_json::Value;

/// The state of a task (`celery.states`).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Deserialize)]
#[serde(from = "String")]
#[non_exhaustive]
pub enum State {
    /// Nothing is known of it.
    Pending,
    /// A worker has received it.
    Received,
    /// A worker has begun (only with `task_track_started`).
    Started,
    /// It returned.
    Success,
    /// It raised.
    Failure,
    /// It was revoked, or expired.
    Revoked,
    /// It is going to be tried again.
    Retry,
    /// A state of the user's own.
    Custom(String),
}

impl State {
    /// Whether the task is done: SUCCESS, FAILURE or REVOKED.
    pub fn is_ready(&self) -> bool {
        matches!(self, Self::Success | Self::Failure | Self::Revoked)
    }

    /// The name that Celery uses, as `SUCCESS`.
    pub fn name(&self) -> &str {
        match self {
            Self::Pending => "PENDING",
            Self::Received => "RECEIVED",
            Self::Started => "STARTED",
            Self::Success => "SUCCESS",
            Self::Failure => "FAILURE",
            Self::Revoked => "REVOKED",
            Self::Retry => "RETRY",
            Self::Custom(name) => name,
        }
    }
}

impl From<String> for State {
    fn from(name: String) -> Self {
        match name.as_str() {
            "PENDING" => Self::Pending,
            "RECEIVED" => Self::Received,
            "STARTED" => Self::Started,
            "SUCCESS" => Self::Success,
            "FAILURE" => Self::Failure,
            "REVOKED" => Self::Revoked,
            "RETRY" => Self::Retry,
            _ => Self::Custom(name),
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The document that a worker stores for a task (Celery's `Backend._get_result_meta`). Keys that this client has no use for are left out,
/// keys that an older Celery does not write are optional.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[non_exhaustive]
pub struct ResultMeta {
    /// The task's id.
    pub task_id: String,
    /// The task's state.
    pub status: State,
    /// The return value, or the exception as an object.
    #[serde(default)]
    pub result: Value,
    /// The traceback, where it raised.
    #[serde(default)]
    pub traceback: Option<String>,
    /// When it was done, as the worker writes it.
    #[serde(default)]
    pub date_done: Option<String>,
}

impl ResultMeta {
    /// Reads the JSON that a worker stored.
    ///
    /// # Errors
    /// When it is no such document.
    pub fn decode(bytes: &[u8]) -> serde_json::Result<Self> {
        serde_json::from_slice(bytes)
    }
}
