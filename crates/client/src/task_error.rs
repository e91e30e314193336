//! Exceptions that tasks raised, as Rust sees them.

use std::fmt;

use serde_json::Value;

use crate::{ResultMeta, State};

/// An exception that a task raised on a worker.
///
/// Celery stores it as `{"exc_type", "exc_message", "exc_module"}` beside the traceback (`Backend.prepare_exception`).
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct TaskError {
    /// The task's name.
    pub task: String,
    /// The task's id.
    pub task_id: String,
    /// FAILURE or REVOKED.
    pub state: State,
    /// The exception's class, as `ValueError`.
    pub exc_type: String,
    /// The module of the class, as `builtins`.
    pub exc_module: String,
    /// The exception's arguments.
    pub args: Vec<Value>,
    /// The worker's traceback, where there is one.
    pub traceback: Option<String>,
}

impl TaskError {
    /// Reads the exception of a failed task.
    pub fn from_meta(task: &str, meta: &ResultMeta) -> Self {
        let text = |key: &str| meta.result.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        let args = match meta.result.get("exc_message") {
            Some(Value::Array(args)) => args.clone(),
            // Rows of older versions hold one plain text.
            Some(Value::Null) | None => Vec::new(),
            Some(other) => vec![other.clone()],
        };
        Self {
            task: task.to_owned(),
            task_id: meta.task_id.clone(),
            state: meta.status.clone(),
            exc_type: text("exc_type"),
            exc_module: text("exc_module"),
            args,
            traceback: meta.traceback.clone(),
        }
    }

    /// The message: the exception's arguments, as `str(exception)` shows them.
    pub fn message(&self) -> String {
        let shown: Vec<String> =
            self.args.iter().map(|arg| arg.as_str().map_or_else(|| arg.to_string(), str::to_owned)).collect();
        shown.join(", ")
    }
}

impl fmt::Display for TaskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "task {} [{}] ended as {}: ", self.task, self.task_id, self.state)?;
        if !self.exc_module.is_empty() && self.exc_module != "builtins" {
            write!(f, "{}.", self.exc_module)?;
        }
        write!(f, "{}: {}", self.exc_type, self.message())?;
        if let Some(traceback) = &self.traceback {
            write!(f, "\nremote traceback:\n{}", traceback.trim_end())?;
        }
        Ok(())
    }
}

impl std::error::Error for TaskError {}
