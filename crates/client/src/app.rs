//! The Celery app on the caller's side.

use std::{fmt, future::Future, pin::Pin, sync::Arc, time::Duration};

use uuid::Uuid;

use crate::{
    AppBuilder, Call, Control, Error, Queues, ResultStore, Signals, Transport, bound::CLOSE_LIMIT,
    signals::Registry,
};

/// A Celery app: publishes tasks, reads their results, asks workers. Clones share its connections.
#[derive(Clone)]
pub struct App {
    inner: Arc<Inner>,
}

type OnError = dyn Fn(&Error) + Send + Sync;

/// The names on the broker that an app and its workers share.
pub(crate) struct Names {
    /// The queue of calls that name none.
    pub(crate) default_queue: String,
    /// How queues are declared.
    pub(crate) queues: Queues,
    /// What the exchanges of remote control begin with.
    pub(crate) control_exchange: String,
}

/// What the surroundings of an app want of it.
#[derive(Clone, Default)]
pub(crate) struct Hooks {
    /// Evidence for a result that does not come.
    pub(crate) on_timeout: Option<Arc<dyn Fn() -> String + Send + Sync>>,
    /// Ends when no worker of a queue is left.
    pub(crate) workers_gone: Option<Arc<WatchWorkers>>,
    /// Sees every error of a result.
    pub(crate) on_error: Option<Arc<OnError>>,
    /// A handler of a signal that fails makes the call fail.
    pub(crate) strict_signals: bool,
}

/// Watches the workers of a queue.
type WatchWorkers = dyn Fn(&str) -> WorkersGone + Send + Sync;

/// Ends when no worker is left, with what is known of them.
pub(crate) type WorkersGone = Pin<Box<dyn Future<Output = String> + Send>>;

struct Inner {
    name: String,
    /// Celery's `oid`: what replies are addressed to where the store has no address of its own.
    oid: String,
    transport: Arc<dyn Transport>,
    store: Option<Arc<dyn ResultStore>>,
    result_timeout: Duration,
    names: Names,
    hooks: Hooks,
    signals: Arc<Registry>,
}

impl App {
    /// Begins an app of a name.
    pub fn builder(name: impl Into<String>) -> AppBuilder {
        AppBuilder::new(name.into())
    }

    pub(crate) fn new(
        name: String,
        transport: Arc<dyn Transport>,
        store: Option<Arc<dyn ResultStore>>,
        result_timeout: Duration,
        names: Names,
        hooks: Hooks,
    ) -> Self {
        let oid = Uuid::new_v4().hyphenated().to_string();
        let signals = Arc::default();
        Self { inner: Arc::new(Inner { name, oid, transport, store, result_timeout, names, hooks, signals }) }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// Begins a call of a task, by the name under which workers know it.
    pub fn task(&self, name: impl Into<String>) -> Call {
        Call::new(self.clone(), name.into())
    }

    /// Commands to workers.
    pub fn control(&self) -> Control {
        Control::new(self.clone())
    }

    /// Signals on the publisher's side: handlers that see every task before and after it is published.
    pub fn signals(&self) -> Signals {
        Signals::new(Arc::clone(&self.inner.signals))
    }

    /// The queue of calls that name none.
    pub fn default_queue(&self) -> &str {
        &self.inner.names.default_queue
    }

    /// The broker's URL without its password.
    pub fn broker_url(&self) -> String {
        self.inner.transport.safe_url()
    }

    /// The result backend's URL without its password; `None` where results are disabled.
    pub fn backend_url(&self) -> Option<String> {
        self.inner.store.as_ref().map(|store| store.safe_url())
    }

    /// Closes the connections and disconnects the handlers of signals, for all clones. Calls after this fail.
    ///
    /// Takes 5 s at most: each of the two connections gets 2.5 s, and what a server does not answer by then is left behind.
    pub async fn close(&self) {
        self.inner.signals.clear();
        if let Some(store) = &self.inner.store {
            closed("result backend", store.close()).await;
        }
        closed("broker", self.inner.transport.close()).await;
    }

    pub(crate) fn control_exchange(&self) -> &str {
        &self.inner.names.control_exchange
    }

    pub(crate) fn queues(&self) -> &Queues {
        &self.inner.names.queues
    }

    pub(crate) fn transport(&self) -> &Arc<dyn Transport> {
        &self.inner.transport
    }

    pub(crate) fn registry(&self) -> &Registry {
        &self.inner.signals
    }

    pub(crate) fn store(&self) -> Option<&Arc<dyn ResultStore>> {
        self.inner.store.as_ref()
    }

    pub(crate) fn result_timeout(&self) -> Duration {
        self.inner.result_timeout
    }

    pub(crate) fn reply_to(&self) -> &str {
        let store = self.inner.store.as_ref();
        store.and_then(|store| store.reply_to()).unwrap_or(&self.inner.oid)
    }

    pub(crate) fn evidence(&self) -> String {
        self.inner.hooks.on_timeout.as_ref().map_or_else(String::new, |hook| hook())
    }

    /// Shows an error of a result to whoever keeps them.
    pub(crate) fn failed(&self, error: &Error) {
        if let Some(hook) = &self.inner.hooks.on_error {
            hook(error);
        }
    }

    pub(crate) fn has_strict_signals(&self) -> bool {
        self.inner.hooks.strict_signals
    }

    /// Waits until no worker is left that could run tasks of a queue, and returns what is known of them; forever where nobody knows.
    pub(crate) async fn workers_gone(&self, queue: &str) -> String {
        match &self.inner.hooks.workers_gone {
            Some(hook) => hook(queue).await,
            None => std::future::pending().await,
        }
    }
}

/// Closes a connection in order, or leaves it behind after [`CLOSE_LIMIT`].
pub(crate) async fn closed(server: &str, closing: impl Future<Output = ()>) {
    if tokio::time::timeout(CLOSE_LIMIT, closing).await.is_err() {
        tracing::debug!(server, "the connection was not closed in order within {CLOSE_LIMIT:?}");
    }
}

impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("App")
            .field("name", &self.inner.name)
            .field("transport", &self.inner.transport)
            .field("store", &self.inner.store)
            .finish_non_exhaustive()
    }
}
