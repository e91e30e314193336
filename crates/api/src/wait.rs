//! When a container counts as ready.

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use tokio::time::Instant;

use crate::{BoxError, Container, Endpoint, Error, Evidence, LogPattern, Result, blocking};

/// How long a container may take to become ready, unless it says otherwise: 60 s, as pytest-celery's `CONTAINER_TIMEOUT`.
pub const DEFAULT_READY_TIMEOUT: Duration = Duration::from_secs(60);

/// How long to pause between two attempts of a probe. A server that does not listen yet can tell nobody when it will.
const PROBE_INTERVAL: Duration = Duration::from_millis(20);

/// How long one attempt of a probe may take before the next one is made.
const PROBE_TIMEOUT: Duration = Duration::from_secs(5);

/// A question to a container that is asked until the answer is yes: a protocol handshake, as a rule.
#[async_trait]
pub trait Probe: Send + Sync + fmt::Debug {
    /// What it asks, for error messages: `an AMQP handshake`.
    fn description(&self) -> String;

    /// Asks once.
    ///
    /// # Errors
    /// Why the answer is not yes yet; the last such error becomes evidence. [`NeverReady`] ends the wait.
    async fn probe(&self, container: &dyn Container) -> Result<(), BoxError>;
}

/// The error of a [`Probe`] after which no further attempt can succeed: the wait ends at once, and not after its time limit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NeverReady(pub String);

/// One condition for being ready.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Wait {
    /// A line of the log since the last start.
    Log(LogPattern),
    /// A probe that succeeds.
    Probe(Arc<dyn Probe>),
    /// All of some conditions, in order.
    All(Vec<Wait>),
    /// The first of some conditions.
    Any(Vec<Wait>),
}

impl Wait {
    /// A line of the log: a substring, or any [`LogPattern`].
    pub fn log(pattern: impl Into<LogPattern>) -> Self {
        Self::Log(pattern.into())
    }

    /// A probe that succeeds.
    pub fn probe(probe: impl Probe + 'static) -> Self {
        Self::Probe(Arc::new(probe))
    }

    /// An answer on one of its published ports, asked for by code that blocks, as `std::net` does: it gets a thread of its own. `what` is for
    /// error messages. Give sockets a time limit: after 5 s the next attempt begins.
    ///
    /// ```
    /// use std::{io::{Read as _, Write as _}, net::TcpStream, time::Duration};
    /// use testcelery_api::Wait;
    ///
    /// let wait = Wait::answer(6379, "the answer to a PING", |endpoint| {
    ///     let mut stream = TcpStream::connect(endpoint.host_address())?;
    ///     stream.set_read_timeout(Some(Duration::from_secs(2)))?;
    ///     stream.write_all(b"PING\r\n")?;
    ///     let mut answer = [0; 7];
    ///     stream.read_exact(&mut answer)?;
    ///     if &answer == b"+PONG\r\n" { Ok(()) } else { Err("it is no PONG".into()) }
    /// });
    /// # assert!(format!("{wait:?}").contains("PING"));
    /// ```
    pub fn answer(
        port: u16,
        what: impl Into<String>,
        ask: impl Fn(&Endpoint) -> Result<(), BoxError> + Send + Sync + 'static,
    ) -> Self {
        Self::probe(Question { port, what: what.into(), ask: Arc::new(ask) })
    }

    async fn run(&self, container: &dyn Container, deadline: Instant) -> Result<()> {
        match self {
            Self::Log(pattern) => {
                let timeout = deadline.saturating_duration_since(Instant::now());
                container.logs().wait(pattern.clone()).timeout(timeout).await.map(drop)
            }
            Self::Probe(probe) => run_probe(probe.as_ref(), container, deadline).await,
            Self::All(waits) => {
                for wait in waits {
                    Box::pin(wait.run(container, deadline)).await?;
                }
                Ok(())
            }
            Self::Any(waits) => {
                let runs: Vec<_> = waits.iter().map(|wait| Box::pin(wait.run(container, deadline))).collect();
                match futures_util::future::select_ok(runs).await {
                    Ok(((), _)) => Ok(()),
                    Err(error) => Err(error),
                }
            }
        }
    }
}

type Ask = dyn Fn(&Endpoint) -> Result<(), BoxError> + Send + Sync;

/// What [`Wait::answer`] asks.
struct Question {
    port: u16,
    what: String,
    ask: Arc<Ask>,
}

impl fmt::Debug for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Question").field("port", &self.port).field("what", &self.what).finish_non_exhaustive()
    }
}

#[async_trait]
impl Probe for Question {
    fn description(&self) -> String {
        self.what.clone()
    }

    async fn probe(&self, container: &dyn Container) -> Result<(), BoxError> {
        let (endpoint, ask) = (container.endpoint(self.port)?, Arc::clone(&self.ask));
        blocking(move || ask(&endpoint)).await?
    }
}

async fn run_probe(probe: &dyn Probe, container: &dyn Container, deadline: Instant) -> Result<()> {
    let begin = Instant::now();
    let mut last = None;
    let attempts = async {
        loop {
            match tokio::time::timeout(PROBE_TIMEOUT, probe.probe(container)).await {
                Ok(Ok(())) => return true,
                Ok(Err(error)) => {
                    last = Some(with_sources(error.as_ref()));
                    if error.is::<NeverReady>() {
                        return false;
                    }
                }
                Err(_) => last = Some(format!("no answer within {PROBE_TIMEOUT:?}")),
            }
            tokio::time::sleep(PROBE_INTERVAL).await;
        }
    };
    let outcome = tokio::select! {
        is_ready = attempts => match is_ready {
            true => return Ok(()),
            false => Error::NeverReady,
        },
        _ = container.wait_exit() => Error::Exited,
        () = tokio::time::sleep_until(deadline) => Error::Timeout,
    };
    let evidence =
        Evidence::collect(container.logs(), probe.description(), begin.elapsed()).last_attempt(last);
    Err(outcome(Box::new(evidence)))
}

fn with_sources(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(&format!(": {error}"));
        source = error.source();
    }
    text
}

/// Waits until a container fulfils every condition of its spec.
///
/// # Errors
/// [`Error::Timeout`] after the spec's `ready_timeout`, [`Error::Exited`] at once when the container ends, [`Error::NeverReady`] at once when a
/// probe finds that waiting cannot help; all with evidence.
pub async fn until_ready(container: &dyn Container) -> Result<()> {
    let spec = container.spec();
    let deadline = Instant::now() + spec.ready_timeout;
    for wait in &spec.waits {
        wait.run(container, deadline).await?;
    }
    Ok(())
}
