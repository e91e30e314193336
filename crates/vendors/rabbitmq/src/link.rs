//! The connection to a broker that may go away and come back elsewhere.

use std::{
    future::Future,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use testcelery_api::BoxError;
use testcelery_client::{Address, Error, Result};

use crate::{amqp, blocked, fault::Fault, session::Session};

/// Time limit of every call on a transport, for a broker that is away, silent or blocked.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Time limit for closing the connection in order. After it the connection is abandoned.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// The pause after a failed attempt; it doubles up to [`LONGEST_PAUSE`]. A broker that is away can tell nobody when it is back.
const FIRST_PAUSE: Duration = Duration::from_millis(20);

const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// The connection to a broker: made once, shared, and made anew when it was lost, at the address where the broker is then.
#[derive(Debug)]
pub(crate) struct Link {
    address: Arc<dyn Address>,
    /// Where the broker was last seen, without the password.
    last_url: Mutex<String>,
    session: tokio::sync::Mutex<Option<Arc<Session>>>,
    closed: AtomicBool,
}

impl Link {
    pub(crate) fn new(address: Arc<dyn Address>) -> Self {
        Self {
            last_url: Mutex::new(match address.url() {
                Ok(url) => url.to_string(),
                Err(_) => "amqp://(not running)".to_owned(),
            }),
            address,
            session: tokio::sync::Mutex::default(),
            closed: AtomicBool::new(false),
        }
    }

    /// The URL, without its password, of the broker where it was last looked for.
    pub(crate) fn safe_url(&self) -> String {
        lock(&self.last_url).clone()
    }

    /// Connects for the first time, with one attempt: a caller may have another broker to go to.
    pub(crate) async fn connect(&self) -> Result<()> {
        match self.session().await {
            Ok(_) => Ok(()),
            Err(fault) => Err(Error::connection("connect", self.safe_url(), fault.into_error())),
        }
    }

    /// Works on the connection. If the broker is lost meanwhile, everything is done again on a new connection, for [`PATIENCE`] at most.
    ///
    /// If the broker closes the connection for the form of what one of its calls sent, every call is done again on a connection of its own. So
    /// the call to blame gets its error, and the others succeed.
    pub(crate) async fn run<T, F>(&self, operation: &str, work: impl Fn(Arc<Session>) -> F) -> Result<T>
    where
        F: Future<Output = Result<T, Fault>>,
    {
        let last = Mutex::new(Last::default());
        let attempts = async {
            let mut pause = FIRST_PAUSE;
            let mut alone = false;
            loop {
                if self.closed.load(Ordering::Acquire) {
                    return Err("it was closed".into());
                }
                let session = match alone {
                    true => self.open().await.map(Arc::new),
                    false => self.session().await,
                };
                let outcome = match session {
                    Ok(session) => {
                        lock(&last).session = Some(Arc::downgrade(&session));
                        work(session).await
                    }
                    Err(fault) => Err(fault),
                };
                match outcome {
                    Ok(value) => return Ok(value),
                    Err(Fault::Broken(error)) if !alone => {
                        tracing::debug!(%operation, %error, "the broker closed the connection for its content");
                        lock(&last).error = Some(error);
                        alone = true;
                        continue;
                    }
                    Err(Fault::Refused(error) | Fault::Broken(error)) => return Err(error),
                    Err(Fault::Lost(error)) => {
                        tracing::debug!(%operation, %error, "the broker is away");
                        lock(&last).error = Some(error);
                    }
                }
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        };
        let outcome = tokio::time::timeout(PATIENCE, attempts).await;
        let error: BoxError = match outcome {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(error)) => error,
            Err(_) => self.overdue(last.into_inner().unwrap_or_else(PoisonError::into_inner)),
        };
        Err(Error::connection(operation, self.safe_url(), error))
    }

    /// Says why a call took too long. A connection that is silent for no known reason is given up; the next call begins with a new one.
    fn overdue(&self, last: Last) -> BoxError {
        let session = last.session.and_then(|session| session.upgrade());
        if let Some(reason) = session.as_ref().and_then(|session| session.blocked()) {
            let described = blocked::describe(&reason);
            return format!(
                "no answer within {PATIENCE:?}: {described}; what was under way when it began to block may still arrive"
            )
            .into();
        }
        // Where the lock is held, another call makes a new connection right now.
        if let (Some(session), Ok(mut current)) = (session, self.session.try_lock())
            && current.as_ref().is_some_and(|current| Arc::ptr_eq(current, &session))
        {
            current.take();
        }
        last.error.unwrap_or_else(|| format!("no answer within {PATIENCE:?}").into())
    }

    /// Returns what keeps the broker from accepting messages now.
    pub(crate) fn impediment(&self) -> Option<String> {
        let session = self.session.try_lock().ok()?;
        match session.as_ref().filter(|session| session.is_connected()) {
            Some(session) => session.blocked().map(|reason| blocked::describe(&reason)),
            None => Some("the broker is away".to_owned()),
        }
    }

    /// The connection, if there is one now.
    pub(crate) async fn current(&self) -> Option<Arc<Session>> {
        let session = self.session.lock().await;
        session.as_ref().filter(|session| session.is_connected()).cloned()
    }

    /// Closes the connection, within [`CLOSE_TIMEOUT`]. Calls after this fail.
    pub(crate) async fn close(&self) {
        self.closed.store(true, Ordering::Release);
        let closing = async {
            match self.session.lock().await.take() {
                Some(session) => session.close().await,
                None => Ok(()),
            }
        };
        match tokio::time::timeout(CLOSE_TIMEOUT, closing).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(%error, "the connection was gone before it was closed"),
            Err(_) => tracing::debug!("the broker did not answer the closing of the connection"),
        }
    }

    async fn session(&self) -> Result<Arc<Session>, Fault> {
        let mut current = self.session.lock().await;
        if let Some(session) = current.as_ref().filter(|session| session.is_connected() && !session.is_worn())
        {
            return Ok(session.clone());
        }
        Ok(current.insert(Arc::new(self.open().await?)).clone())
    }

    async fn open(&self) -> Result<Session, Fault> {
        let url = self.address.url().map_err(Fault::Lost)?;
        *lock(&self.last_url) = url.to_string();
        let connection = amqp::open(&url).await.map_err(|error| match error {
            crate::Error::Connect { ref source, .. } if !amqp::may_connect_later(source) => {
                Fault::Refused(error.into())
            }
            crate::Error::Url { .. } => Fault::Refused(error.into()),
            _ => Fault::Lost(error.into()),
        })?;
        Session::new(connection).map_err(|error| Fault::Lost(error.into()))
    }
}

/// What the last attempt of a call met.
#[derive(Debug, Default)]
struct Last {
    session: Option<Weak<Session>>,
    error: Option<BoxError>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
