//! What carries messages to workers.

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use testcelery_api::ConnectionUrl;

use crate::{Address, Message, QueueDeclaration, Result, ResultStore, address::refuse_options};

/// A connection to a broker. It is made once and shared; a transport that loses it makes a new one for the next call.
///
/// Every call but [`Inbox::next`] has a time limit that the transport documents: 30 s for those of this project's vendors.
#[async_trait]
pub trait Transport: Send + Sync + fmt::Debug {
    /// The broker's URL without its password.
    fn safe_url(&self) -> String;

    /// Describes what keeps the broker from accepting messages now, for example `connection.blocked: low on memory`. Default: `None`.
    fn impediment(&self) -> Option<String> {
        None
    }

    /// Sends a message to a queue, by the exchange and the routing key of [`QueueDeclaration::target`]. The queue is declared before. Returns
    /// when the broker has accepted the message.
    ///
    /// # Errors
    /// [`Error::Connection`](crate::Error::Connection) if the broker cannot be reached again in time, if the broker refuses the message, or
    /// if the message reaches no queue.
    async fn publish(&self, queue: &QueueDeclaration, message: &Message) -> Result<()>;

    /// Hands a message to everyone who listens on a fanout exchange, as `celery.pidbox`.
    ///
    /// # Errors
    /// As [`publish`](Self::publish).
    async fn broadcast(&self, exchange: &str, message: &Message) -> Result<()>;

    /// Opens a temporary queue that is bound to a direct exchange with a routing key, as `reply.celery.pidbox` with the client's id. The
    /// queue is there when this returns. Dropping the inbox gives it up.
    ///
    /// # Errors
    /// As [`publish`](Self::publish).
    async fn open_inbox(&self, exchange: &str, routing_key: &str) -> Result<Box<dyn Inbox>>;

    /// Results through the broker itself (`rpc://`), where it can.
    ///
    /// # Errors
    /// [`Error::NoRpc`](crate::Error::NoRpc) where it cannot.
    async fn rpc_store(&self) -> Result<Arc<dyn ResultStore>>;

    /// Closes the connection. Calls after this fail.
    async fn close(&self);
}

/// A temporary queue of replies.
#[async_trait]
pub trait Inbox: Send + fmt::Debug {
    /// Returns the next reply. Waits for it without a limit.
    ///
    /// # Errors
    /// When the connection is lost.
    async fn next(&mut self) -> Result<Message>;

    /// Removes the queue with everything that the transport keeps for it.
    async fn close(self: Box<Self>);
}

/// Makes transports for the URL schemes that it speaks.
#[async_trait]
pub trait TransportFactory: Send + Sync + fmt::Debug {
    /// The schemes, as `["amqp", "pyamqp"]`.
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

    /// Connects with one attempt, which ends within a few seconds: another broker may be next in the list.
    ///
    /// # Errors
    /// [`Error::Connection`](crate::Error::Connection) with the redacted URL.
    async fn connect(&self, address: Arc<dyn Address>) -> Result<Arc<dyn Transport>>;
}

#[async_trait]
impl<T: TransportFactory + ?Sized> TransportFactory for Arc<T> {
    fn schemes(&self) -> &'static [&'static str] {
        (**self).schemes()
    }

    fn check(&self, url: &ConnectionUrl) -> Result<(), String> {
        (**self).check(url)
    }

    async fn connect(&self, address: Arc<dyn Address>) -> Result<Arc<dyn Transport>> {
        (**self).connect(address).await
    }
}
