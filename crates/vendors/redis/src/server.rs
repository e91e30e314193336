//! A server that may go away and come back: the connection is made when it is needed, and made again when it was lost.

use std::{
    fmt,
    future::Future,
    sync::{
        Arc, Mutex as StdMutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use fred::error::{Error as RedisError, ErrorKind};
use testcelery_api::BoxError;
use testcelery_client::{Address, Error, Result};
use tokio::{
    sync::Mutex,
    time::{Instant, sleep, timeout},
};

use crate::link::Link;

/// How long a call may take, with all attempts to get a lost connection back.
pub(crate) const RECONNECT_BOUND: Duration = Duration::from_secs(30);

/// The pause after the first failed attempt; it doubles with each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(10);

/// The longest pause between two attempts.
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// One server with at most one connection.
pub(crate) struct Server {
    address: Arc<dyn Address>,
    command_timeout: Duration,
    slot: Mutex<Option<Arc<Link>>>,
    closed: AtomicBool,
    last_url: StdMutex<String>,
}

impl Server {
    /// A server whose commands may take `command_timeout`; zero is no limit.
    pub(crate) fn new(address: Arc<dyn Address>, command_timeout: Duration) -> Self {
        Self {
            address,
            command_timeout,
            slot: Mutex::default(),
            closed: AtomicBool::new(false),
            last_url: StdMutex::new("redis://(unknown)".to_owned()),
        }
    }

    /// Connects with one attempt, which takes 5 s at most, so that a server that is not there is told at once.
    pub(crate) async fn connect(&self, operation: &str) -> Result<()> {
        self.link().await.map(drop).map_err(|error| self.error(operation, error))
    }

    /// Another connection to the same server.
    pub(crate) fn sibling(&self, command_timeout: Duration) -> Self {
        let sibling = Self::new(self.address.clone(), command_timeout);
        *sibling.last() = self.last().clone();
        sibling
    }

    /// The URL without its password, where the server is or was last.
    pub(crate) fn safe_url(&self) -> String {
        if let Ok(url) = self.address.url() {
            *self.last() = url.to_string();
        }
        self.last().clone()
    }

    /// Runs a command. A connection that is lost is made anew and the command is run again, all within [`RECONNECT_BOUND`]. The command
    /// may then have run twice: a server that died tells nobody whether it did what it was asked to.
    pub(crate) async fn run<T, F, Fut>(&self, operation: &str, command: F) -> Result<T>
    where
        F: Fn(Arc<Link>) -> Fut,
        Fut: Future<Output = Result<T, RedisError>>,
    {
        match timeout(RECONNECT_BOUND, self.run_for_ever(operation, command)).await {
            Ok(outcome) => outcome,
            Err(_) => {
                // The connection may be cut off without a word. The next call begins with a new one.
                *self.slot.lock().await = None;
                Err(self.error(operation, format!("no answer within {RECONNECT_BOUND:?}")))
            }
        }
    }

    /// As [`run`](Self::run), for a command that may wait without limit. The attempts to connect have the same one.
    pub(crate) async fn run_for_ever<T, F, Fut>(&self, operation: &str, command: F) -> Result<T>
    where
        F: Fn(Arc<Link>) -> Fut,
        Fut: Future<Output = Result<T, RedisError>>,
    {
        let mut deadline = None;
        let mut pause = FIRST_PAUSE;
        loop {
            let lost = match self.link().await {
                Ok(link) => match run_on(&link, &command).await {
                    Ok(value) => return Ok(value),
                    Err(error) if link.is_alive() && !is_lost(&error) => {
                        if *error.kind() == ErrorKind::Timeout {
                            self.discard(&link).await;
                        }
                        return Err(self.error(operation, error));
                    }
                    Err(error) => {
                        self.discard(&link).await;
                        BoxError::from(error)
                    }
                },
                Err(ConnectError::Final(error)) => return Err(self.error(operation, error)),
                Err(ConnectError::Lost(error)) => error,
            };
            let deadline = *deadline.get_or_insert_with(|| Instant::now() + RECONNECT_BOUND);
            if Instant::now() + pause > deadline {
                return Err(Error::connection(operation, self.safe_url(), lost));
            }
            tracing::debug!(url = %self.safe_url(), error = %lost, "redis connection lost, connecting again");
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// The connection; makes one where there is none.
    pub(crate) async fn link(&self) -> Result<Arc<Link>, ConnectError> {
        let mut slot = self.slot.lock().await;
        if self.closed.load(Ordering::Acquire) {
            return Err(ConnectError::Final("the connection was closed".into()));
        }
        if let Some(link) = slot.as_ref().filter(|link| link.is_alive()) {
            return Ok(link.clone());
        }
        let url = self.address.url().map_err(ConnectError::Lost)?;
        *self.last() = url.to_string();
        let link = Link::open(&url, self.command_timeout).await.map_err(|error| match error.kind() {
            ErrorKind::Auth | ErrorKind::Config | ErrorKind::InvalidArgument => {
                ConnectError::Final(error.into())
            }
            _ => ConnectError::Lost(error.into()),
        })?;
        let link = Arc::new(link);
        *slot = Some(link.clone());
        Ok(link)
    }

    /// Closes the connection for good. Calls after this fail, also where an attempt to connect is under way and this one is given up.
    pub(crate) async fn close(&self) {
        self.closed.store(true, Ordering::Release);
        *self.slot.lock().await = None;
    }

    async fn discard(&self, lost: &Arc<Link>) {
        let mut slot = self.slot.lock().await;
        if slot.as_ref().is_some_and(|link| Arc::ptr_eq(link, lost)) {
            *slot = None;
        }
    }

    fn error(&self, operation: &str, error: impl Into<BoxError>) -> Error {
        Error::connection(operation, self.safe_url(), error)
    }

    fn last(&self) -> std::sync::MutexGuard<'_, String> {
        self.last_url.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("url", &self.safe_url()).finish_non_exhaustive()
    }
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectError {
    /// Trying again may help.
    #[error(transparent)]
    Lost(BoxError),
    /// Trying again cannot help.
    #[error(transparent)]
    Final(BoxError),
}

async fn run_on<T, F, Fut>(link: &Arc<Link>, command: &F) -> Result<T, RedisError>
where
    F: Fn(Arc<Link>) -> Fut,
    Fut: Future<Output = Result<T, RedisError>>,
{
    tokio::select! {
        biased;
        result = command(link.clone()) => result,
        // A command that came too late for the connection would stay in its queue for ever.
        () = link.closed() => Err(RedisError::new(ErrorKind::IO, "connection closed")),
    }
}

/// Whether an error says that the connection is gone, rather than that the server refused or was too slow. What timed out is not tried
/// again: the server may still do it.
pub(crate) fn is_lost(error: &RedisError) -> bool {
    matches!(error.kind(), ErrorKind::IO | ErrorKind::Canceled)
}

#[cfg(test)]
mod tests {
    use testcelery_api::ConnectionUrl;

    use super::*;

    fn nobody() -> Arc<dyn Address> {
        // Port 1 (tcpmux) is privileged and unused: the connection is refused at once.
        Arc::new("redis://:hunter2@127.0.0.1:1/0".parse::<ConnectionUrl>().unwrap())
    }

    #[tokio::test]
    async fn nobody_there_is_told_at_once_and_without_the_password() {
        let server = Server::new(nobody(), Duration::from_secs(1));
        let error = server.connect("connect").await.unwrap_err();
        assert_eq!(error.to_string(), "could not connect at redis://:**@127.0.0.1:1/0");
        assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
    }

    fn with_sources(error: &dyn std::error::Error) -> String {
        let source = error.source().map(with_sources);
        source.map_or_else(|| error.to_string(), |source| format!("{error}: {source}"))
    }

    async fn refused(url: &str) -> (String, Duration) {
        let server = Server::new(Arc::new(url.parse::<ConnectionUrl>().unwrap()), Duration::from_secs(1));
        let begin = std::time::Instant::now();
        let error = server.connect("connect").await.unwrap_err();
        (with_sources(&error), begin.elapsed())
    }

    #[tokio::test]
    async fn the_first_connection_fails_with_the_reason_and_within_five_seconds() {
        let (text, _) = refused("redis://127.0.0.1:1/0").await;
        assert!(text.contains("refused"), "{text}");
        let (text, _) = refused("redis://no-such-host.invalid:1/0").await;
        assert!(text.contains("lookup") || text.contains("no answer within 5s"), "{text}");
        let mute = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let (text, waited) = refused(&format!("redis://{}/0", mute.local_addr().unwrap())).await;
        assert!(text.contains("no answer within 5s"), "{text}");
        assert!(waited < RECONNECT_BOUND / 2, "{waited:?}");
    }

    #[tokio::test]
    async fn a_closed_server_stays_closed() {
        let server = Server::new(nobody(), Duration::from_secs(1));
        server.close().await;
        let error = server.run("publish", |_| async { Ok::<(), RedisError>(()) }).await.unwrap_err();
        let source = std::error::Error::source(&error).unwrap().to_string();
        assert_eq!(source, "the connection was closed");
    }

    #[tokio::test(start_paused = true)]
    async fn gives_up_after_the_bound() {
        let server = Server::new(nobody(), Duration::from_secs(1));
        let begin = Instant::now();
        let outcome = server.run("publish", |_| async { Ok::<(), RedisError>(()) }).await;
        assert!(matches!(outcome, Err(Error::Connection { .. })), "{outcome:?}");
        let waited = begin.elapsed();
        assert!(waited > RECONNECT_BOUND - LONGEST_PAUSE && waited <= RECONNECT_BOUND, "{waited:?}");
    }
}
