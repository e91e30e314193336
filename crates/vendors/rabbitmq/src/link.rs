//! The connection to a broker that may go away and come back elsewhere.

use std::{
    future::Future,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use testcelery_api::BoxError;
use testcelery_client::{Address, Error, Result};

use crate::{
    amqp,
    session::{Fault, Session},
};

/// How long a call tries to reach a broker that is away before it gives up.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

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
        self.last_url.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Works on the connection. When the broker is lost meanwhile, all is done again on a new connection, for [`PATIENCE`] at most.
    pub(crate) async fn run<T, F>(&self, operation: &str, work: impl Fn(Arc<Session>) -> F) -> Result<T>
    where
        F: Future<Output = Result<T, Fault>>,
    {
        let last: Mutex<Option<BoxError>> = Mutex::new(None);
        let attempts = async {
            let mut pause = FIRST_PAUSE;
            loop {
                if self.closed.load(Ordering::Acquire) {
                    return Err("it was closed".into());
                }
                let outcome = match self.session().await {
                    Ok(session) => work(session).await,
                    Err(fault) => Err(fault),
                };
                match outcome {
                    Ok(value) => return Ok(value),
                    Err(Fault::Refused(error)) => return Err(error),
                    Err(Fault::Lost(error)) => {
                        tracing::debug!(%operation, %error, "the broker is away");
                        *last.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
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
            Err(_) => {
                // It may be there and dead; the next call begins with a new one.
                self.session.lock().await.take();
                let last = last.into_inner().unwrap_or_else(PoisonError::into_inner);
                last.unwrap_or_else(|| format!("no answer within {PATIENCE:?}").into())
            }
        };
        Err(Error::connection(operation, self.safe_url(), error))
    }

    /// The connection, if there is one now.
    pub(crate) async fn current(&self) -> Option<Arc<Session>> {
        let session = self.session.lock().await;
        session.as_ref().filter(|session| session.is_connected()).cloned()
    }

    /// Closes the connection. Calls after this fail.
    pub(crate) async fn close(&self) {
        self.closed.store(true, Ordering::Release);
        let session = self.session.lock().await.take();
        if let Some(session) = session
            && let Err(error) = session.close().await
        {
            tracing::debug!(%error, "the connection was gone before it was closed");
        }
    }

    async fn session(&self) -> Result<Arc<Session>, Fault> {
        let mut current = self.session.lock().await;
        if let Some(session) = current.as_ref().filter(|session| session.is_connected()) {
            return Ok(session.clone());
        }
        let url = self.address.url().map_err(Fault::Lost)?;
        *self.last_url.lock().unwrap_or_else(PoisonError::into_inner) = url.to_string();
        let connection = amqp::open(&url).await.map_err(|error| match error {
            crate::Error::Connect { ref source, .. } if !amqp::is_temporary(source) => {
                Fault::Refused(error.into())
            }
            crate::Error::Url { .. } => Fault::Refused(error.into()),
            _ => Fault::Lost(error.into()),
        })?;
        Ok(current.insert(Arc::new(Session::new(connection))).clone())
    }
}
