//! The built-in recipe: a worker by its values.

mod container;
mod content;
mod image;
mod recipe;

use testcelery_api::Software;
use testcelery_codegen::PyModule;

use crate::answers::Answers;

/// A Celery worker by its values: any Celery, any Python, your tasks and settings.
///
/// It is the [`WorkerRecipe`](crate::WorkerRecipe) for whoever needs no code to say what the worker is. Mistakes are found when the setup
/// plans, before anything starts.
///
/// | knob | default |
/// |---|---|
/// | [`celery`](Self::celery) | [`DEFAULT_CELERY`](crate::DEFAULT_CELERY) |
/// | [`python`](Self::python) | [`DEFAULT_PYTHON`](crate::DEFAULT_PYTHON) in an image, or the newest that an old Celery runs on; on an engine without images any that it runs on |
/// | [`queue`](Self::queue) | those of the settings `task_queues` or `task_default_queue`, else `celery` |
/// | [`log_level`](Self::log_level) | `INFO` |
/// | [`pool`](Self::pool), [`concurrency`](Self::concurrency) | Celery's: `prefork`, one process per CPU |
/// | [`mingle`](Self::mingle) | off; Celery's own default is on |
/// | [`ready_timeout`](Self::ready_timeout) | 60 s |
///
/// ```
/// use testcelery_codegen::PyModule;
/// use testcelery_worker::Worker;
///
/// let worker = Worker::default()
///     .named("fast")
///     .tasks(PyModule::file("tests/tasks.py"))
///     .queue("fast")
///     .concurrency(1)
///     .config("task_acks_late", true)
///     .arg("--without-heartbeat");
/// ```
#[derive(Debug, Clone, Default)]
pub struct Worker {
    answers: Answers,
    modules: Vec<(String, PyModule)>,
    software: Option<Software>,
}

impl Worker {
    /// Names it. The name is its host name too, so that Celery calls it `name@name`; without one the setup chooses.
    #[must_use]
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.answers.name = Some(name.into());
        self
    }

    /// Consumes from a queue, besides those that were named before. The first one replaces the default.
    #[must_use]
    pub fn queue(mut self, queue: impl Into<String>) -> Self {
        self.answers.queues.push(queue.into());
        self
    }

    /// Consumes from these queues and no others; none of them is the default again.
    #[must_use]
    pub fn queues<S: Into<String>>(mut self, queues: impl IntoIterator<Item = S>) -> Self {
        self.answers.queues = queues.into_iter().map(Into::into).collect();
        self
    }

    /// Sets the log level: `DEBUG`, `INFO`, `WARNING`, `ERROR`, `CRITICAL` or `FATAL`, in any case. It is ready all the same.
    #[must_use]
    pub fn log_level(mut self, level: impl Into<String>) -> Self {
        self.answers.log_level = level.into();
        self
    }

    /// Sets how many processes or threads run tasks.
    #[must_use]
    pub fn concurrency(mut self, concurrency: u32) -> Self {
        self.answers.concurrency = Some(concurrency);
        self
    }

    /// Sets the pool: `prefork`, `solo`, `threads`, `gevent`, `eventlet`, `processes` or `custom`. The package that it needs is
    /// installed.
    #[must_use]
    pub fn pool(mut self, pool: impl Into<String>) -> Self {
        self.answers.pool = Some(pool.into());
        self
    }

    /// Whether it asks other workers for revoked tasks and clocks when it starts. Off by default, where Celery has it on: it waits a whole
    /// second for answers, and the workers of a fresh stack have nothing to tell each other.
    #[must_use]
    pub fn mingle(mut self, mingle: bool) -> Self {
        self.answers.mingle = mingle;
        self
    }

    /// Adds an argument to `celery worker`, as `--without-heartbeat`. What a method of its own sets is refused.
    #[must_use]
    pub fn arg(mut self, arg: impl Into<String>) -> Self {
        self.answers.args.push(arg.into());
        self
    }

    /// Adds arguments, as [`arg`](Self::arg).
    #[must_use]
    pub fn args<S: Into<String>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.answers.args.extend(args.into_iter().map(Into::into));
        self
    }
}
