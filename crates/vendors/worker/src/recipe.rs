//! What a worker is: every knob of it with its default.

use std::{fmt, time::Duration};

use testcelery_api::{
    DEFAULT_READY_TIMEOUT, Image, Mount, Port, Result, Software, Wait, WorkerContext, WorkerPlan,
};
use testcelery_codegen::{Config, InitialContent, PyModule};

use crate::{DEFAULT_CELERY, Debugpy, Dockerfile, plan};

/// What the component and its node are called.
const KIND: &str = "celery";

/// A Celery worker, knob by knob: a worker of your own overrides those that differ.
///
/// What it says is what runs, and what the running [`CeleryWorker`](crate::CeleryWorker) reports. Every method is asked once when the setup
/// plans; mistakes are found there, before anything starts. [`Worker`](crate::Worker) is the implementation for those who only set values.
///
/// ```
/// use testcelery_worker::WorkerRecipe;
///
/// #[derive(Debug)]
/// struct MyWorker;
///
/// impl WorkerRecipe for MyWorker {
///     fn name(&self) -> Option<String> {
///         Some("my-worker".into())
///     }
///
///     fn queues(&self) -> Vec<String> {
///         vec!["myworker".into()]
///     }
///
///     fn command(&self, mut default: Vec<String>) -> Vec<String> {
///         default.push("--without-heartbeat".into());
///         default
///     }
/// }
/// ```
pub trait WorkerRecipe: Send + Sync + fmt::Debug + 'static {
    /// What kind it is, as the node reports it: `celery`.
    fn kind(&self) -> String {
        KIND.to_owned()
    }

    /// Its name in the setup, and its host name: Celery calls it `name@name`. By default the setup chooses, as `worker-1`.
    fn name(&self) -> Option<String> {
        None
    }

    /// The version of Celery: [`DEFAULT_CELERY`].
    fn version(&self) -> String {
        DEFAULT_CELERY.to_owned()
    }

    /// `DEBUG`, `INFO` (default), `WARNING`, `ERROR`, `CRITICAL` or `FATAL`, in any case. It is ready all the same.
    fn log_level(&self) -> String {
        "INFO".to_owned()
    }

    /// The queues that it consumes from. None is what plain `celery worker` has: those of the setting `task_queues`, else that of
    /// `task_default_queue`, else `celery`; with an app of its own whatever that app's settings say, which the running node reports.
    fn queues(&self) -> Vec<String> {
        Vec::new()
    }

    /// The pool: `prefork`, `solo`, `threads`, `gevent`, `eventlet`, `processes` or `custom`. By default Celery's, which is `prefork`.
    fn pool(&self) -> Option<String> {
        None
    }

    /// How many processes or threads run tasks. By default Celery's: one per CPU.
    fn concurrency(&self) -> Option<u32> {
        None
    }

    /// Whether it asks other workers for revoked tasks and clocks when it starts. Off, where Celery has it on: it waits a whole second for
    /// answers, and the workers of a fresh stack have nothing to tell each other.
    fn mingle(&self) -> bool {
        false
    }

    /// More arguments of `celery worker`, as `--without-heartbeat`. What another method says is refused here.
    fn args(&self) -> Vec<String> {
        Vec::new()
    }

    /// The whole command. It gets the one that the other answers make, and may change it; arguments that would make a lie of the other
    /// answers are refused. A command that does not start with what begins early (`python -m testcelery.boot ..`) is run when the brokers
    /// and backends are ready.
    fn command(&self, default: Vec<String>) -> Vec<String> {
        default
    }

    /// The version of Python, as `3.12`. By default [`DEFAULT_PYTHON`](crate::DEFAULT_PYTHON) in an image, or the newest that an old Celery
    /// runs on; on an engine without images any of the machine's that Celery runs on.
    fn python(&self) -> Option<String> {
        None
    }

    /// The image to start from, with `python` and `pip` on its path. By default the official one of the version of Python.
    fn base(&self) -> Option<Image> {
        None
    }

    /// A Dockerfile of your own, instead of the one that installs Celery and what else the recipe names. It has to install what the worker
    /// needs; [`version`](Self::version) may then be any text.
    fn dockerfile(&self) -> Option<Dockerfile> {
        None
    }

    /// An image that is there already, instead of one that is built. As with [`dockerfile`](Self::dockerfile), it has to hold what the worker
    /// needs.
    fn image(&self) -> Option<Image> {
        None
    }

    /// Extras of Celery, as `msgpack`, besides `redis`, `pymemcache` and those of the pool.
    fn extras(&self) -> Vec<String> {
        Vec::new()
    }

    /// More packages, each as pip's requirement: `pydantic==2.11.7`.
    fn requirements(&self) -> Vec<String> {
        Vec::new()
    }

    /// What an image of your own, or one on a base of your own, holds, for engines that run processes and not images. It gets what an image
    /// of ours would hold with these versions and requirements. By default nobody knows, and such an engine refuses the worker.
    fn software(&self, _built_in: Software) -> Option<Software> {
        None
    }

    /// A module that builds a Celery app of its own, in place of our `app.py`; see [`InitialContent::app`].
    fn app_module(&self) -> Option<PyModule> {
        None
    }

    /// A module in place of our `utils.py`; see [`InitialContent::utils`].
    fn utils_module(&self) -> Option<PyModule> {
        None
    }

    /// Modules with tasks.
    fn tasks(&self) -> Vec<PyModule> {
        Vec::new()
    }

    /// Modules with handlers of signals.
    fn signals(&self) -> Vec<PyModule> {
        Vec::new()
    }

    /// Settings of Celery, which win over those of the setup. Brokers and result backend are the setup's.
    fn config(&self) -> Config {
        Config::new()
    }

    /// What its `/app` holds. It gets the content so far, and may change it.
    fn content(&self, content: InitialContent) -> InitialContent {
        content
    }

    /// Environment variables; a later one of the same name wins. Values are never shown.
    fn env(&self) -> Vec<(String, String)> {
        Vec::new()
    }

    /// The user to run as, as `1000` or `1000:1000`. By default the image's own.
    fn user(&self) -> Option<String> {
        None
    }

    /// What it sees of the host, or of memory.
    fn mounts(&self) -> Vec<Mount> {
        Vec::new()
    }

    /// Ports that are offered to the test.
    fn ports(&self) -> Vec<Port> {
        Vec::new()
    }

    /// The most memory that it gets, in bytes. No limit by default.
    fn memory_limit(&self) -> Option<u64> {
        None
    }

    /// Whether a small init process reaps its zombies: no.
    fn init(&self) -> bool {
        false
    }

    /// A debugger; none by default.
    fn debugpy(&self) -> Option<Debugpy> {
        None
    }

    /// The name of the result backend that it uses, where the setup has several. By default the first.
    fn backend(&self) -> Option<String> {
        None
    }

    /// When it is ready. It gets the default: Celery's `worker_ready` has fired.
    fn waits(&self, default: Vec<Wait>) -> Vec<Wait> {
        default
    }

    /// How long it may take to become ready: [`DEFAULT_READY_TIMEOUT`], 60 s.
    fn ready_timeout(&self) -> Duration {
        DEFAULT_READY_TIMEOUT
    }

    /// Decides everything about the container, from the answers above. Reads the sources that go into it; starts nothing.
    ///
    /// # Errors
    /// When an answer cannot work.
    fn plan(&self, context: &WorkerContext) -> Result<WorkerPlan> {
        plan::plan(self, context)
    }
}
