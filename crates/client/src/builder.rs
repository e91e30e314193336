//! How an app finds its servers.

use std::{fmt, future::Future, sync::Arc, time::Duration};

use testcelery_api::ConnectionUrl;

use crate::{
    Address, App, DEFAULT_QUEUE, Error, Queues, Result, ResultStore, StoreFactory, Transport,
    TransportFactory,
    app::{Hooks, Names, closed},
    bound::{CONNECT_LIMIT, within},
    control::DEFAULT_CONTROL_EXCHANGE,
};

/// How long [`AsyncResult::get`](crate::AsyncResult::get) waits unless the app says otherwise.
pub const DEFAULT_RESULT_TIMEOUT: Duration = Duration::from_secs(60);

const BROKER: &str = "broker";
const BACKEND: &str = "result backend";

/// An app before it is connected.
#[must_use = "an app does nothing until it is connected"]
pub struct AppBuilder {
    name: String,
    brokers: Vec<Source>,
    backend: Option<Source>,
    transports: Vec<Arc<dyn TransportFactory>>,
    stores: Vec<Arc<dyn StoreFactory>>,
    result_timeout: Duration,
    default_queue: String,
    queues: Queues,
    control_exchange: String,
    hooks: Hooks,
}

/// Where a server is said to be.
enum Source {
    Url(String),
    Address(Arc<dyn Address>),
}

impl AppBuilder {
    pub(crate) fn new(name: String) -> Self {
        Self {
            name,
            brokers: Vec::new(),
            backend: None,
            transports: Vec::new(),
            stores: Vec::new(),
            result_timeout: DEFAULT_RESULT_TIMEOUT,
            default_queue: DEFAULT_QUEUE.to_owned(),
            queues: Queues::default(),
            control_exchange: DEFAULT_CONTROL_EXCHANGE.to_owned(),
            hooks: Hooks::default(),
        }
    }

    /// Adds a broker by its URL, or several of them with `;` between them as Celery has it. Of several brokers the first that answers is
    /// taken.
    pub fn broker_url(mut self, url: impl AsRef<str>) -> Self {
        let text = url.as_ref();
        // A `;` that no URL follows separates nothing: the text is judged as a whole.
        let urls: Vec<&str> = match text.split(';').all(|url| url.contains("://")) {
            true => text.split(';').collect(),
            false => vec![text],
        };
        self.brokers.extend(urls.into_iter().map(|url| Source::Url(url.to_owned())));
        self
    }

    /// Adds a broker that may move.
    pub fn broker(mut self, address: Arc<dyn Address>) -> Self {
        self.brokers.push(Source::Address(address));
        self
    }

    /// Sets the result backend by its URL. `rpc://` is the broker itself, `disabled://` is none.
    pub fn backend_url(mut self, url: impl Into<String>) -> Self {
        self.backend = Some(Source::Url(url.into()));
        self
    }

    /// Sets a result backend that may move.
    pub fn backend(mut self, address: Arc<dyn Address>) -> Self {
        self.backend = Some(Source::Address(address));
        self
    }

    /// Lets results come through the broker.
    pub fn rpc(self) -> Self {
        self.backend_url("rpc://")
    }

    /// Adds what speaks to brokers of some URL schemes.
    pub fn transport_factory(mut self, factory: impl TransportFactory + 'static) -> Self {
        self.transports.push(Arc::new(factory));
        self
    }

    /// Adds what speaks to result backends of some URL schemes.
    pub fn store_factory(mut self, factory: impl StoreFactory + 'static) -> Self {
        self.stores.push(Arc::new(factory));
        self
    }

    /// Sets how long `get` waits; [`DEFAULT_RESULT_TIMEOUT`] unless said otherwise.
    pub fn result_timeout(mut self, timeout: Duration) -> Self {
        self.result_timeout = timeout;
        self
    }

    /// Sets the queue of calls that name none (Celery's `task_default_queue`); [`DEFAULT_QUEUE`] unless said otherwise.
    pub fn default_queue(mut self, queue: impl Into<String>) -> Self {
        self.default_queue = queue.into();
        self
    }

    /// Sets what the exchanges of remote control begin with (Celery's `control_exchange`). Default: `celery`.
    pub fn control_exchange(mut self, name: impl Into<String>) -> Self {
        self.control_exchange = name.into();
        self
    }

    /// Sets the declarations of the task queues, which have to be those of the workers. Default: Celery's, with no queue configured.
    pub fn queues(mut self, queues: Queues) -> Self {
        self.queues = queues;
        self
    }

    /// Sets what watches the workers while a result is waited for. It gets the queue that the task was sent to, and its future ends when no
    /// worker is left that could run the task, with what is known of the workers: `get` then ends with [`Error::WorkersGone`], unless the
    /// result has come meanwhile. The future has to leave time for a result that is on its way, and for a worker that is started again.
    pub fn on_workers_gone<F>(mut self, watch: impl Fn(&str) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = String> + Send + 'static,
    {
        self.hooks.workers_gone = Some(Arc::new(move |queue| Box::pin(watch(queue))));
        self
    }

    /// Sets what is asked for evidence when no result comes in time. Its answer is added to the error.
    pub fn on_timeout(mut self, evidence: impl Fn() -> String + Send + Sync + 'static) -> Self {
        self.hooks.on_timeout = Some(Arc::new(evidence));
        self
    }

    /// Sets what sees every error of [`AsyncResult::get`](crate::AsyncResult::get), for example to keep the whole text of an exception, of
    /// which [`Error`] shows the beginning and the end.
    pub fn on_error(mut self, keep: impl Fn(&Error) + Send + Sync + 'static) -> Self {
        self.hooks.on_error = Some(Arc::new(keep));
        self
    }

    /// Lets a handler of a [signal](crate::Signals) that fails or panics fail the call: [`Error::Handler`]. Default: off, the failure is
    /// logged and the call goes on, as in Celery. A test wants it on.
    pub fn strict_signals(mut self, strict: bool) -> Self {
        self.hooks.strict_signals = strict;
        self
    }

    /// Connects to the broker and to the result backend. Each broker of a list has one attempt, of 5 s at most with this project's vendors.
    ///
    /// Takes about 5 s at most for each server that is not there, misspelt or does not answer, and 10 s for one whose transport or store is
    /// not of this workspace. Later calls have more patience: see [`Call::send`](crate::Call::send).
    ///
    /// # Errors
    /// [`Error::NoBroker`], [`Error::Url`], [`Error::UnknownScheme`] and [`Error::UnsupportedUrl`] before anything is connected to,
    /// [`Error::NoRpc`] if the broker carries no results, [`Error::Connection`] if a server cannot be reached, [`Error::Brokers`] if none of
    /// several brokers can.
    pub async fn connect(self) -> Result<App> {
        let brokers: Vec<_> =
            self.brokers.iter().map(|source| locate(source, BROKER)).collect::<Result<_>>()?;
        let choices: Vec<_> = brokers
            .into_iter()
            .map(|(address, url)| {
                let factory = self.transport_for(url.scheme())?;
                factory.check(&url).map_err(|problem| unsupported(BROKER, &url, problem))?;
                Ok((address, factory))
            })
            .collect::<Result<_>>()?;
        let backend = self.choose_backend()?;
        let transport = connect_first(choices).await?;
        let store: Result<Option<Arc<dyn ResultStore>>> = match backend {
            Backend::Disabled => Ok(None),
            Backend::Rpc => {
                connected(BACKEND, || transport.safe_url(), transport.rpc_store()).await.map(Some)
            }
            Backend::Store(address, factory) => {
                let url = located(&address);
                connected(BACKEND, || url, factory.connect(address)).await.map(Some)
            }
        };
        let store = match store {
            Ok(store) => store,
            Err(error) => {
                closed(BROKER, transport.close()).await;
                return Err(error);
            }
        };
        let names = Names {
            default_queue: self.default_queue,
            queues: self.queues,
            control_exchange: self.control_exchange,
        };
        let app = App::new(self.name, transport, store, self.result_timeout, names, self.hooks);
        tracing::debug!(
            app = app.name(),
            broker = app.broker_url(),
            backend = app.backend_url(),
            "app connected"
        );
        Ok(app)
    }

    fn transport_for(&self, scheme: &str) -> Result<Arc<dyn TransportFactory>> {
        let speaks = |factory: &&Arc<dyn TransportFactory>| factory.schemes().contains(&scheme);
        let factory = self.transports.iter().find(speaks).cloned();
        factory.ok_or_else(|| {
            let known = self.transports.iter().flat_map(|factory| factory.schemes());
            unknown(scheme, BROKER, known.copied())
        })
    }

    fn choose_backend(&self) -> Result<Backend> {
        let Some(source) = &self.backend else {
            return Ok(Backend::Disabled);
        };
        let (address, url) = locate(source, BACKEND)?;
        let scheme = url.scheme();
        let without_server = match scheme {
            "rpc" => Some(Backend::Rpc),
            "disabled" => Some(Backend::Disabled),
            _ => None,
        };
        if let Some(backend) = without_server {
            return match url == ConnectionUrl::new(scheme, "") {
                true => Ok(backend),
                false => {
                    let problem = format!("`{scheme}://` names no server of its own and has no options");
                    Err(unsupported(BACKEND, &url, problem))
                }
            };
        }
        let speaks = |factory: &&Arc<dyn StoreFactory>| factory.schemes().contains(&scheme);
        match self.stores.iter().find(speaks) {
            Some(factory) => {
                factory.check(&url).map_err(|problem| unsupported(BACKEND, &url, problem))?;
                Ok(Backend::Store(address, factory.clone()))
            }
            None => {
                let known = self.stores.iter().flat_map(|factory| factory.schemes());
                Err(unknown(scheme, BACKEND, known.copied().chain(["rpc", "disabled"])))
            }
        }
    }
}

impl fmt::Debug for AppBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // URLs that were not parsed yet may hold passwords anywhere.
        f.debug_struct("AppBuilder")
            .field("name", &self.name)
            .field("transports", &self.transports)
            .field("stores", &self.stores)
            .field("result_timeout", &self.result_timeout)
            .finish_non_exhaustive()
    }
}

enum Backend {
    Disabled,
    Rpc,
    Store(Arc<dyn Address>, Arc<dyn StoreFactory>),
}

fn locate(source: &Source, role: &'static str) -> Result<(Arc<dyn Address>, ConnectionUrl)> {
    match source {
        Source::Url(text) => {
            let url: ConnectionUrl = text.parse().map_err(|source| Error::Url { role, source })?;
            Ok((Arc::new(url.clone()), url))
        }
        Source::Address(address) => {
            let url = address
                .url()
                .map_err(|error| Error::connection(format!("find the {role}"), "its address", error))?;
            Ok((address.clone(), url))
        }
    }
}

fn unsupported(role: &'static str, url: &ConnectionUrl, problem: String) -> Error {
    Error::UnsupportedUrl { role, url: url.to_string(), problem }
}

/// Keeps a first connection within its limit.
async fn connected<T>(
    role: &'static str,
    url: impl FnOnce() -> String,
    connecting: impl Future<Output = Result<T>>,
) -> Result<T> {
    within(CONNECT_LIMIT, || format!("connect to the {role}"), url, connecting).await
}

/// The redacted URL, for errors.
fn located(address: &Arc<dyn Address>) -> String {
    address.url().map_or_else(|_| "its address".to_owned(), |url| url.to_string())
}

fn unknown(scheme: &str, role: &'static str, known: impl Iterator<Item = &'static str>) -> Error {
    Error::UnknownScheme { scheme: scheme.to_owned(), role, known: known.map(str::to_owned).collect() }
}

type Choice = (Arc<dyn Address>, Arc<dyn TransportFactory>);

/// Connects to the first broker that answers. A broker that is dead costs its own time limit, and the next one gets a limit of its own.
async fn connect_first(choices: Vec<Choice>) -> Result<Arc<dyn Transport>> {
    let mut failures = Vec::new();
    for (address, factory) in choices {
        match factory.connect(address).await {
            Ok(transport) => return Ok(transport),
            Err(error) => {
                tracing::debug!(%error, "a broker does not answer");
                failures.push(error);
            }
        }
    }
    Err(match failures.len() {
        0 | 1 => failures.pop().unwrap_or(Error::NoBroker),
        _ => Error::Brokers { failures },
    })
}
