//! Handlers that see every task on its way to the broker (`celery.signals`, the publisher's side).

use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, PoisonError, RwLock, Weak,
        atomic::{AtomicU64, Ordering},
    },
};

use testcelery_api::BoxError;

use crate::{AfterTaskPublish, BeforeTaskPublish};

type Before = dyn Fn(&mut BeforeTaskPublish) -> Result<(), BoxError> + Send + Sync;
type After = dyn Fn(&AfterTaskPublish) -> Result<(), BoxError> + Send + Sync;

/// The signals of an app, which all of its clones share.
///
/// Handlers run in the order in which they were connected, on the task that sends, one after the other. They stay until they are
/// [disconnected](Connected::disconnect) or the app is closed. A handler may return nothing or a `Result`.
///
/// If a handler returns an error or panics, that is logged and the call goes on, as in Celery. In an app with
/// [`strict_signals`](crate::AppBuilder::strict_signals) it is an [`Error::Handler`](crate::Error::Handler) of [`send`](crate::Call::send):
/// a task that was not published yet is not published, and of one that was published the error has the
/// [result](crate::Error::sent).
///
/// ```no_run
/// # async fn example(app: testcelery_client::App) -> testcelery_client::Result<()> {
/// let tenant = app.signals().before_task_publish(|event| {
///     event.headers.insert("tenant".to_owned(), "blue".into());
/// });
/// app.signals().sender("tasks.add").after_task_publish(|event| {
///     println!("{} is in {}", event.task_id(), event.routing_key());
/// });
/// app.task("tasks.add").args((2, 3)).send().await?;
/// tenant.disconnect();
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
pub struct Signals {
    registry: Arc<Registry>,
    sender: Option<String>,
}

impl Signals {
    pub(crate) fn new(registry: Arc<Registry>) -> Self {
        Self { registry, sender: None }
    }

    /// The same signals, for calls of one task only: what is connected through this sees no others.
    #[must_use]
    pub fn sender(mut self, task: impl Into<String>) -> Self {
        self.sender = Some(task.into());
        self
    }

    /// Connects a handler that is called with each task before it is published (`celery.signals.before_task_publish`). It may change
    /// headers, properties and body; a change that workers could not make sense of is an error of `send`, and nothing is sent then.
    pub fn before_task_publish<R: HandlerResult>(
        &self,
        handler: impl Fn(&mut BeforeTaskPublish) -> R + Send + Sync + 'static,
    ) -> Connected {
        let handler: Arc<Before> = Arc::new(move |event| handler(event).into_result());
        self.connected(self.registry.before.connect(self.sender.clone(), handler))
    }

    /// Connects a handler that is called with each task when the broker has it (`celery.signals.after_task_publish`).
    pub fn after_task_publish<R: HandlerResult>(
        &self,
        handler: impl Fn(&AfterTaskPublish) -> R + Send + Sync + 'static,
    ) -> Connected {
        let handler: Arc<After> = Arc::new(move |event| handler(event).into_result());
        self.connected(self.registry.after.connect(self.sender.clone(), handler))
    }

    fn connected(&self, id: u64) -> Connected {
        Connected { registry: Arc::downgrade(&self.registry), id }
    }
}

/// A handler that was connected. Dropping this leaves it connected.
#[derive(Debug, Clone)]
pub struct Connected {
    registry: Weak<Registry>,
    id: u64,
}

impl Connected {
    /// Takes the handler away. Says whether it was still there; a task that is just being sent may still meet it.
    pub fn disconnect(&self) -> bool {
        let registry = self.registry.upgrade();
        registry
            .is_some_and(|registry| registry.before.disconnect(self.id) || registry.after.disconnect(self.id))
    }
}

/// Calls a handler. A panic is its error, and does not go through the call that it watches.
pub(crate) fn guarded(call: impl FnOnce() -> Result<(), BoxError>) -> Result<(), BoxError> {
    catch_unwind(AssertUnwindSafe(call)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
        Err(format!("it panicked: {}", text.unwrap_or("with a value that is no text")).into())
    })
}

/// What a handler may return: nothing, or a `Result` with nothing in it.
pub trait HandlerResult {
    /// The error, where there is one.
    ///
    /// # Errors
    /// That of the handler.
    fn into_result(self) -> Result<(), BoxError>;
}

impl HandlerResult for () {
    fn into_result(self) -> Result<(), BoxError> {
        Ok(())
    }
}

impl<E: Into<BoxError>> HandlerResult for Result<(), E> {
    fn into_result(self) -> Result<(), BoxError> {
        self.map_err(Into::into)
    }
}

/// The handlers of an app.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    pub(crate) before: Handlers<Before>,
    pub(crate) after: Handlers<After>,
}

impl Registry {
    /// Disconnects everything. A handler may hold the app that holds it.
    pub(crate) fn clear(&self) {
        self.before.change(Vec::clear);
        self.after.change(Vec::clear);
    }
}

/// The handlers of one signal, in the order of their connection.
pub(crate) struct Handlers<H: ?Sized>(RwLock<Arc<Vec<Handler<H>>>>);

struct Handler<H: ?Sized> {
    id: u64,
    sender: Option<String>,
    call: Arc<H>,
}

impl<H: ?Sized> Handlers<H> {
    fn connect(&self, sender: Option<String>, call: Arc<H>) -> u64 {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        self.change(|handlers| handlers.push(Handler { id, sender, call }));
        id
    }

    fn disconnect(&self, id: u64) -> bool {
        self.change(|handlers| {
            let before = handlers.len();
            handlers.retain(|handler| handler.id != id);
            handlers.len() < before
        })
    }

    fn change<T>(&self, change: impl FnOnce(&mut Vec<Handler<H>>) -> T) -> T {
        let mut handlers = self.0.write().unwrap_or_else(PoisonError::into_inner);
        change(Arc::make_mut(&mut handlers))
    }

    /// Those that want a task's messages. None of them costs nothing but a look, and none is called under the lock, so that a handler may
    /// connect and disconnect others.
    pub(crate) fn of(&self, task: &str) -> Vec<Arc<H>> {
        let handlers = Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner));
        let wants = |handler: &&Handler<H>| handler.sender.as_deref().is_none_or(|sender| sender == task);
        handlers.iter().filter(wants).map(|handler| Arc::clone(&handler.call)).collect()
    }
}

impl<H: ?Sized> Clone for Handler<H> {
    fn clone(&self) -> Self {
        Self { id: self.id, sender: self.sender.clone(), call: Arc::clone(&self.call) }
    }
}

impl<H: ?Sized> Default for Handlers<H> {
    fn default() -> Self {
        Self(RwLock::default())
    }
}

impl<H: ?Sized> fmt::Debug for Handlers<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let handlers = self.0.read().unwrap_or_else(PoisonError::into_inner);
        f.debug_list().entries(handlers.iter().map(|handler| &handler.sender)).finish()
    }
}
