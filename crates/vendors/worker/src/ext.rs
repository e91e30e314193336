//! What can be asked of a running worker.

use std::{any::type_name, future::Future};

use serde::de::{DeserializeOwned, Error as _};
use testcelery_api::{Exec, ExecOutput, Worker};

use crate::{Error, Process, Processes, error::Result, plan::APP_FOLDER};

/// Questions to a running worker, which a Python beside it answers. They need the content of testcelery at `/app`, which every worker of a
/// [`WorkerRecipe`](crate::WorkerRecipe) has.
///
/// ```no_run
/// use testcelery_worker::WorkerExt;
///
/// # async fn example(worker: &dyn testcelery_api::Worker) -> Result<(), testcelery_worker::Error> {
/// let children = worker.processes().await?.containing("celery").len();
/// let time_limit: Option<f64> = worker.python("app.conf.task_time_limit").await?;
/// # Ok(()) }
/// ```
pub trait WorkerExt: Worker {
    /// The processes of its container. The one that looks for them is among them.
    ///
    /// # Errors
    /// When its container does not run, or does not have our content.
    fn processes(&self) -> impl Future<Output = Result<Processes>> + Send {
        async {
            let question = Question { worker: self.name(), what: "the list of its processes".to_owned() };
            let words = ["python", "-m", "testcelery.processes"];
            let processes: Vec<Process> = question.ask(self, words.map(str::to_owned).into()).await?;
            Ok(Processes::new(processes))
        }
    }

    /// The value of some Python in the worker's context: of its last expression, any that JSON has, and sets as lists. `app` in it is the
    /// worker's Celery app. What it prints does not get in between.
    ///
    /// It runs in a process of its own, with the worker's environment and modules: what it changes there is not changed in the worker.
    ///
    /// # Errors
    /// [`Error::Python`] with the exception that it raised, [`Error::Value`] when its value is not a `T`; and as for
    /// [`processes`](Self::processes).
    fn python<T: DeserializeOwned>(&self, code: &str) -> impl Future<Output = Result<T>> + Send {
        async move {
            let question = Question { worker: self.name(), what: format!("the code `{code}`") };
            let words = ["python", "-m", "testcelery.evaluate", code];
            question.ask(self, words.map(str::to_owned).into()).await
        }
    }
}

impl<W: Worker + ?Sized> WorkerExt for W {}

/// What Python says where the content is missing.
const NO_CONTENT: &str = "No module named 'testcelery'";

/// What is asked of which worker, for errors.
struct Question<'a> {
    worker: &'a str,
    what: String,
}

impl Question<'_> {
    async fn ask<T: DeserializeOwned>(
        self,
        worker: &(impl Worker + ?Sized),
        command: Vec<String>,
    ) -> Result<T> {
        // An image of somebody's own may have another working folder, and Python looks there first.
        let exec = Exec::new(command).working_dir(APP_FOLDER);
        match worker.container().exec(exec).await {
            Ok(output) if output.success() => self.value(&output),
            Ok(output) => Err(self.failure(&output)),
            Err(source) => Err(Error::NoPython {
                worker: self.worker.to_owned(),
                what: self.what,
                source: Box::new(source),
            }),
        }
    }

    fn value<T: DeserializeOwned>(self, output: &ExecOutput) -> Result<T> {
        serde_json::from_slice(&output.stdout).map_err(|source| Error::Value {
            worker: self.worker.to_owned(),
            what: self.what,
            value: testcelery_api::shorten(String::from_utf8_lossy(&output.stdout).trim()).into_owned(),
            wanted: type_name::<T>(),
            // Serde repeats a string that was not expected, whatever its length.
            source: serde_json::Error::custom(testcelery_api::shorten(&source.to_string())),
        })
    }

    fn failure(self, output: &ExecOutput) -> Error {
        let worker = self.worker.to_owned();
        let stderr = output.stderr_text().trim_end().to_owned();
        let last_line = stderr.lines().next_back().unwrap_or_default().trim().to_owned();
        if last_line.contains(NO_CONTENT) {
            return Error::NoContent { worker, what: self.what, last_line };
        }
        let ended = || format!("it ended with exit code {}", output.code);
        let exception = if last_line.is_empty() { ended() } else { last_line };
        Error::Python { worker, what: self.what, exception, stderr }
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, error::Error as _, sync::Arc, time::SystemTime};

    use super::*;
    use crate::fake::FakeContainer;

    /// The answer of a worker whose container answers so.
    async fn value<T: DeserializeOwned>(code: i64, stdout: &str, stderr: &str) -> Result<T> {
        FakeContainer::answering(code, stdout, stderr).node().python("some code").await
    }

    #[tokio::test]
    async fn values_have_types_and_what_is_printed_does_not_matter() {
        assert_eq!(value::<u8>(0, "5", "a warning\n").await.unwrap(), 5);
        assert_eq!(value::<Option<bool>>(0, "null", "").await.unwrap(), None);
        let map: BTreeMap<String, Vec<f64>> = value(0, r#"{"a": [1.5]}"#, "").await.unwrap();
        assert_eq!(map["a"], [1.5]);
        let container = FakeContainer::answering(0, "[1, 2]", "");
        assert_eq!(container.node().python::<(u8, u8)>("1 - 1").await.unwrap(), (1, 2));
        let asked = container.asked.lock().unwrap();
        assert_eq!(asked[0].command, ["python", "-m", "testcelery.evaluate", "1 - 1"]);
        assert_eq!(asked[0].working_dir.as_deref(), Some("/app"));
    }

    #[tokio::test]
    async fn a_value_of_another_type() {
        let error = value::<u8>(0, "\"text\"", "").await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "worker `worker-1`: the code `some code` has the value \"text\", which is no `u8`"
        );
        assert!(error.source().unwrap().to_string().starts_with("invalid type: string"));
        // A container that is not ours may answer anything.
        assert!(matches!(value::<u8>(0, "", "").await, Err(Error::Value { .. })));
    }

    #[tokio::test]
    async fn long_texts_are_shortened() {
        let long = "x".repeat(100_000);
        for error in [
            value::<u8>(0, &format!("\"{long}\""), "").await.unwrap_err(),
            value::<u8>(1, "", &format!("{long}\nValueError: {long}\n")).await.unwrap_err(),
        ] {
            let source = error.source().map(ToString::to_string).unwrap_or_default();
            for shown in [error.to_string(), format!("{error:?}"), source] {
                assert!(shown.len() < 2_000, "{} bytes", shown.len());
            }
        }
    }

    #[tokio::test]
    async fn what_python_raised() {
        let error =
            value::<u8>(1, "", "Traceback (..):\n  File ..\nZeroDivisionError: division by zero\n").await;
        assert_eq!(
            error.unwrap_err().to_string(),
            "worker `worker-1`: the code `some code` failed: ZeroDivisionError: division by zero\n  | Traceback (..):\n  |   File ..\n  \
             | ZeroDivisionError: division by zero"
        );
        let killed = value::<u8>(137, "", "").await.unwrap_err().to_string();
        assert!(killed.ends_with("failed: it ended with exit code 137"), "{killed}");
    }

    #[tokio::test]
    async fn a_worker_without_our_content() {
        let says = "python: Error while finding module specification for 'testcelery.processes' (ModuleNotFoundError: No module named 'testcelery')\n";
        let error = FakeContainer::answering(1, "", says).node().processes().await.unwrap_err().to_string();
        assert!(
            error.starts_with("worker `worker-1`: the list of its processes needs the content of testcelery"),
            "{error}"
        );
        assert!(error.ends_with("No module named 'testcelery')"), "{error}");
    }

    #[tokio::test]
    async fn processes_and_filters() {
        let json = r#"[
            {"pid": 9, "ppid": 1, "name": "celery", "username": "celery", "cmdline": ["celery", "worker"], "cpu_percent": 120.5,
             "memory_percent": 1.25, "create_time": 1700000000.25},
            {"pid": 1, "ppid": 0, "name": "python", "username": "10001", "cmdline": [], "cpu_percent": 0.0, "memory_percent": 0.0,
             "create_time": 1700000000}
        ]"#;
        let worker: Arc<dyn Worker> = FakeContainer::answering(0, json, "").node();
        let processes = worker.processes().await.unwrap();
        assert_eq!(processes.pids(), [1, 9]);
        let celery = &processes[1];
        assert_eq!((celery.user.as_str(), celery.parent, celery.cpu_percent), ("celery", 1, 120.5));
        let elapsed = celery.started.duration_since(SystemTime::UNIX_EPOCH).unwrap();
        assert_eq!(elapsed.as_millis(), 1_700_000_000_250);
        assert_eq!(processes.named("python").pids(), [1]);
        assert_eq!(processes.containing("celery worker").pids(), [9]);
        assert_eq!(processes.children_of(1).pids(), [9]);
        assert_eq!(processes.matching(|process| process.memory_percent > 1.0).children_of(0).pids(), [0; 0]);
        let broken = FakeContainer::answering(0, r#"[{"pid": 1}]"#, "").node().processes().await.unwrap_err();
        assert!(broken.source().unwrap().to_string().contains("missing field `ppid`"), "{broken}");
    }
}
