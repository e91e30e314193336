//! What a setup is to be.

use std::{sync::Arc, time::Duration};

use testcelery_api::{BackendComponent, BrokerComponent, Engine, WorkerComponent};
use testcelery_client::{StoreFactory, TransportFactory};
use testcelery_worker::Worker;

use crate::{
    IntoWorker, Result, Setup,
    boot::{self, BootFailure},
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

    /// Boots everything, at the same time where it can, and connects the app.
    ///
    /// # Errors
    /// When the recipe cannot work (nothing was started then), or when a part does not become ready (everything is taken away again, and
    /// the error carries the container's last log lines).
    ///
    /// # Cancel safety
    /// Dropping the future takes away whatever it has started, and so does dropping the setup. A process that is killed does neither. Local
    /// processes have a guardian for that; for the containers of a daemon `#[testcelery::test]` has a reaper, and a program of your own the
    /// next run of such a test.
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
