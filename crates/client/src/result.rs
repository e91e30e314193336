//! The result of a call, to be.

use std::{sync::Arc, time::Duration};

use serde::de::DeserializeOwned;
use tokio::time::{Instant, timeout};

use crate::{App, Error, Result, ResultMeta, ResultStore, State, TaskError, bound::bounded};

/// How long a last look at the store may take, before a wait ends without a result.
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
    queue: String,
    /// The call's `ignore_result`; `None` where the task's own option counts.
    ignored: Option<bool>,
}

/// How a wait for a result ended.
enum Waited {
    Ready(ResultMeta),
    WorkersGone(String),
    TimedOut,
}

impl AsyncResult {
    pub(crate) fn new(app: &App, task: &str, id: &str, queue: &str, ignored: Option<bool>) -> Self {
        let (task, id, queue) = (task.to_owned(), id.to_owned(), queue.to_owned());
        Self { handle: Arc::new(Handle { app: app.clone(), task, id, queue, ignored }) }
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
    /// Ends at most 1 s after `limit`, whatever the result backend does: before it fails, it looks once more. It ends earlier when it is
    /// known that no worker is left that could run the task (see [`AppBuilder::on_workers_gone`](crate::AppBuilder::on_workers_gone)).
    ///
    /// # Errors
    /// [`Error::Task`] when the task raised or was revoked, [`Error::Timeout`] when there is no result in time, [`Error::WorkersGone`] when
    /// nobody is left who could run it, [`Error::WrongType`] when it is not a `T`, [`Error::Ignored`] and [`Error::NoBackend`] when there
    /// cannot be one, [`Error::Connection`] when the result backend stays away.
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
        let waiting = async {
            tokio::select! {
                biased;
                meta = store.wait(self.id()) => meta.map(Waited::Ready),
                evidence = self.handle.app.workers_gone(&self.handle.queue) => Ok(Waited::WorkersGone(evidence)),
            }
        };
        let meta = match timeout(limit, waiting).await.unwrap_or(Ok(Waited::TimedOut))? {
            Waited::Ready(meta) => meta,
            ended => self.last_look(store, ended, begin.elapsed()).await?,
        };
        self.read(meta)
    }

    /// The value of a task that is done.
    fn read<T: DeserializeOwned>(&self, meta: ResultMeta) -> Result<T> {
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

    /// The task's state now; PENDING while nothing is known of it. Takes 35 s at most.
    ///
    /// # Errors
    /// As [`meta`](Self::meta).
    pub async fn state(&self) -> Result<State> {
        let meta = self.meta().await?;
        Ok(meta.map_or(State::Pending, |meta| meta.status))
    }

    /// The document that the worker stored last; `None` while there is none. Takes 35 s at most: a result backend that is away is looked
    /// for during 30 s.
    ///
    /// # Errors
    /// [`Error::Ignored`] and [`Error::NoBackend`] when there cannot be one, [`Error::Connection`] when the result backend stays away.
    pub async fn meta(&self) -> Result<Option<ResultMeta>> {
        let store = self.store()?;
        let operation = || format!("read the result of task {} [{}]", self.task(), self.id());
        bounded(operation, || store.safe_url(), store.get(self.id())).await
    }

    /// Removes the result from the backend, where the backend can. Takes 35 s at most.
    ///
    /// # Errors
    /// As [`meta`](Self::meta).
    pub async fn forget(&self) -> Result<()> {
        let store = self.store()?;
        let operation = || format!("forget the result of task {} [{}]", self.task(), self.id());
        bounded(operation, || store.safe_url(), store.forget(self.id())).await
    }

    /// Listens for the result, where there is going to be one.
    pub(crate) async fn watch(&self) -> Result<()> {
        match self.store() {
            Ok(store) => {
                let operation = || format!("listen for the result of task {} [{}]", self.task(), self.id());
                bounded(operation, || store.safe_url(), store.watch(self.id())).await
            }
            Err(_) => Ok(()),
        }
    }

    fn store(&self) -> Result<&Arc<dyn ResultStore>> {
        if self.handle.ignored == Some(true) {
            return Err(Error::Ignored { task: self.task().to_owned(), task_id: self.id().to_owned() });
        }
        self.handle.app.store().ok_or_else(|| Error::NoBackend { task: self.task().to_owned() })
    }

    /// Looks once more at the store, and fails if the task is still not done.
    async fn last_look(
        &self,
        store: &Arc<dyn ResultStore>,
        ended: Waited,
        waited: Duration,
    ) -> Result<ResultMeta> {
        let state = match timeout(LAST_LOOK, store.get(self.id())).await {
            Ok(Ok(Some(meta))) if meta.status.is_ready() => return Ok(meta),
            Ok(Ok(Some(meta))) => meta.status,
            _ => State::Pending,
        };
        let (task, task_id) = (self.task().to_owned(), self.id().to_owned());
        let lines = |evidence: String| if evidence.is_empty() { evidence } else { format!("\n{evidence}") };
        Err(match ended {
            Waited::WorkersGone(evidence) => Error::WorkersGone {
                task,
                task_id,
                queue: self.handle.queue.as_str().into(),
                waited,
                state,
                evidence: lines(evidence).into(),
            },
            _ => {
                let may_be_ignored = state == State::Pending && self.handle.ignored.is_none();
                let evidence = lines(self.handle.app.evidence()).into();
                Error::Timeout { task, task_id, waited, state, may_be_ignored, evidence }
            }
        })
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        if let Some(store) = self.app.store().filter(|_| self.ignored != Some(true)) {
            store.unwatch(&self.id);
        }
    }
}
