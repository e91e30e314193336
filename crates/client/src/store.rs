//! What keeps results.

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use testcelery_api::ConnectionUrl;

use crate::{Address, Result, ResultMeta, address::refuse_options};

/// A result backend, read from the client's side.
#[async_trait]
pub trait ResultStore: Send + Sync + fmt::Debug {
    /// The store's URL without its password.
    fn safe_url(&self) -> String;

    /// The value of the `reply_to` property that tasks need for their results to arrive here; `None` where it does not matter.
    fn reply_to(&self) -> Option<&str> {
        None
    }

    /// Listens for a result. Called once for each handle of a call before the task is published, so that no result is missed. What comes for
    /// the task is kept until [`unwatch`](Self::unwatch) has been called as often.
    ///
    /// # Errors
    /// When the store cannot be reached.
    async fn watch(&self, task_id: &str) -> Result<()>;

    /// The task's last known state; `None` while nothing is known (Celery's PENDING).
    ///
    /// # Errors
    /// When the store cannot be reached, or holds something that is no result.
    async fn get(&self, task_id: &str) -> Result<Option<ResultMeta>>;

    /// Waits without limit until the task is in a ready state (SUCCESS, FAILURE or REVOKED).
    ///
    /// # Errors
    /// As [`get`](Self::get).
    async fn wait(&self, task_id: &str) -> Result<ResultMeta>;

    /// Stops listening for a result that nobody asks for any more; the server keeps it. Called when the last clone of a handle goes, so it
    /// must not block: work on the server is done later. Stores that keep nothing for a watched task need not implement it.
    fn unwatch(&self, _task_id: &str) {}

    /// Forgets the result, here and on the server where it can.
    ///
    /// # Errors
    /// When the store cannot be reached.
    async fn forget(&self, task_id: &str) -> Result<()>;

    /// Closes the connection. Calls after this fail.
    async fn close(&self);
}

/// Makes result stores for the URL schemes that it speaks.
#[async_trait]
pub trait StoreFactory: Send + Sync + fmt::Debug {
    /// The schemes, as `["redis", "rediss"]`.
    fn schemes(&self) -> &'static [&'static str];

    /// Checks a URL of one of these schemes before anything is connected to. What a URL asks for is followed or refused, never dropped.
    ///
    /// The default refuses every option (`?name=value`); a factory that follows some overrides it.
    ///
    /// # Errors
    /// What cannot be followed, by its name and without its value.
    fn check(&self, url: &ConnectionUrl) -> Result<(), String> {
        refuse_options(url, &[])
    }

    /// Connects.
    ///
    /// # Errors
    /// [`Error::Connection`](crate::Error::Connection) with the redacted URL.
    async fn connect(&self, address: Arc<dyn Address>) -> Result<Arc<dyn ResultStore>>;
}

#[async_trait]
impl<T: StoreFactory + ?Sized> StoreFactory for Arc<T> {
    fn schemes(&self) -> &'static [&'static str] {
        (**self).schemes()
    }

    fn check(&self, url: &ConnectionUrl) -> Result<(), String> {
        (**self).check(url)
    }

    async fn connect(&self, address: Arc<dyn Address>) -> Result<Arc<dyn ResultStore>> {
        (**self).connect(address).await
    }
}
