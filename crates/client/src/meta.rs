//! The result document that workers store.

use std::fmt;

use testcelery_api::shorten;

use crate::{JsonError, PythonJson};

/// The state of a task (`celery.states`).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
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
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub struct ResultMeta {
    /// The task's id.
    pub task_id: String,
    /// The task's state.
    pub status: State,
    /// The return value, or the exception as an object.
    pub result: PythonJson,
    /// The traceback, where it raised. A lone surrogate in it is shown as its escape sequence, for example `\udce9`.
    pub traceback: Option<String>,
    /// When it was done, as the worker writes it.
    pub date_done: Option<String>,
}

impl ResultMeta {
    /// Reads the JSON that a worker stored. A `result` of any form is kept as it is, so that what no Rust type holds does not cost the rest.
    ///
    /// # Errors
    /// When it is no such document.
    pub fn decode(bytes: &[u8]) -> Result<Self, JsonError> {
        let document = PythonJson::parse(bytes)?;
        let entries = document.entries().ok_or_else(|| JsonError::new("it is no object".to_owned()))?;
        let (mut task_id, mut status, mut traceback, mut date_done) = (None, None, None, None);
        let mut result = PythonJson::default();
        for (key, value) in entries {
            match key.as_ref() {
                "task_id" => task_id = value.readable(),
                "status" => status = value.readable(),
                "result" => result = value,
                "traceback" => traceback = value.readable(),
                "date_done" => date_done = value.readable(),
                _ => {}
            }
        }
        let missing = |key: &str| JsonError::new(format!("it has no text `{key}`"));
        Ok(Self {
            task_id: task_id.ok_or_else(|| missing("task_id"))?,
            status: status.ok_or_else(|| missing("status"))?.into(),
            result,
            traceback,
            date_done,
        })
    }
}

impl fmt::Debug for ResultMeta {
    /// Writes the beginning and the end of long texts.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResultMeta")
            .field("task_id", &self.task_id)
            .field("status", &self.status)
            .field("result", &self.result)
            .field("traceback", &self.traceback.as_deref().map(shorten))
            .field("date_done", &self.date_done)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_that_no_type_holds_costs_nothing_else() {
        let document = format!(
            r#"{{"status": "FAILURE", "result": {{"exc_type": "OSError", "exc_message": ["caf\udce9", NaN, {deep}]}},
                "traceback": "File \"caf\udce9\"", "children": [{{"x": -Infinity}}], "date_done": null, "task_id": "1"}}"#,
            deep = "[".repeat(5000) + &"]".repeat(5000)
        );
        let meta = ResultMeta::decode(document.as_bytes()).unwrap();
        assert_eq!((meta.task_id.as_str(), &meta.status), ("1", &State::Failure));
        assert_eq!(meta.traceback.as_deref(), Some(r#"File "caf\udce9""#));
        assert_eq!(meta.result.get("exc_type").unwrap().text(), r#""OSError""#);
        assert_eq!(meta.date_done, None);
        assert!(format!("{meta:?}").len() < 1000, "{meta:?}");
    }

    #[test]
    fn older_documents_have_fewer_keys() {
        let meta = ResultMeta::decode(br#"{"task_id": "1", "status": "BUSY"}"#).unwrap();
        assert_eq!(meta.status, State::Custom("BUSY".to_owned()));
        assert!(meta.result.is_null() && meta.traceback.is_none());
    }

    #[test]
    fn other_documents_are_refused() {
        for (document, problem) in [
            ("[]", "it is no object"),
            (r#"{"status": "SUCCESS"}"#, "it has no text `task_id`"),
            (r#"{"task_id": "1", "status": null}"#, "it has no text `status`"),
        ] {
            assert_eq!(ResultMeta::decode(document.as_bytes()).unwrap_err().to_string(), problem);
        }
    }
}
