//! What can go wrong between a call and its result.

use std::{error::Error as _, time::Duration};

use testcelery_api::{BoxError, shorten};

use crate::{AsyncResult, JsonError, PythonJson, State, TaskError};

/// The result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What a timeout adds where the worker may have followed the task's own option.
const MAY_BE_IGNORED: &str = "; where the task itself sets `ignore_result=True`, `.ignore_result(false)` makes the worker store its result";

/// What can go wrong between a call and its result.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The task raised, was revoked, or is not known to the worker.
    #[error(transparent)]
    Task(Box<TaskError>),

    /// No result came in time.
    #[error(
        "no result of task {task} [{task_id}] within {waited:.1?}; its last known state is {state}{}{evidence}",
        if *may_be_ignored { MAY_BE_IGNORED } else { "" }
    )]
    Timeout {
        /// The task's name.
        task: String,
        /// The task's id.
        task_id: String,
        /// How long was waited.
        waited: Duration,
        /// The last known state.
        state: State,
        /// The call leaves `ignore_result` to the task, which may have run and ignored its result.
        may_be_ignored: bool,
        /// What the surroundings know, as the worker's last log lines; empty where nobody was asked.
        evidence: Box<str>,
    },

    /// Nobody is left who could run the task.
    #[error(
        "no worker is left that could run task {task} [{task_id}] from queue {queue}; waited {waited:.1?}, its last known state is \
         {state}{evidence}"
    )]
    WorkersGone {
        /// The task's name.
        task: String,
        /// The task's id.
        task_id: String,
        /// The queue that it was sent to.
        queue: Box<str>,
        /// The time that was waited.
        waited: Duration,
        /// The last known state.
        state: State,
        /// What is known of the workers: how each ended, and its last log lines.
        evidence: Box<str>,
    },

    /// The result is not of the type that was asked for.
    #[error("the result of task {task} [{task_id}] is not a {expected}: got {value:?}")]
    WrongType {
        /// The task's name.
        task: String,
        /// The task's id.
        task_id: String,
        /// The Rust type that was asked for.
        expected: &'static str,
        /// The value that came; the error's text shows its beginning and its end.
        value: PythonJson,
        /// What does not fit.
        #[source]
        source: JsonError,
    },

    /// An argument cannot be carried by JSON.
    #[error("{argument} of task {task} cannot be carried by JSON: {reason}")]
    Argument {
        /// The task's name.
        task: String,
        /// Which argument, as `args[1].price` or `kwargs["limit"]`.
        argument: String,
        /// Why.
        reason: String,
    },

    /// An option of a call makes no sense; nothing was sent.
    #[error("option {option} of task {task}: {problem}")]
    Option {
        /// The task's name.
        task: String,
        /// The option.
        option: &'static str,
        /// What is wrong with it.
        problem: String,
    },

    /// A handler of a signal failed or panicked, in an app with [`strict_signals`](crate::AppBuilder::strict_signals).
    #[error("a handler of {signal} failed for task {task}, which was {}", if sent.is_some() { "sent" } else { "not sent" })]
    Handler {
        /// The signal.
        signal: &'static str,
        /// The task's name.
        task: String,
        /// The result of the task, if the broker has it.
        sent: Option<AsyncResult>,
        /// What the handler says.
        #[source]
        source: BoxError,
    },

    /// A handler of `before_task_publish` made a message that workers could not make sense of; nothing was sent.
    #[error(
        "a handler of before_task_publish changed {part} of task {task} so that no worker could take it: {problem}"
    )]
    Broken {
        /// The task's name.
        task: String,
        /// What was changed, as `headers.eta`.
        part: String,
        /// What is wrong with it.
        problem: String,
    },

    /// A server could not be reached.
    #[error("could not {operation} at {url}")]
    Connection {
        /// What was to be done, as `publish to queue celery`.
        operation: String,
        /// The redacted URL.
        url: String,
        /// Why.
        #[source]
        source: BoxError,
    },

    /// None of several brokers could be reached.
    #[error("none of {} brokers could be reached{}", failures.len(), listed(failures))]
    Brokers {
        /// The failure of each broker, in the order of the list.
        failures: Vec<Error>,
    },

    /// Nobody speaks the scheme of a URL.
    #[error("nobody speaks {scheme}:// as a {role}; known are {}{}", known.join(", "), reason(scheme))]
    UnknownScheme {
        /// The scheme.
        scheme: String,
        /// `broker` or `result backend`.
        role: &'static str,
        /// The schemes that are known.
        known: Vec<String>,
    },

    /// An app without a broker.
    #[error("the app has no broker; name one with `broker_url(..)` or `broker(..)`")]
    NoBroker,

    /// A URL that is none.
    #[error("the URL of the {role} cannot be read")]
    Url {
        /// `broker` or `result backend`.
        role: &'static str,
        /// Why; the URL is not repeated.
        #[source]
        source: testcelery_api::ParseUrlError,
    },

    /// A URL asks for something that cannot be followed; nothing was connected to.
    #[error("the URL of the {role} cannot be used ({url}): {problem}")]
    UnsupportedUrl {
        /// `broker` or `result backend`.
        role: &'static str,
        /// The redacted URL.
        url: String,
        /// What cannot be followed.
        problem: String,
    },

    /// The broker's transport cannot carry results.
    #[error("{url} cannot carry results: rpc:// needs an AMQP broker; use another result backend")]
    NoRpc {
        /// The broker's redacted URL.
        url: String,
    },

    /// Results are disabled.
    #[error("the app has no result backend, so there is no result of task {task} to wait for")]
    NoBackend {
        /// The task's name.
        task: String,
    },

    /// The call was sent with `ignore_result`.
    #[error("task {task} [{task_id}] was sent with ignore_result, so there is no result to wait for")]
    Ignored {
        /// The task's name.
        task: String,
        /// The task's id.
        task_id: String,
    },

    /// A stored document or a reply was written with another serializer than JSON.
    #[error("{what} was written with the serializer {serializer}, and this client reads json alone: {hint}")]
    Serializer {
        /// The thing that was read, for example `the result of task [id]`.
        what: String,
        /// The serializer in Celery's words, for example `pickle`.
        serializer: &'static str,
        /// The setting to change.
        hint: &'static str,
    },

    /// A stored document or a reply is not what Celery writes.
    #[error("{what} is not what Celery writes: {}", shorten(problem))]
    Malformed {
        /// What was read, as `the result of task [id]`.
        what: String,
        /// What is wrong with it.
        problem: String,
    },
}

impl Error {
    /// A server that could not be reached.
    pub fn connection(
        operation: impl Into<String>,
        url: impl Into<String>,
        source: impl Into<BoxError>,
    ) -> Self {
        Self::Connection { operation: operation.into(), url: url.into(), source: source.into() }
    }

    /// The result of a task that was sent although the call failed: a handler of `after_task_publish` did.
    pub fn sent(&self) -> Option<&AsyncResult> {
        match self {
            Self::Handler { sent, .. } => sent.as_ref(),
            _ => None,
        }
    }

    /// A result that was written with another serializer than JSON.
    pub fn result_serializer(what: impl Into<String>, serializer: &'static str) -> Self {
        Self::Serializer {
            what: what.into(),
            serializer,
            hint: "set `result_serializer = \"json\"` for the workers",
        }
    }

    /// The remote exception, where the error is one.
    pub fn as_task_error(&self) -> Option<&TaskError> {
        match self {
            Self::Task(error) => Some(error),
            _ => None,
        }
    }
}

/// What a scheme asks for that no transport here supports.
fn reason(scheme: &str) -> &'static str {
    match scheme {
        "amqps" | "rediss" => " (TLS is not supported)",
        "socket" | "redis+socket" => " (Unix sockets are not supported)",
        "sentinel" => " (Redis Sentinel is not supported)",
        _ => "",
    }
}

// Every call returns one.
const _: () = assert!(size_of::<Error>() < 128, "an error is no larger than clippy's limit for results");

/// Lists errors with their sources, one a line.
fn listed(failures: &[Error]) -> String {
    let mut text = String::new();
    for failure in failures {
        text.push_str(&format!("\n  {failure}"));
        let mut source = failure.source();
        while let Some(cause) = source {
            text.push_str(&format!(": {cause}"));
            source = cause.source();
        }
    }
    text
}
