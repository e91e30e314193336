//! A running part of the stack, seen as what it is.

use std::{any::Any, fmt, sync::Arc, time::Duration};

use async_trait::async_trait;

use crate::{ConnectionUrl, Container, Error, Evidence, ExitStatus, Logs, Result, Signal, until_ready};

/// How long a node gets between `SIGTERM` and `SIGKILL` when it is restarted.
const RESTART_GRACE: Duration = Duration::from_secs(10);

/// The time that a node gets to end after `SIGKILL`.
const KILL_LIMIT: Duration = Duration::from_secs(60);

/// A running part of the stack. It owns its container.
///
/// Every call ends by itself, but for [`wait_exit`](Self::wait_exit).
#[async_trait]
pub trait Node: Any + Send + Sync + fmt::Debug {
    /// The container it runs in.
    fn container(&self) -> &Arc<dyn Container>;

    /// What kind it is, as `rabbitmq`; from the component.
    fn kind(&self) -> &str;

    /// Its name in the setup.
    fn name(&self) -> &str {
        &self.container().spec().name
    }

    /// Its log.
    fn logs(&self) -> &Logs {
        self.container().logs()
    }

    /// Waits until it is usable, for the ready timeout of its spec at most (60 s unless its component says otherwise).
    ///
    /// # Errors
    /// With evidence, when it does not become ready in time or ends.
    async fn ready(&self) -> Result<()> {
        until_ready(self.container().as_ref()).await
    }

    /// Sends a signal. After `SIGKILL` it returns when the container has ended, within 60 s; after any other as soon as it is sent.
    ///
    /// # Errors
    /// When the engine refuses, for example for a container that does not run; [`Error::Timeout`](crate::Error::Timeout) when the container
    /// does not end.
    async fn kill(&self, signal: Signal) -> Result<()> {
        self.container().kill(&signal).await?;
        if signal == Signal::KILL {
            self.wait_exit_within(KILL_LIMIT).await?;
        }
        Ok(())
    }

    /// Starts it again after it ended, and waits until it is usable.
    ///
    /// # Errors
    /// As [`ready`](Self::ready).
    async fn start(&self) -> Result<()> {
        self.container().start().await?;
        self.ready().await
    }

    /// Stops it (`SIGTERM`, `SIGKILL` after 10 s), starts it and waits until it is usable.
    ///
    /// # Errors
    /// As [`ready`](Self::ready).
    async fn restart(&self) -> Result<()> {
        self.container().restart(RESTART_GRACE).await?;
        self.ready().await
    }

    /// Waits until its main process ends. Without a limit: where it may not end, use [`wait_exit_within`](Self::wait_exit_within).
    async fn wait_exit(&self) -> ExitStatus {
        self.container().wait_exit().await
    }

    /// Waits until its main process ends, for `limit` at most.
    ///
    /// # Errors
    /// [`Error::Timeout`](crate::Error::Timeout) with evidence when it does not end in time.
    async fn wait_exit_within(&self, limit: Duration) -> Result<ExitStatus> {
        match tokio::time::timeout(limit, self.wait_exit()).await {
            Ok(status) => Ok(status),
            Err(_) => Err(Error::Timeout(Box::new(Evidence::collect(self.logs(), "its end", limit)))),
        }
    }
}

/// A message broker.
pub trait Broker: Node {
    /// The URL for workers: by its name in the network.
    fn url(&self) -> ConnectionUrl;

    /// The URL for the test: by its published port. Another one after a restart, perhaps.
    ///
    /// # Errors
    /// When the container does not run.
    fn host_url(&self) -> Result<ConnectionUrl>;
}

/// A result backend.
pub trait Backend: Node {
    /// The URL for workers: by its name in the network.
    fn url(&self) -> ConnectionUrl;

    /// The URL for the test: by its published port. Another one after a restart, perhaps.
    ///
    /// # Errors
    /// When the container does not run.
    fn host_url(&self) -> Result<ConnectionUrl>;
}

/// A Celery worker.
pub trait Worker: Node {
    /// Celery's name for it: `name@host`.
    fn hostname(&self) -> String;

    /// The queues it consumes from, in the order they were given.
    fn queues(&self) -> &[String];

    /// The Celery version it was asked to run.
    fn version(&self) -> &str;

    /// The log level it was started with, as `INFO`.
    fn log_level(&self) -> &str;
}

impl dyn Broker {
    /// The node as the type that a component made.
    pub fn downcast_ref<T: Broker>(&self) -> Option<&T> {
        (self as &dyn Any).downcast_ref()
    }
}

impl dyn Backend {
    /// The node as the type that a component made.
    pub fn downcast_ref<T: Backend>(&self) -> Option<&T> {
        (self as &dyn Any).downcast_ref()
    }
}

impl dyn Worker {
    /// The node as the type that a component made.
    pub fn downcast_ref<T: Worker>(&self) -> Option<&T> {
        (self as &dyn Any).downcast_ref()
    }
}
