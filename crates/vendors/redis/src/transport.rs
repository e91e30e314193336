//! Messages through Redis lists and channels, as Kombu's Redis transport carries them.

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use fred::interfaces::{ListInterface, PubsubInterface};
use testcelery_api::ConnectionUrl;
use testcelery_client::{
    Address, Error, Inbox, Message, QueueDeclaration, Result, ResultStore, Transport, TransportFactory,
};

use crate::{
    envelope, inbox,
    link::{self, SEPARATOR, database},
    server::{RECONNECT_BOUND, Server},
};

/// The priority steps of a queue (Kombu's `PRIORITY_STEPS`), each a list of its own. 0 is the most urgent.
pub(crate) const PRIORITY_STEPS: [u8; 4] = [0, 3, 6, 9];

/// Celery messages through Redis, compatible with Kombu's `redis` transport.
///
/// A task is pushed to the list of its queue and priority step; of the priorities 0 to 9 the **lowest is the most urgent**, the other way
/// round than in RabbitMQ, and what is above 9 counts as 9. Control commands are published to a channel. One connection serves all calls;
/// when it is lost, a call asks the [`Address`] anew and tries for 30 s before it fails. No call takes longer. A message whose connection was lost before the
/// server confirmed it is sent again, and so may be delivered twice, as with Celery's own publish retry.
pub struct RedisTransport {
    server: Arc<Server>,
    address: Arc<dyn Address>,
}

impl RedisTransport {
    /// Connects.
    ///
    /// # Errors
    /// [`Error::Connection`] when the server cannot be reached with one attempt, which takes 5 s at most.
    pub async fn connect(address: Arc<dyn Address>) -> Result<Self> {
        let server = Server::new(address.clone(), RECONNECT_BOUND);
        server.connect("connect to the broker").await?;
        Ok(Self { server: Arc::new(server), address })
    }
}

impl RedisTransport {
    /// Returns the channel of a fanout exchange. It carries the number of the database, because channels belong to no database.
    fn channel(&self, operation: &str, exchange: &str) -> Result<String> {
        let url = self.address.url().map_err(|error| Error::connection(operation, self.safe_url(), error))?;
        let database =
            database(&url).map_err(|error| Error::connection(operation, url.to_string(), error))?;
        Ok(format!("/{database}.{exchange}"))
    }

    /// A message that reached nobody is lost, so it is an error.
    fn reached(&self, operation: &str, receivers: usize, problem: &'static str) -> Result<()> {
        match receivers {
            0 => {
                Err(Error::connection(operation, self.safe_url(), format!("the message is lost: {problem}")))
            }
            _ => Ok(()),
        }
    }
}

#[async_trait]
impl Transport for RedisTransport {
    fn safe_url(&self) -> String {
        self.server.safe_url()
    }

    async fn publish(&self, queue: &QueueDeclaration, message: &Message) -> Result<()> {
        let step = step(message.properties.priority.unwrap_or(0));
        let operation = &format!("publish to queue {}", queue.name);
        let (exchange, routing_key) = queue.target();
        let envelope = envelope::encode(message, exchange, routing_key);
        match queue.exchange.kind.as_str() {
            "direct" => {
                self.server
                    .run(operation, |link| {
                        let (key, envelope) = (list(&queue.name, step), envelope.clone());
                        async move {
                            link.declare(queue).await?;
                            link.client().lpush(key, envelope).await
                        }
                    })
                    .await
            }
            "topic" => {
                let queues = self.server.run(operation, |link| {
                    let envelope = envelope.clone();
                    async move {
                        link.declare(queue).await?;
                        let queues = link.bound(exchange, routing_key).await?;
                        for name in &queues {
                            let () = link.client().lpush(list(name, step), envelope.clone()).await?;
                        }
                        Ok(queues.len())
                    }
                });
                self.reached(operation, queues.await?, "no queue is bound to its exchange with its key")
            }
            "fanout" => {
                let channel = match routing_key {
                    "" => self.channel(operation, exchange)?,
                    key => format!("{}/{key}", self.channel(operation, exchange)?),
                };
                let listeners = self.server.run(operation, |link| {
                    let (channel, envelope) = (channel.clone(), envelope.clone());
                    async move {
                        link.declare(queue).await?;
                        link.client().publish(channel, envelope).await
                    }
                });
                self.reached(operation, listeners.await?, "no worker listens to its fanout exchange now")
            }
            other => {
                let problem = format!("Kombu's Redis transport has no exchange of type {other}");
                Err(Error::connection(operation, self.safe_url(), problem))
            }
        }
    }

    async fn broadcast(&self, exchange: &str, message: &Message) -> Result<()> {
        let operation = format!("broadcast to {exchange}");
        let channel = self.channel(&operation, exchange)?;
        let envelope = envelope::encode(message, exchange, "");
        self.server
            .run(&operation, |link| {
                let (channel, envelope) = (channel.clone(), envelope.clone());
                async move { link.client().publish(channel, envelope).await }
            })
            .await
    }

    async fn open_inbox(&self, exchange: &str, routing_key: &str) -> Result<Box<dyn Inbox>> {
        inbox::open(&self.server, exchange, routing_key).await
    }

    async fn rpc_store(&self) -> Result<Arc<dyn ResultStore>> {
        Err(Error::NoRpc { url: self.safe_url() })
    }

    async fn close(&self) {
        self.server.close().await;
    }
}

impl fmt::Debug for RedisTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisTransport").field("server", &self.server).finish_non_exhaustive()
    }
}

/// Makes [`RedisTransport`]s for `redis://`.
#[derive(Debug, Clone, Copy, Default)]
pub struct RedisTransportFactory;

#[async_trait]
impl TransportFactory for RedisTransportFactory {
    fn schemes(&self) -> &'static [&'static str] {
        &["redis"]
    }

    fn check(&self, url: &ConnectionUrl) -> Result<(), String> {
        link::check(url)
    }

    async fn connect(&self, address: Arc<dyn Address>) -> Result<Arc<dyn Transport>> {
        Ok(Arc::new(RedisTransport::connect(address).await?))
    }
}

/// The list of a queue for a priority step; step 0 has no suffix.
pub(crate) fn list(queue: &str, step: u8) -> String {
    match step {
        0 => queue.to_owned(),
        _ => format!("{queue}{SEPARATOR}{step}"),
    }
}

/// The largest step that is not above the priority.
fn step(priority: u8) -> u8 {
    PRIORITY_STEPS.into_iter().rev().find(|step| *step <= priority).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn priorities_fall_to_the_step_below() {
        let steps: Vec<u8> = [0, 2, 3, 5, 6, 8, 9, 255].into_iter().map(step).collect();
        assert_eq!(steps, [0, 0, 3, 3, 6, 6, 9, 9]);
    }

    #[test]
    fn step_zero_is_the_queue_itself() {
        assert_eq!(list("celery", 0), "celery");
        assert_eq!(list("celery", 9), "celery\x06\x169");
    }
}
