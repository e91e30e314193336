//! What a setup is to be.

use std::{future::Future, sync::Arc, time::Duration};

use testcelery_api::{BackendComponent, BrokerComponent, Engine, WorkerComponent};
use testcelery_client::{StoreFactory, TransportFactory};
use testcelery_codegen::{Config, PyValue};
use testcelery_worker::Worker;

use crate::{
    AppConfig, IntoWorker, Result, Setup, StartPlan,
    boot::{self, BootFailure},
    hooks::Hooks,
};

/// The name of the Celery app, unless the builder says otherwise; pytest-celery's default too.
const APP_NAME: &str = "celery_test_app";

/// Describes a stack. Nothing happens before [`start`](Self::start).
///
/// ```no_run
/// use testcelery::prelude::*;
///
/// # async fn example() -> Result<()> {
/// let setup = Setup::builder()
///     .broker(RabbitMq::default())
///     .backend(Redis::default())
///     .worker(Worker::default().queue("fast"))
///     .worker(Worker::default().queue("slow"))
///     .start()
///     .await?;
/// assert_eq!(setup.len(), 4);
/// setup.down().await?;
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct SetupBuilder {
    pub(crate) app_name: String,
    pub(crate) engine: Option<Arc<dyn Engine>>,
    pub(crate) brokers: Vec<Box<dyn BrokerComponent>>,
    pub(crate) backends: Vec<Box<dyn BackendComponent>>,
    pub(crate) rpc: bool,
    pub(crate) workers: Vec<Box<dyn WorkerComponent>>,
    pub(crate) default_worker: bool,
    pub(crate) transports: Vec<Arc<dyn TransportFactory>>,
    pub(crate) stores: Vec<Arc<dyn StoreFactory>>,
    pub(crate) result_timeout: Option<Duration>,
    pub(crate) settings: Config,
    pub(crate) hooks: Hooks,
}

impl SetupBuilder {
    pub(crate) fn new() -> Self {
        Self {
            app_name: APP_NAME.to_owned(),
            engine: None,
            brokers: Vec::new(),
            backends: Vec::new(),
            rpc: false,
            workers: Vec::new(),
            default_worker: true,
            transports: Vec::new(),
            stores: Vec::new(),
            result_timeout: None,
            settings: Config::new(),
            hooks: Hooks::default(),
        }
    }

    /// Names the Celery app, on both sides; `celery_test_app` by default.
    #[must_use]
    pub fn app_name(mut self, name: impl Into<String>) -> Self {
        self.app_name = name.into();
        self
    }

    /// Runs the stack on an engine; by default on that of [`Engine::auto`](crate::Engine::auto).
    #[must_use]
    pub fn engine(mut self, engine: Arc<dyn Engine>) -> Self {
        self.engine = Some(engine);
        self
    }

    /// Adds a broker. Several are a failover list for the workers, in this order; the app takes the first that answers when it connects, and
    /// stays with it.
    #[must_use]
    pub fn broker(mut self, broker: impl BrokerComponent + 'static) -> Self {
        self.brokers.push(Box::new(broker));
        self
    }

    /// Adds a result backend. Workers and app use the first; without any, results are disabled.
    #[must_use]
    pub fn backend(mut self, backend: impl BackendComponent + 'static) -> Self {
        self.backends.push(Box::new(backend));
        self
    }

    /// Takes results through the broker itself (`rpc://`) instead of a backend.
    #[must_use]
    pub fn rpc(mut self) -> Self {
        self.rpc = true;
        self
    }

    /// Adds a worker: a [`Worker`], or a type of your own. Without any there is one `Worker::default()`.
    #[must_use]
    pub fn worker<Kind>(mut self, worker: impl IntoWorker<Kind>) -> Self {
        self.workers.push(worker.into_worker());
        self
    }

    /// Adds any number of workers of one type, none included: then there is no default one either. Workers of several types take several
    /// calls, or boxes.
    ///
    /// ```
    /// use testcelery::prelude::*;
    ///
    /// let shards = (0..3).map(|shard| Worker::default().queue(format!("shard-{shard}")));
    /// let builder = Setup::builder()
    ///     .broker(Redis::default())
    ///     .workers(shards)
    ///     .worker(Worker::default());
    /// ```
    #[must_use]
    pub fn workers<Kind, W: IntoWorker<Kind>>(mut self, workers: impl IntoIterator<Item = W>) -> Self {
        self.workers.extend(workers.into_iter().map(IntoWorker::into_worker));
        self.default_worker = false;
        self
    }

    /// Runs no worker, not even the default one.
    #[must_use]
    pub fn without_workers(mut self) -> Self {
        self.workers.clear();
        self.default_worker = false;
        self
    }

    /// Lets the app speak more broker URL schemes than `amqp` and `redis`.
    #[must_use]
    pub fn transport(mut self, factory: impl TransportFactory + 'static) -> Self {
        self.transports.push(Arc::new(factory));
        self
    }

    /// Lets the app speak more result backend URL schemes than `redis`, `cache+memcached` and `rpc`.
    #[must_use]
    pub fn store(mut self, factory: impl StoreFactory + 'static) -> Self {
        self.stores.push(Arc::new(factory));
        self
    }

    /// Sets how long `get()` waits for a result; 60 s by default.
    #[must_use]
    pub fn result_timeout(mut self, timeout: Duration) -> Self {
        self.result_timeout = Some(timeout);
        self
    }

    /// Sets one of Celery's settings, for every worker of ours and for the app on the test's side; a later value for a key replaces the
    /// earlier one, and what a worker says for itself wins. See [`Config::set`] and [`AppConfig`].
    #[must_use]
    pub fn config(mut self, key: impl Into<String>, value: impl Into<PyValue>) -> Self {
        self.settings = self.settings.set(key, value);
        self
    }

    /// Adds settings, as [`config`](Self::config); they win over those that are there.
    #[must_use]
    pub fn configure(mut self, settings: Config) -> Self {
        self.settings = self.settings.merge(settings);
        self
    }

    /// Lets a function change the app's configuration after it is made and before anybody uses it. Several run in the order in which they
    /// were added, here as with the other hooks. A panic is [`Error::Hook`](crate::Error::Hook), and nothing is started.
    ///
    /// ```
    /// use testcelery::prelude::*;
    ///
    /// let builder = Setup::builder().broker(Redis::default()).update_app_config(|config| {
    ///     let name = format!("{}-{}", config.name, config.broker_urls().len());
    ///     config.name = name;
    ///     config.set("task_acks_late", true);
    /// });
    /// ```
    #[must_use]
    pub fn update_app_config(mut self, hook: impl FnOnce(&mut AppConfig) + Send + 'static) -> Self {
        self.hooks.update_app_config.push(Box::new(hook));
        self
    }

    /// Lets a function change what is planned, before the engine hears of it: commands, variables, mounts. An error or a panic is
    /// [`Error::Hook`](crate::Error::Hook), and nothing is started. See [`StartPlan`] for an example.
    #[must_use]
    pub fn before_start(
        mut self,
        hook: impl FnOnce(&mut StartPlan<'_>) -> Result<()> + Send + 'static,
    ) -> Self {
        self.hooks.before_start.push(Box::new(hook));
        self
    }

    /// Runs something when the stack is up, before the test gets it. The first error or panic is [`Error::Hook`](crate::Error::Hook) of the
    /// start: no further hook of this kind runs, and everything is taken away with the evidence of a failed boot.
    ///
    /// ```no_run
    /// use testcelery::prelude::*;
    ///
    /// # async fn example() -> Result<()> {
    /// let builder = Setup::builder().broker(Redis::default()).after_start(async |setup| {
    ///     setup.app().task("testcelery.tasks.noop").send().await?;
    ///     Ok(())
    /// });
    /// # builder.start().await?.down().await }
    /// ```
    #[must_use]
    pub fn after_start<Fut>(mut self, hook: impl FnOnce(Setup) -> Fut + Send + 'static) -> Self
    where
        Fut: Future<Output = Result<()>> + Send + 'static,
    {
        self.hooks.after_start.push_async(hook);
        self
    }

    /// Runs something before the stack is taken down, while it still works, also after a test that failed. Every hook of this kind runs,
    /// whatever became of those before it; their errors and panics are reported by [`Setup::down`], and stop nothing. A stack that is
    /// dropped instead goes without them.
    #[must_use]
    pub fn before_down<Fut>(mut self, hook: impl FnOnce(Setup) -> Fut + Send + 'static) -> Self
    where
        Fut: Future<Output = Result<()>> + Send + 'static,
    {
        self.hooks.before_down.push_async(hook);
        self
    }

    /// Boots everything, at the same time where it can, and connects the app.
    ///
    /// # Errors
    /// When the recipe cannot work (nothing was started then), or when a part does not become ready (everything is taken away again, and
    /// the error carries the container's last log lines).
    ///
    /// # Cancel safety
    /// Dropping the future removes whatever it has started, and so does dropping the setup. A process that is killed, that exits, or that forgets
    /// the setup does neither. Local processes have a guardian for that. For the containers of a daemon `#[testcelery::test]` has a reaper; what
    /// another program leaves is removed by the next run of any program that uses testcelery on that daemon.
    pub async fn start(self) -> Result<Setup> {
        self.boot().await.map_err(|failure| failure.error)
    }

    /// The engine, chosen now where none was named.
    pub(crate) async fn chosen_engine(&mut self) -> Result<Arc<dyn Engine>> {
        let engine = match &self.engine {
            Some(engine) => Arc::clone(engine),
            None => crate::Engine::auto().await?,
        };
        self.engine = Some(Arc::clone(&engine));
        Ok(engine)
    }

    pub(crate) async fn boot(mut self) -> Result<Setup, BootFailure> {
        if self.workers.is_empty() && self.default_worker {
            self.workers.push(Worker::default().into_worker());
        }
        boot::boot(&mut self).await
    }
}
