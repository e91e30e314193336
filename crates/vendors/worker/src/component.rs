//! The recipe for a worker.

use testcelery_api::{Image, Secret};
use testcelery_codegen::{InitialContent, PyModule, PyValue};

use crate::DEFAULT_CELERY;

/// The queue that Celery's `task_default_queue` names, and that a worker consumes from unless it is told others.
const DEFAULT_QUEUE: &str = "celery";

/// A Celery worker in an image of its own: any Celery, any Python, your tasks and settings.
///
/// What it says is what runs, and what the running [`CeleryWorker`](crate::CeleryWorker) reports. Mistakes are found when the setup
/// plans, before anything starts.
///
/// | knob | default |
/// |---|---|
/// | [`celery`](Self::celery) | [`DEFAULT_CELERY`] |
/// | [`python`](Self::python) | [`DEFAULT_PYTHON`](crate::DEFAULT_PYTHON) in an image; on an engine without images the machine's own |
/// | [`queue`](Self::queue) | `celery` |
/// | [`log_level`](Self::log_level) | `INFO` |
/// | [`pool`](Self::pool), [`concurrency`](Self::concurrency) | Celery's: `prefork`, one process per CPU |
/// | [`mingle`](Self::mingle) | off; Celery's own default is on |
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
#[derive(Debug, Clone)]
pub struct Worker {
    pub(crate) name: Option<String>,
    pub(crate) celery: String,
    /// `None` is [`DEFAULT_PYTHON`] in an image, and any that fits elsewhere.
    pub(crate) python: Option<String>,
    pub(crate) base: Option<Image>,
    pub(crate) extras: Vec<String>,
    pub(crate) requirements: Vec<String>,
    pub(crate) queues: Vec<String>,
    /// Whether `queues` still is the default.
    default_queue: bool,
    pub(crate) log_level: String,
    pub(crate) concurrency: Option<u32>,
    pub(crate) pool: Option<String>,
    pub(crate) mingle: bool,
    pub(crate) args: Vec<String>,
    pub(crate) env: Vec<(String, Secret)>,
    pub(crate) content: InitialContent,
}

impl Default for Worker {
    fn default() -> Self {
        Self {
            name: None,
            celery: DEFAULT_CELERY.to_owned(),
            python: None,
            base: None,
            extras: Vec::new(),
            requirements: Vec::new(),
            queues: vec![DEFAULT_QUEUE.to_owned()],
            default_queue: true,
            log_level: "INFO".to_owned(),
            concurrency: None,
            pool: None,
            mingle: false,
            args: Vec::new(),
            env: Vec::new(),
            content: InitialContent::default(),
        }
    }
}

impl Worker {
    /// Names it. The name is its host name too, so that Celery calls it `name@name`; without one the setup chooses.
    #[must_use]
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Sets the version of Celery, as `5.4.0`. Kombu and others that go with it are pinned where that version needs it.
    #[must_use]
    pub fn celery(mut self, version: impl Into<String>) -> Self {
        self.celery = version.into();
        self
    }

    /// Sets the version of Python, as `3.12`: the official image of that version, or such a Python of the machine.
    #[must_use]
    pub fn python(mut self, version: impl Into<String>) -> Self {
        self.python = Some(version.into());
        self
    }

    /// Starts the image from another one that has `python` and `pip` on its path, instead of the official one.
    #[must_use]
    pub fn base(mut self, image: Image) -> Self {
        self.base = Some(image);
        self
    }

    /// Adds a package, as pip's requirement: `pydantic==2.11.7`.
    #[must_use]
    pub fn requirement(mut self, requirement: impl Into<String>) -> Self {
        self.requirements.push(requirement.into());
        self
    }

    /// Adds extras of Celery, as `msgpack`. It always has `redis` and `pymemcache`, and those of its pool.
    #[must_use]
    pub fn extras<S: Into<String>>(mut self, extras: impl IntoIterator<Item = S>) -> Self {
        self.extras.extend(extras.into_iter().map(Into::into));
        self
    }

    /// Consumes from a queue, besides those that were named before. The first one replaces the default.
    #[must_use]
    pub fn queue(mut self, queue: impl Into<String>) -> Self {
        if self.default_queue {
            self.queues.clear();
        }
        self.default_queue = false;
        self.queues.push(queue.into());
        self
    }

    /// Consumes from these queues and no others.
    #[must_use]
    pub fn queues<S: Into<String>>(mut self, queues: impl IntoIterator<Item = S>) -> Self {
        self.default_queue = false;
        self.queues = queues.into_iter().map(Into::into).collect();
        self
    }

    /// Sets the log level: `DEBUG`, `INFO`, `WARNING`, `ERROR`, `CRITICAL` or `FATAL`, in any case. It is ready all the same.
    #[must_use]
    pub fn log_level(mut self, level: impl Into<String>) -> Self {
        self.log_level = level.into().to_uppercase();
        self
    }

    /// Sets how many processes or threads run tasks.
    #[must_use]
    pub fn concurrency(mut self, concurrency: u32) -> Self {
        self.concurrency = Some(concurrency);
        self
    }

    /// Sets the pool: `prefork`, `solo`, `threads`, `gevent`, `eventlet`, `processes` or `custom`. The package that it needs is
    /// installed.
    #[must_use]
    pub fn pool(mut self, pool: impl Into<String>) -> Self {
        self.pool = Some(pool.into());
        self
    }

    /// Whether it asks other workers for revoked tasks and clocks when it starts. Off by default, where Celery has it on: it waits a whole
    /// second for answers, and the workers of a fresh stack have nothing to tell each other.
    #[must_use]
    pub fn mingle(mut self, mingle: bool) -> Self {
        self.mingle = mingle;
        self
    }

    /// Adds an argument to `celery worker`, as `--without-heartbeat`. What a method of its own sets is refused.
    #[must_use]
    pub fn arg(mut self, arg: impl Into<String>) -> Self {
        self.args.push(arg.into());
        self
    }

    /// Adds arguments, as [`arg`](Self::arg).
    #[must_use]
    pub fn args<S: Into<String>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// Adds an environment variable; a later one of the same name wins. Values are never shown.
    #[must_use]
    pub fn env(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.env.push((key.into(), Secret::new(value)));
        self
    }

    /// Adds a module with tasks.
    #[must_use]
    pub fn tasks(mut self, module: PyModule) -> Self {
        self.content = self.content.tasks(module);
        self
    }

    /// Adds a module to a group of any other name, as `signals`; see [`InitialContent::module`].
    #[must_use]
    pub fn module(mut self, group: impl Into<String>, module: PyModule) -> Self {
        self.content = self.content.module(group, module);
        self
    }

    /// Sets one of Celery's settings by its lower-case name. Brokers and result backend are the setup's.
    #[must_use]
    pub fn config(mut self, key: impl Into<String>, value: impl Into<PyValue>) -> Self {
        self.content = self.content.config(key, value);
        self
    }
}
