//! The one thing that a test receives.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use testcelery_api::{Backend, Broker, Cluster, Container, Logs, Network, Worker};
use testcelery_client::App;

use crate::{
    Error, Ready, Result, SetupBuilder,
    hooks::{BEFORE_DOWN, Chain, OnSetup},
    kept_errors::KeptErrors,
    ready,
};

/// The task that [`Setup::ping`] sends: one of the default tasks of every worker of ours.
const PING_TASK: &str = "testcelery.tasks.ping";

/// How long the app's connections get for closing in order.
const GOODBYE: Duration = Duration::from_secs(2);

/// A running stack: brokers, result backends, workers and the app that is connected to them.
///
/// Cloning gives another handle of the same stack. [`down`](Self::down) takes it away; a stack whose last handle is dropped goes away too.
#[derive(Debug, Clone)]
pub struct Setup {
    inner: Arc<Inner>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    app: App,
    brokers: Cluster<dyn Broker>,
    backends: Cluster<dyn Backend>,
    workers: Cluster<dyn Worker>,
    network: Arc<dyn Network>,
    components: Duration,
    before_down: Chain<OnSetup>,
    errors: KeptErrors,
    is_down: AtomicBool,
}

impl Inner {
    pub(crate) fn new(
        app: App,
        brokers: Cluster<dyn Broker>,
        backends: Cluster<dyn Backend>,
        workers: Cluster<dyn Worker>,
        network: Arc<dyn Network>,
        components: Duration,
        before_down: Chain<OnSetup>,
    ) -> Self {
        let (errors, is_down) = (KeptErrors::default(), AtomicBool::new(false));
        Self { app, brokers, backends, workers, network, components, before_down, errors, is_down }
    }

    /// Adds where the app keeps the errors of its results.
    pub(crate) fn errors(mut self, errors: KeptErrors) -> Self {
        self.errors = errors;
        self
    }
}

impl Setup {
    /// Describes a stack.
    pub fn builder() -> SetupBuilder {
        SetupBuilder::new()
    }

    pub(crate) fn new(inner: Inner) -> Self {
        Self { inner: Arc::new(inner) }
    }

    /// The Celery app on the test's side.
    pub fn app(&self) -> &App {
        &self.inner.app
    }

    /// The brokers, in the order of the builder.
    pub fn brokers(&self) -> &Cluster<dyn Broker> {
        &self.inner.brokers
    }

    /// The result backends, in the order of the builder; empty with `rpc` and with results disabled.
    pub fn backends(&self) -> &Cluster<dyn Backend> {
        &self.inner.backends
    }

    /// The workers, in the order of the builder.
    pub fn workers(&self) -> &Cluster<dyn Worker> {
        &self.inner.workers
    }

    /// How many containers there are: as many as nodes, but that a container of two nodes counts once.
    pub fn len(&self) -> usize {
        self.containers().len()
    }

    /// Whether there are no containers.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Sends the task `testcelery.tasks.ping` to the first worker's first queue, or to the app's default queue if it says none, and returns its answer: `pong`.
    ///
    /// # Errors
    /// When there is no worker, or the answer does not come.
    pub async fn ping(&self) -> Result<String> {
        let Some(worker) = self.inner.workers.first() else {
            return Err(Error::Setup("there is no worker to ping".to_owned()));
        };
        self.ping_queue(worker.queues().first().map_or(self.app().default_queue(), String::as_str)).await
    }

    pub(crate) async fn ping_queue(&self, queue: &str) -> Result<String> {
        Ok(self.inner.app.task(PING_TASK).queue(queue).send().await?.get().await?)
    }

    /// Confirms in three ways that the stack works: every container is ready, every worker answers a control ping, and every queue answers
    /// the ping task. A started setup has the first already.
    ///
    /// Every confirmation has a limit: the ready timeout of each container (60 s by default), 10 s for the control pings (20 s where the
    /// reason of a silence is looked for), and the app's result timeout for the tasks (60 s by default).
    ///
    /// # Errors
    /// The first confirmation that fails.
    pub async fn ready(&self) -> Result<()> {
        self.confirm(Ready::all()).await
    }

    /// Confirms in some of the ways of [`ready`](Self::ready).
    ///
    /// # Errors
    /// The first confirmation that fails.
    pub async fn confirm(&self, ready: Ready) -> Result<()> {
        ready::confirm(self, ready).await
    }

    /// Runs the hooks of [`SetupBuilder::before_down`], which have no limit but their own, closes the app's connections and removes every container and the network, whatever
    /// becomes of the hooks. Doing it twice is no error.
    ///
    /// # Errors
    /// [`Error::Down`] with everything that could not be removed and every hook that failed.
    pub async fn down(&self) -> Result<()> {
        if self.inner.is_down.swap(true, Ordering::SeqCst) {
            return Ok(());
        }
        let hooks = self.before_down().await;
        let mut failures: Vec<String> = hooks.iter().map(|error| report(error)).collect();
        let removed = self.remove().await;
        // What is left can be tried again.
        self.inner.is_down.store(removed.is_empty(), Ordering::SeqCst);
        failures.extend(removed);
        if failures.is_empty() { Ok(()) } else { Err(Error::Down(failures.join("\n"))) }
    }

    /// Runs the hooks that have to run before anything is closed, unless they have run, and returns how they failed.
    pub(crate) async fn before_down(&self) -> Vec<Error> {
        self.inner.before_down.run_all(BEFORE_DOWN, self).await
    }

    /// Takes everything away, and says what could not be.
    async fn remove(&self) -> Vec<String> {
        let containers: Vec<_> = self.containers().into_iter().cloned().collect();
        let removals = futures_util::future::join_all(containers.iter().map(|container| container.remove()));
        // The app says good-bye while the servers die. One that is dead already may never answer, and nobody needs its answer.
        let goodbye = tokio::time::timeout(GOODBYE, self.inner.app.close());
        let (removed, said) = futures_util::future::join(removals, goodbye).await;
        if said.is_err() {
            tracing::debug!("a server did not answer the app's good-bye within {GOODBYE:?}");
        }
        let mut failures: Vec<String> =
            removed.into_iter().filter_map(Result::err).map(|error| report(&error)).collect();
        if let Err(error) = self.inner.network.remove().await {
            failures.push(report(&error));
        }
        failures
    }

    /// Every container once, also where it is two nodes.
    pub(crate) fn containers(&self) -> Vec<&Arc<dyn Container>> {
        let Inner { brokers, backends, workers, .. } = &*self.inner;
        let brokers = brokers.iter().map(|node| node.container());
        let backends = backends.iter().map(|node| node.container());
        let mut containers: Vec<&Arc<dyn Container>> = Vec::new();
        for container in brokers.chain(backends).chain(workers.iter().map(|node| node.container())) {
            if containers.iter().all(|known| known.id() != container.id()) {
                containers.push(container);
            }
        }
        containers
    }

    /// How long any of the containers booted by itself.
    pub(crate) fn components_booted(&self) -> Duration {
        self.inner.components
    }

    pub(crate) fn errors(&self) -> &KeptErrors {
        &self.inner.errors
    }

    pub(crate) fn all_logs(&self) -> Vec<Logs> {
        self.containers().into_iter().map(|container| container.logs().clone()).collect()
    }
}

fn report(error: &dyn std::error::Error) -> String {
    let mut text = format!("  {error}");
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(&format!(": {error}"));
        source = error.source();
    }
    text
}
