//! One call of a task, before it is sent.

use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::{
    App, AsyncResult, Error, Result,
    json::{self, Refusal},
    protocol::{Shape, TaskMessage},
    publish::publish,
};

/// The queue of a call that names none, unless the app has another (the default of Celery's `task_default_queue`).
pub const DEFAULT_QUEUE: &str = "celery";

/// One call of a task, built up and then [sent](Self::send).
///
/// What is wrong with an argument or an option is told by `send`, before anything leaves.
#[derive(Debug)]
#[must_use = "a call does nothing until it is sent"]
pub struct Call {
    app: App,
    queue: String,
    start: Option<Start>,
    expires: Option<Duration>,
    task: TaskMessage,
    problem: Option<Error>,
}

#[derive(Debug, Clone, Copy)]
enum Start {
    After(Duration),
    At(SystemTime),
}

impl Call {
    pub(crate) fn new(app: App, task: String) -> Self {
        Self {
            queue: app.default_queue().to_owned(),
            app,
            start: None,
            expires: None,
            task: TaskMessage { task, id: Uuid::new_v4().hyphenated().to_string(), ..TaskMessage::default() },
            problem: None,
        }
    }

    /// Sets the positional arguments: anything that serialises as a sequence, as a tuple, a `Vec` or a slice. One argument is `(value,)`,
    /// none is `()`.
    pub fn args<A: Serialize>(mut self, args: A) -> Self {
        match json::to_value("args", &args) {
            Ok(Value::Array(args)) => self.task.args = args,
            Ok(Value::Null) => self.task.args = Vec::new(),
            Ok(other) => {
                let reason = format!(
                    "positional arguments are a sequence, this is {}; one argument is written `(value,)`",
                    kind(&other)
                );
                self.refuse(Refusal { argument: "args".to_owned(), reason });
            }
            Err(refusal) => self.refuse(refusal),
        }
        self
    }

    /// Sets the keyword arguments: a map or a struct.
    pub fn kwargs<K: Serialize>(mut self, kwargs: K) -> Self {
        match json::to_value("kwargs", &kwargs) {
            Ok(Value::Object(kwargs)) => self.task.kwargs = kwargs,
            Ok(Value::Null) => self.task.kwargs = Map::new(),
            Ok(other) => {
                let reason = format!("keyword arguments are a map or a struct, this is {}", kind(&other));
                self.refuse(Refusal { argument: "kwargs".to_owned(), reason });
            }
            Err(refusal) => self.refuse(refusal),
        }
        self
    }

    /// Adds one keyword argument.
    pub fn kwarg<V: Serialize>(mut self, name: impl Into<String>, value: V) -> Self {
        let name = name.into();
        match json::to_value(&format!("kwargs[{name:?}]"), &value) {
            Ok(value) => drop(self.task.kwargs.insert(name, value)),
            Err(refusal) => self.refuse(refusal),
        }
        self
    }

    /// Sends it to a queue other than the app's default one.
    pub fn queue(mut self, queue: impl Into<String>) -> Self {
        self.queue = queue.into();
        self
    }

    /// Lets the worker begin no earlier than so long after it was sent. Replaces [`eta`](Self::eta).
    pub fn countdown(mut self, countdown: Duration) -> Self {
        self.start = Some(Start::After(countdown));
        self
    }

    /// Lets the worker begin no earlier than at a time. Replaces [`countdown`](Self::countdown).
    pub fn eta(mut self, eta: impl Into<SystemTime>) -> Self {
        self.start = Some(Start::At(eta.into()));
        self
    }

    /// Lets the worker drop it when so much time has passed since it was sent; its state is then REVOKED. RabbitMQ drops it from the queue
    /// by itself, and then its state stays PENDING.
    pub fn expires(mut self, after: Duration) -> Self {
        self.expires = Some(after);
        self
    }

    /// Sets its priority, 0 to 255. RabbitMQ takes the highest first, from queues that have an `x-max-priority`; Redis takes the lowest
    /// first, in steps of 0, 3, 6 and 9. Default: 0.
    pub fn priority(mut self, priority: u8) -> Self {
        self.task.priority = Some(priority);
        self
    }

    /// Adds a header of the user's own, which the task finds in `self.request.headers`. The names of the protocol are refused.
    pub fn header<V: Serialize>(mut self, name: impl Into<String>, value: V) -> Self {
        let name = name.into();
        if Shape::of(&name).is_some() {
            let problem = format!("`{name}` is a header of the protocol itself");
            self.wrong("header", problem);
            return self;
        }
        match json::to_value(&format!("headers[{name:?}]"), &value) {
            Ok(value) => drop(self.task.headers.insert(name, value)),
            Err(refusal) => self.refuse(refusal),
        }
        self
    }

    /// Sets its id; a random UUID unless said otherwise.
    pub fn task_id(mut self, id: impl Into<String>) -> Self {
        self.task.id = id.into();
        self
    }

    /// Sets the task option `ignore_result` for this call: with `true` the worker stores no result, with `false` it stores one. Default: the
    /// option of the task on the worker. Workers before Celery 5.7 store no result of a task whose own option is on, whatever the call says.
    pub fn ignore_result(mut self, ignore: bool) -> Self {
        self.task.ignore_result = Some(ignore);
        self
    }

    /// Lets the worker kill the process that runs it, after so long.
    pub fn time_limit(mut self, limit: Duration) -> Self {
        self.task.time_limit = Some(limit);
        self
    }

    /// Lets the worker raise `SoftTimeLimitExceeded` inside the task, after so long.
    pub fn soft_time_limit(mut self, limit: Duration) -> Self {
        self.task.soft_time_limit = Some(limit);
        self
    }

    /// Sends it. When this returns, the broker has it, and its result cannot be missed any more.
    ///
    /// Takes 70 s at most: a result backend and a broker that are away, or do not answer, get 35 s each, one after the other.
    ///
    /// # Errors
    /// [`Error::Argument`] and [`Error::Option`] when it makes no sense, [`Error::Handler`] when a handler of a
    /// [signal](crate::Signals) failed and the app is strict about that, [`Error::Broken`] when one made something of it that no worker takes, [`Error::Connection`] when the broker or the
    /// result backend cannot be reached.
    pub async fn send(mut self) -> Result<AsyncResult> {
        if let Some(problem) = self.problem.take() {
            return Err(problem);
        }
        self.validate()?;
        self.fix_times(Timestamp::now())?;
        self.task.reply_to = self.app.reply_to().to_owned();
        publish(&self.app, self.queue, self.task).await
    }

    fn validate(&self) -> Result<()> {
        let task = &self.task;
        for (option, text) in [("task", &task.task), ("task_id", &task.id), ("queue", &self.queue)] {
            if text.is_empty() {
                return Err(self.option(option, "it is empty"));
            }
        }
        for (option, limit) in [("time_limit", task.time_limit), ("soft_time_limit", task.soft_time_limit)] {
            // Workers take zero for no limit at all.
            if limit.is_some_and(|limit| limit.is_zero()) {
                return Err(self.option(option, "it is zero"));
            }
        }
        match (task.soft_time_limit, task.time_limit) {
            (Some(soft), Some(hard)) if soft > hard => {
                let problem = format!("the soft limit of {soft:?} is longer than the hard limit of {hard:?}");
                Err(self.option("soft_time_limit", problem))
            }
            _ => Ok(()),
        }
    }

    /// Turns what was said of time into points of time.
    fn fix_times(&mut self, now: Timestamp) -> Result<()> {
        self.task.eta = match self.start {
            None => None,
            Some(Start::After(countdown)) if countdown.is_zero() => None,
            Some(Start::After(countdown)) => Some(
                now.checked_add(countdown).map_err(|error| self.option("countdown", error.to_string()))?,
            ),
            Some(Start::At(eta)) => {
                Some(Timestamp::try_from(eta).map_err(|error| self.option("eta", error.to_string()))?)
            }
        };
        self.task.expires = match self.expires {
            None => None,
            Some(after) => {
                let at = now.checked_add(after).map_err(|error| self.option("expires", error.to_string()))?;
                Some((at, after))
            }
        };
        Ok(())
    }

    fn option(&self, option: &'static str, problem: impl Into<String>) -> Error {
        Error::Option { task: self.task.task.clone(), option, problem: problem.into() }
    }

    fn wrong(&mut self, option: &'static str, problem: String) {
        let error = self.option(option, problem);
        self.problem.get_or_insert(error);
    }

    fn refuse(&mut self, refusal: Refusal) {
        let error = Error::Argument {
            task: self.task.task.clone(),
            argument: refusal.argument,
            reason: refusal.reason,
        };
        self.problem.get_or_insert(error);
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a sequence",
        Value::Object(_) => "a map",
    }
}
