//! Exceptions that tasks raised, as Rust sees them.

use std::fmt;

use testcelery_api::{indent_lines, shorten};

use crate::{PythonJson, ResultMeta, State};

/// An exception that a task raised on a worker.
///
/// Celery stores it as `{"exc_type", "exc_message", "exc_module"}` beside the traceback (`Backend.prepare_exception`). `Display` and `Debug`
/// shorten long texts and escape control characters; [`report`](Self::report) and the fields have the whole.
#[derive(Clone, PartialEq)]
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
    pub args: Vec<PythonJson>,
    /// The worker's traceback, where there is one.
    pub traceback: Option<String>,
}

impl TaskError {
    /// Reads the exception of a failed task.
    pub fn from_meta(task: &str, meta: &ResultMeta) -> Self {
        let mut error = Self {
            task: task.to_owned(),
            task_id: meta.task_id.clone(),
            state: meta.status.clone(),
            exc_type: String::new(),
            exc_module: String::new(),
            args: Vec::new(),
            traceback: meta.traceback.clone(),
        };
        for (key, value) in meta.result.entries().unwrap_or_default() {
            match key.as_ref() {
                "exc_type" => error.exc_type = value.readable().unwrap_or_default(),
                "exc_module" => error.exc_module = value.readable().unwrap_or_default(),
                "exc_message" if value.is_null() => {}
                // Rows of older versions hold one plain text.
                "exc_message" => error.args = value.items().unwrap_or_else(|| vec![value]),
                _ => {}
            }
        }
        error
    }

    /// The message: the exception's arguments, as `str(exception)` shows them.
    pub fn message(&self) -> String {
        let shown: Vec<String> =
            self.args.iter().map(|arg| arg.readable().unwrap_or_else(|| arg.text().to_owned())).collect();
        shown.join(", ")
    }

    /// Everything that is known of it, at full length and as the worker wrote it.
    pub fn report(&self) -> String {
        let traceback = self.traceback.iter().map(|traceback| format!("\nremote traceback:\n{traceback}"));
        self.head(str::to_owned) + &traceback.collect::<String>()
    }

    fn head(&self, text: impl Fn(&str) -> String) -> String {
        let Self { task, task_id, state, exc_type, exc_module, .. } = self;
        let class = match exc_module.as_str() {
            "" | "builtins" => exc_type.clone(),
            module => format!("{module}.{exc_type}"),
        };
        format!("task {task} [{task_id}] ended as {state}: {}: {}", text(&class), text(&self.message()))
    }
}

impl fmt::Display for TaskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.head(|text| shorten(text).into_owned()))?;
        if let Some(traceback) = &self.traceback {
            write!(f, "\n  remote traceback:{}", indent_lines(traceback))?;
        }
        Ok(())
    }
}

impl fmt::Debug for TaskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskError")
            .field("task", &self.task)
            .field("task_id", &self.task_id)
            .field("state", &self.state)
            .field("exc_type", &shorten(&self.exc_type))
            .field("exc_module", &shorten(&self.exc_module))
            .field("args", &self.args)
            .field("traceback", &self.traceback.as_deref().map(shorten))
            .finish()
    }
}

impl std::error::Error for TaskError {}
