//! Results that workers keep in Memcached.

use std::{
    io::{self, ErrorKind},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use testcelery_api::{BoxError, ConnectionUrl};
use testcelery_client::{Address, Error, Result, ResultMeta, ResultStore, StoreFactory, foreign_serializer};

use crate::{Client, connection};

/// How long a call tries to reach a server that is away before it gives up.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long the server may take for one answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// The pause after a failed attempt; it doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(20);

const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// The pause between two looks at a result that is not there; it grows by half each time. Memcached tells nobody when a key is set.
const FIRST_POLL: Duration = Duration::from_millis(10);

const LONGEST_POLL: Duration = Duration::from_millis(200);

/// Memcached's limit for the length of a key, in bytes.
const KEY_LENGTH: usize = 250;

/// `KeyValueStoreBackend.task_keyprefix`.
const PREFIX: &str = "celery-task-meta-";

/// What Celery 5.7 puts before a result that it compresses (`result_compression`).
const COMPRESSED: &[u8] = b"\0celery-compressed\0";

/// Makes result stores for `cache+memcached://` and the other names that Celery has for the same server.
///
/// A store keeps one connection. While a result is waited for it is asked for after 10 ms, then in pauses that grow to 200 ms, because
/// Memcached cannot push. To connect takes one attempt of 5 s at most. When the server goes away later, a call tries for up to 30 s to reach
/// it again, wherever its address says it is then. No call but `wait` takes longer.
///
/// ```no_run
/// use std::sync::Arc;
/// use testcelery_api::ConnectionUrl;
/// use testcelery_client::StoreFactory;
/// use testcelery_memcached::MemcachedStoreFactory;
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let address: ConnectionUrl = "cache+memcached://127.0.0.1:11211/".parse()?;
/// let store = MemcachedStoreFactory.connect(Arc::new(address)).await?;
/// let meta = store.wait("7f6c").await?;
/// println!("{}: {}", meta.status, meta.result);
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct MemcachedStoreFactory;

#[async_trait]
impl StoreFactory for MemcachedStoreFactory {
    fn schemes(&self) -> &'static [&'static str] {
        &["cache+memcached", "cache+memcache", "cache+pylibmc"]
    }

    fn check(&self, url: &ConnectionUrl) -> Result<(), String> {
        connection::check(url)
    }

    async fn connect(&self, address: Arc<dyn Address>) -> Result<Arc<dyn ResultStore>> {
        if let Ok(url) = address.url() {
            connection::check(&url)
                .map_err(|problem| Error::connection("connect", url.to_string(), problem))?;
        }
        let store = MemcachedStore::new(address);
        // One attempt, so that a server that is not there is told at once. Opening asks for an answer.
        let opened =
            store.open().await.map_err(|error| Error::connection("connect", store.safe_url(), error))?;
        *store.client.lock().await = Some(opened);
        Ok(Arc::new(store))
    }
}

struct MemcachedStore {
    address: Arc<dyn Address>,
    /// Where the server was last looked for.
    last_url: Mutex<String>,
    client: tokio::sync::Mutex<Option<Client>>,
    closed: AtomicBool,
}

enum Request {
    Get(String),
    Delete(String),
}

impl MemcachedStore {
    fn new(address: Arc<dyn Address>) -> Self {
        Self {
            last_url: Mutex::new(match address.url() {
                Ok(url) => url.to_string(),
                Err(_) => "cache+memcached://(not running)".to_owned(),
            }),
            address,
            client: tokio::sync::Mutex::default(),
            closed: AtomicBool::new(false),
        }
    }

    /// Makes a request, on a new connection where the old one is lost, for [`PATIENCE`] at most.
    async fn run(&self, operation: &str, request: &Request) -> Result<Option<Vec<u8>>> {
        let last: Mutex<Option<BoxError>> = Mutex::new(None);
        let attempts = async {
            let mut pause = FIRST_PAUSE;
            loop {
                if self.closed.load(Ordering::Acquire) {
                    return Err("it was closed".into());
                }
                match self.attempt(request).await {
                    Ok(value) => return Ok(value),
                    Err(error) if is_refusal(error.as_ref()) => return Err(error),
                    Err(error) => {
                        tracing::debug!(%operation, %error, "memcached is away");
                        *last.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                    }
                }
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        };
        let error: BoxError = match tokio::time::timeout(PATIENCE, attempts).await {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(error)) => error,
            Err(_) => {
                let last = last.into_inner().unwrap_or_else(PoisonError::into_inner);
                last.unwrap_or_else(|| format!("no answer within {PATIENCE:?}").into())
            }
        };
        Err(Error::connection(operation, self.safe_url(), error))
    }

    async fn attempt(&self, request: &Request) -> Result<Option<Vec<u8>>, BoxError> {
        let mut slot = self.client.lock().await;
        // Taken out while it is used: a request that is cancelled in the middle leaves an answer behind that nobody must read.
        let mut client = match slot.take() {
            Some(client) => client,
            None => self.open().await?,
        };
        let answer = tokio::time::timeout(ANSWER_TIMEOUT, ask(&mut client, request)).await;
        let value = answer.map_err(|_| format!("no answer within {ANSWER_TIMEOUT:?}"))??;
        *slot = Some(client);
        Ok(value)
    }

    /// Opens a connection to where the server is now, within 5 s.
    async fn open(&self) -> Result<Client, BoxError> {
        let url = self.address.url()?;
        *self.last_url.lock().unwrap_or_else(PoisonError::into_inner) = url.to_string();
        Ok(connection::open(&url).await?)
    }
}

async fn ask(client: &mut Client, request: &Request) -> io::Result<Option<Vec<u8>>> {
    match request {
        Request::Get(key) => match client.get(key).await {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            other => other.map(Some),
        },
        Request::Delete(key) => {
            // The client sends it with `noreply`; the answer to the next command says that it was done.
            client.delete(key).await?;
            client.version().await.map(|_| None)
        }
    }
}

/// Whether the server answered, and trying again cannot help.
fn is_refusal(error: &(dyn std::error::Error + Send + Sync + 'static)) -> bool {
    error
        .downcast_ref::<io::Error>()
        .is_some_and(|error| matches!(error.kind(), ErrorKind::Other | ErrorKind::InvalidData))
}

#[async_trait]
impl ResultStore for MemcachedStore {
    fn safe_url(&self) -> String {
        self.last_url.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn watch(&self, task_id: &str) -> Result<()> {
        // There is nothing to listen to; but an id that cannot be a key is known before the task is sent.
        key(task_id).map(drop)
    }

    async fn get(&self, task_id: &str) -> Result<Option<ResultMeta>> {
        let request = Request::Get(key(task_id)?);
        let operation = format!("read the result of task {task_id}");
        let value = self.run(&operation, &request).await?;
        value.map(|value| read(task_id, &value)).transpose()
    }

    async fn wait(&self, task_id: &str) -> Result<ResultMeta> {
        let mut pause = FIRST_POLL;
        loop {
            if let Some(meta) = self.get(task_id).await?.filter(|meta| meta.status.is_ready()) {
                return Ok(meta);
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 3 / 2).min(LONGEST_POLL);
        }
    }

    async fn forget(&self, task_id: &str) -> Result<()> {
        let request = Request::Delete(key(task_id)?);
        let operation = format!("forget the result of task {task_id}");
        self.run(&operation, &request).await.map(drop)
    }

    async fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.client.lock().await.take();
    }
}

impl std::fmt::Debug for MemcachedStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MemcachedStore").field("address", &self.address).finish_non_exhaustive()
    }
}

/// The key of a result. Whatever is no single word would be read as another command.
fn key(task_id: &str) -> Result<String> {
    let key = format!("{PREFIX}{task_id}");
    let problem = if key.len() > KEY_LENGTH {
        format!("{} bytes are more than memcached's {KEY_LENGTH} for a key", key.len())
    } else if key.bytes().any(|byte| byte <= b' ' || byte == 0x7f) {
        "memcached takes no spaces and no control characters in a key".to_owned()
    } else {
        return Ok(key);
    };
    Err(Error::Option { task: format!("{task_id:?}"), option: "task_id", problem })
}

fn read(task_id: &str, value: &[u8]) -> Result<ResultMeta> {
    let what = || format!("the result of task {task_id}");
    ResultMeta::decode(value).map_err(|error| {
        let problem = if value.starts_with(COMPRESSED) {
            "it is compressed; unset result_compression".to_owned()
        } else if value.starts_with(b"x") {
            // The first byte of every zlib stream that clients write with flag 8.
            "it is compressed with zlib; unset min_compress_len of the worker's memcached client".to_owned()
        } else if let Some(serializer) = foreign_serializer(value, None) {
            return Error::result_serializer(what(), serializer);
        } else {
            error.to_string()
        };
        Error::Malformed { what: what(), problem }
    })
}

#[cfg(test)]
mod tests;
