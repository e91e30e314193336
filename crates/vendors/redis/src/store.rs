//! Results from Redis, as Celery's `RedisBackend` stores them.

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use fred::interfaces::KeysInterface;
use testcelery_api::ConnectionUrl;
use testcelery_client::{Address, Error, Result, ResultMeta, ResultStore, StoreFactory, foreign_serializer};

use crate::{
    board::{Board, Slot},
    link,
    server::{RECONNECT_BOUND, Server},
    subscriber::Subscriber,
};

/// What Celery 5.7 puts before a compressed result (`result_compression`).
const COMPRESSED: &[u8] = b"\x00celery-compressed\x00";

/// Results from Redis, pushed and not polled.
///
/// Workers write each result to a key and publish it on the channel of the same name. One shared connection subscribes to the channels of
/// all watched tasks; another one reads keys. Both come back by themselves: after the server was away, all watched channels are subscribed
/// again and their keys are read again. A result that the server lost with its memory is waited for further, until the caller's timeout.
/// When the server stays away for 30 s, waiting calls fail. Every other call takes 30 s at most.
pub struct RedisStore {
    server: Arc<Server>,
    board: Arc<Board>,
    subscriber: Subscriber,
}

impl RedisStore {
    /// Connects.
    ///
    /// # Errors
    /// [`Error::Connection`] when the server cannot be reached with one attempt, which takes 5 s at most.
    pub async fn connect(address: Arc<dyn Address>) -> Result<Self> {
        let server = Arc::new(Server::new(address, RECONNECT_BOUND));
        server.connect("connect to the result backend").await?;
        let board = Arc::new(Board::default());
        let subscriber = Subscriber::start(server.clone(), board.clone())
            .map_err(|error| Error::connection("listen for results", server.safe_url(), error))?;
        Ok(Self { server, board, subscriber })
    }

    async fn subscribe(&self, task_id: &str) -> Result<()> {
        let subscribed = tokio::time::timeout(RECONNECT_BOUND, self.subscriber.watch(task_id)).await;
        let subscribed = subscribed.unwrap_or_else(|_| Err(format!("no answer within {RECONNECT_BOUND:?}")));
        subscribed.map_err(|reason| self.lost("listen for", task_id, &reason))
    }

    fn lost(&self, operation: &str, task_id: &str, reason: &str) -> Error {
        Error::connection(format!("{operation} the result of [{task_id}]"), self.server.safe_url(), reason)
    }
}

#[async_trait]
impl ResultStore for RedisStore {
    fn safe_url(&self) -> String {
        self.server.safe_url()
    }

    async fn watch(&self, task_id: &str) -> Result<()> {
        self.board.hold(task_id);
        self.subscribe(task_id).await
    }

    async fn get(&self, task_id: &str) -> Result<Option<ResultMeta>> {
        let text: Option<Vec<u8>> = self
            .server
            .run(&format!("read the result of [{task_id}]"), |link| async move {
                link.client().get(key(task_id)).await
            })
            .await?;
        text.map(|text| decode(task_id, &text)).transpose()
    }

    async fn wait(&self, task_id: &str) -> Result<ResultMeta> {
        let mut slot = match self.board.follow(task_id) {
            Some(slot) => slot,
            None => {
                self.board.listen(task_id);
                self.subscribe(task_id).await?;
                self.board
                    .follow(task_id)
                    .ok_or_else(|| self.lost("wait for", task_id, "the result was forgotten"))?
            }
        };
        // It may have been there before anybody watched.
        if let Some(meta) = self.get(task_id).await?.filter(|meta| meta.status.is_ready()) {
            return Ok(meta);
        }
        loop {
            let seen = slot.borrow_and_update().clone();
            match seen {
                Slot::Empty => {}
                Slot::Lost(reason) => return Err(self.lost("wait for", task_id, &reason)),
                Slot::Document(text) => {
                    let meta = decode(task_id, &text)?;
                    if meta.status.is_ready() {
                        return Ok(meta);
                    }
                }
            }
            slot.changed().await.map_err(|_| self.lost("wait for", task_id, "the result was forgotten"))?;
        }
    }

    fn unwatch(&self, task_id: &str) {
        if self.board.release(task_id) {
            self.subscriber.unwatch(task_id);
        }
    }

    async fn forget(&self, task_id: &str) -> Result<()> {
        self.board.remove(task_id);
        self.subscriber.unwatch(task_id);
        self.server
            .run(&format!("forget the result of [{task_id}]"), |link| async move {
                link.client().del(key(task_id)).await
            })
            .await
    }

    async fn close(&self) {
        self.subscriber.stop();
        self.board.clear();
        self.server.close().await;
    }
}

impl fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStore").field("server", &self.server).finish_non_exhaustive()
    }
}

/// Makes [`RedisStore`]s for `redis://`.
#[derive(Debug, Clone, Copy, Default)]
pub struct RedisStoreFactory;

#[async_trait]
impl StoreFactory for RedisStoreFactory {
    fn schemes(&self) -> &'static [&'static str] {
        &["redis"]
    }

    fn check(&self, url: &ConnectionUrl) -> Result<(), String> {
        link::check(url)
    }

    async fn connect(&self, address: Arc<dyn Address>) -> Result<Arc<dyn ResultStore>> {
        Ok(Arc::new(RedisStore::connect(address).await?))
    }
}

/// What a task's key and channel begin with (Celery's `task_keyprefix`).
const PREFIX: &str = "celery-task-meta-";

/// The key of a task's result, which is also its channel.
pub(crate) fn key(task_id: &str) -> String {
    format!("{PREFIX}{task_id}")
}

/// The task whose channel this is.
pub(crate) fn task_id(channel: &str) -> Option<&str> {
    channel.strip_prefix(PREFIX)
}

fn decode(task_id: &str, text: &[u8]) -> Result<ResultMeta> {
    let malformed =
        |problem: String| Error::Malformed { what: format!("the result of task [{task_id}]"), problem };
    if text.starts_with(COMPRESSED) {
        return Err(malformed("it is compressed; unset the worker's `result_compression`".to_owned()));
    }
    ResultMeta::decode(text).map_err(|error| match foreign_serializer(text, None) {
        Some(serializer) => Error::result_serializer(format!("the result of task [{task_id}]"), serializer),
        None => malformed(error.to_string()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_are_keys() {
        assert_eq!(task_id(&key("x")), Some("x"));
        assert_eq!(task_id("celery-taskset-meta-x"), None);
    }

    #[test]
    fn another_serializer_is_named_with_the_setting_to_change() {
        let error = decode("x", b"\x80\x05\x95\x10\x00").unwrap_err();
        assert_eq!(
            error.to_string(),
            "the result of task [x] was written with the serializer pickle, and this client reads json alone: set \
             `result_serializer = \"json\"` for the workers"
        );
    }

    #[test]
    fn a_compressed_result_is_named_as_such() {
        let error = decode("x", b"\x00celery-compressed\x00application/zstd\x00..").unwrap_err();
        assert_eq!(
            error.to_string(),
            "the result of task [x] is not what Celery writes: it is compressed; unset the worker's `result_compression`"
        );
    }
}
