//! The result of a call, to be.

use std::{sync::Arc, time::Duration};

use serde::de::DeserializeOwned;
use tokio::time::{Instant, timeout};

use crate::{App, Error, Result, ResultMeta, ResultStore, State, TaskError};

/// How long a timeout may take to find out what state the task is in.
const LAST_LOOK: Duration = Duration::from_secs(1);

/// The result of a call that was sent. Clones are handles of the same result; when the last one goes, the app stops listening for it.
#[derive(Debug, Clone)]
pub struct AsyncResult {
    handle: Arc<Handle>,
}

#[derive(Debug)]
struct Handle {
    app: App,
    task: String,
    id: String,
    /// The call's `ignore_result`; `None` where the task's own option counts.
    ignored: Option<bool>,
}

impl AsyncResult {
    pub(crate) fn new(app: &App, task: &str, id: &str, ignored: Option<bool>) -> Self {
        Self {
            handle: Arc::new(Handle { app: app.clone(), task: task.to_owned(), id: id.to_owned(), ignored }),
        }
    }

    /// The task's id.
    pub fn id(&self) -> &str {
        &self.handle.id
    }

    /// The task's name.
    pub fn task(&self) -> &str {
        &self.handle.task
    }

    /// Waits for the result, as long as the app's `result_timeout`.
    ///
    /// # Errors
    /// As [`get_within`](Self::get_within).
    pub async fn get<T: DeserializeOwned>(&self) -> Result<T> {
        self.get_within(self.handle.app.result_timeout()).await
    }

    /// Waits for the result. What Celery writes as typed JSON (`{"__type__": .., "__value__": ..}`) is left as it is.
    ///
    /// # Errors
    /// [`Error::Task`] when the task raised or was revoked, [`Error::Timeout`] when there is no result in time, [`Error::WrongType`] when it
    /// is not a `T`, [`Error::Ignored`] and [`Error::NoBackend`] when there cannot be one, [`Error::Connection`] when the result backend
    /// stays away.
    pub async fn get_within<T: DeserializeOwned>(&self, limit: Duration) -> Result<T> {
        let value = self.value(limit).await;
        if let Err(error) = &value {
            self.handle.app.failed(error);
        }
        value
    }

    async fn value<T: DeserializeOwned>(&self, limit: Duration) -> Result<T> {
        let store = self.store()?;
        let begin = Instant::now();
        let Ok(meta) = timeout(limit, store.wait(self.id())).await else {
            return Err(self.timed_out(store, begin.elapsed()).await);
        };
        let meta = meta?;
        tracing::debug!(task = self.task(), id = self.id(), state = %meta.status, "result received");
        if meta.status != State::Success {
            return Err(Error::Task(Box::new(TaskError::from_meta(self.task(), &meta))));
        }
        meta.result.read().map_err(|source| Error::WrongType {
            task: self.task().to_owned(),
            task_id: self.id().to_owned(),
            expected: std::any::type_name::<T>(),
            value: meta.result,
            source,
        })
    }

    /// The task's state now; PENDING while nothing is known of it.
    ///
    /// # Errors
    /// As [`meta`](Self::meta).
    pub async fn state(&self) -> Result<State> {
        let meta = self.meta().await?;
        Ok(meta.map_or(State::Pending, |meta| meta.status))
    }

    /// The document that the worker stored last; `None` while there is none.
    ///
    /// # Errors
    /// [`Error::Ignored`] and [`Error::NoBackend`] when there cannot be one, [`Error::Connection`] when the result backend stays away.
    pub async fn meta(&self) -> Result<Option<ResultMeta>> {
        self.store()?.get(self.id()).await
    }

    /// Removes the result from the backend, where the backend can.
    ///
    /// # Errors
    /// As [`meta`](Self::meta).
    pub async fn forget(&self) -> Result<()> {
        self.store()?.forget(self.id()).await
    }

    /// Listens for the result, where there is going to be one.
    pub(crate) async fn watch(&self) -> Result<()> {
        match self.store() {
            Ok(store) => store.watch(self.id()).await,
            Err(_) => Ok(()),
        }
    }

    fn store(&self) -> Result<&Arc<dyn ResultStore>> {
        if self.handle.ignored == Some(true) {
            return Err(Error::Ignored { task: self.task().to_owned(), task_id: self.id().to_owned() });
        }
        self.handle.app.store().ok_or_else(|| Error::NoBackend { task: self.task().to_owned() })
    }

    async fn timed_out(&self, store: &Arc<dyn ResultStore>, waited: Duration) -> Error {
        let state = match timeout(LAST_LOOK, store.get(self.id())).await {
            Ok(Ok(Some(meta))) => meta.status,
            _ => State::Pending,
        };
        let evidence = self.handle.app.evidence();
        let may_be_ignored = state == State::Pending && self.handle.ignored.is_none();
        Error::Timeout {
            task: self.task().to_owned(),
            task_id: self.id().to_owned(),
            waited,
            state,
            may_be_ignored,
            evidence: if evidence.is_empty() { evidence } else { format!("\n{evidence}") },
        }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        if let Some(store) = self.app.store().filter(|_| self.ignored != Some(true)) {
            store.unwatch(&self.id);
        }
    }
}
