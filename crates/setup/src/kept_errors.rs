//! Whole texts of results' errors. The terminal shows their beginning and their end; the evidence of a failed test has everything.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use testcelery_client::Error;

/// Bytes of text that are kept. Older errors are dropped first; the last one is kept at any size.
const KEPT_BYTES: usize = 64 << 20;

/// The errors of an app's results, oldest first. Clones share them.
#[derive(Debug, Clone, Default)]
pub(crate) struct KeptErrors(Arc<Mutex<Kept>>);

#[derive(Debug, Default)]
struct Kept {
    texts: VecDeque<String>,
    bytes: usize,
    dropped: usize,
}

impl KeptErrors {
    /// Keeps the whole text of an error, if its message may be a part.
    pub(crate) fn keep(&self, error: &Error) {
        let text = match error {
            Error::Task(error) => error.report(),
            Error::WrongType { task, task_id, value, .. } => {
                format!("result of task {task} [{task_id}]:\n{}", value.text())
            }
            _ => return,
        };
        let mut kept = self.kept();
        kept.bytes += text.len();
        kept.texts.push_back(text);
        while kept.bytes > KEPT_BYTES && kept.texts.len() > 1 {
            kept.bytes -= kept.texts.pop_front().map_or(0, |text| text.len());
            kept.dropped += 1;
        }
    }

    /// Returns all that is kept, as one text; `None` where there was no error.
    pub(crate) fn text(&self) -> Option<String> {
        let kept = self.kept();
        if kept.texts.is_empty() {
            return None;
        }
        let mut text = String::with_capacity(kept.bytes);
        if kept.dropped > 0 {
            text.push_str(&format!("{} older errors were dropped\n\n", kept.dropped));
        }
        for error in &kept.texts {
            text.push_str(error.trim_end());
            text.push_str("\n\n");
        }
        Some(text)
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use testcelery_client::{ResultMeta, TaskError};

    use super::*;

    fn raised(message: &str) -> Error {
        let meta = format!(
            r#"{{"task_id": "1", "status": "FAILURE", "traceback": "Traceback\n",
                "result": {{"exc_type": "ValueError", "exc_message": ["{message}"], "exc_module": "builtins"}}}}"#
        );
        let meta = ResultMeta::decode(meta.as_bytes()).unwrap();
        Error::Task(Box::new(TaskError::from_meta("t", &meta)))
    }

    #[test]
    fn the_whole_text_is_kept_where_the_message_is_a_part() {
        let kept = KeptErrors::default();
        assert_eq!(kept.text(), None);
        kept.keep(&Error::NoBroker);
        assert_eq!(kept.text(), None);
        let long = "x".repeat(100_000);
        let error = raised(&long);
        assert!(error.to_string().len() < 1000);
        kept.clone().keep(&error);
        let expected =
            format!("task t [1] ended as FAILURE: ValueError: {long}\nremote traceback:\nTraceback\n\n");
        assert_eq!(kept.text().unwrap(), expected);
    }

    #[test]
    fn old_errors_make_room() {
        let kept = KeptErrors::default();
        for size in [KEPT_BYTES / 2, KEPT_BYTES / 2, KEPT_BYTES + 1] {
            kept.keep(&raised(&"x".repeat(size)));
        }
        let text = kept.text().unwrap();
        assert!(text.starts_with("2 older errors were dropped\n"), "{}", &text[..100]);
        assert_eq!(kept.kept().texts.len(), 1);
    }
}
