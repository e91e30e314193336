//! Temporary queues of replies.

use std::time::Duration;

use async_trait::async_trait;
use futures_util::StreamExt;
use lapin::{
    Channel, Consumer, ExchangeKind,
    options::{BasicCancelOptions, BasicConsumeOptions, QueueBindOptions, QueueDeclareOptions},
    types::{AMQPValue, FieldTable, ShortString},
};
use testcelery_client::{Error, Inbox, Message, Result};
use uuid::Uuid;

use crate::{fault::Fault, fields, link::Link, session::Session};

/// After what time RabbitMQ drops a queue that nobody uses, and a reply that nobody fetches: Kombu's `Mailbox.reply_queue_expires` and
/// `reply_queue_ttl`, in milliseconds.
const ARGUMENTS: [(&str, i32); 2] = [("x-expires", 10_000), ("x-message-ttl", 300_000)];

/// Time limit for the removal of the queue.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// A queue of the connection's own that is bound to an exchange. It goes away with its consumer.
#[derive(Debug)]
pub(crate) struct AmqpInbox {
    url: String,
    channel: Channel,
    consumer: Consumer,
}

impl AmqpInbox {
    pub(crate) async fn open(link: &Link, exchange: &str, routing_key: &str) -> Result<Self> {
        // Kombu's name with something more: two inboxes of one client must not share a queue, each would get half of the replies.
        let queue = format!("{routing_key}.{}.{exchange}", Uuid::new_v4().simple());
        let short = |option, text: &str| {
            ShortString::try_new(text).map_err(|error| Error::Option {
                task: "(none)".to_owned(),
                option,
                problem: error.to_string(),
            })
        };
        let names = &Names {
            exchange: short("exchange", exchange)?,
            routing_key: short("routing_key", routing_key)?,
            queue: short("queue", &queue)?,
        };
        let operation = format!("open a queue at exchange {exchange}");
        let (channel, consumer) =
            link.run(&operation, |session| async move { names.consume(&session).await }).await?;
        Ok(Self { url: link.safe_url(), channel, consumer })
    }
}

struct Names {
    exchange: ShortString,
    routing_key: ShortString,
    queue: ShortString,
}

impl Names {
    async fn consume(&self, session: &Session) -> Result<(Channel, Consumer), Fault> {
        session.declare_exchange(&self.exchange, ExchangeKind::Direct).await?;
        let channel = session.channel().await?;
        let mut arguments = FieldTable::default();
        for (key, milliseconds) in ARGUMENTS {
            arguments.insert(key.into(), AMQPValue::LongInt(milliseconds));
        }
        let options = QueueDeclareOptions::exclusive().auto_delete();
        channel.queue_declare(self.queue.clone(), options, arguments).await?;
        channel
            .queue_bind(
                self.queue.clone(),
                self.exchange.clone(),
                self.routing_key.clone(),
                QueueBindOptions::default(),
                FieldTable::default(),
            )
            .await?;
        let options = BasicConsumeOptions { no_ack: true, ..BasicConsumeOptions::default() };
        let consumer = channel.basic_consume(self.queue.clone(), "".into(), options, FieldTable::default());
        let consumer = consumer.await?;
        Ok((channel, consumer))
    }
}

#[async_trait]
impl Inbox for AmqpInbox {
    async fn next(&mut self) -> Result<Message> {
        match self.consumer.next().await {
            Some(Ok(delivery)) => Ok(fields::from_amqp(delivery)),
            Some(Err(error)) => Err(Error::connection("receive a reply", &self.url, error)),
            None => Err(Error::connection("receive a reply", &self.url, "the broker has removed the queue")),
        }
    }

    async fn close(self: Box<Self>) {
        // Without its consumer the queue goes away. A broker that reads nothing answers nothing; then the queue expires.
        let cancelled = self.channel.basic_cancel(self.consumer.tag(), BasicCancelOptions::default());
        match tokio::time::timeout(CLOSE_TIMEOUT, cancelled).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(%error, "the queue was gone before it was closed"),
            Err(_) => tracing::debug!("the queue of replies is left to expire"),
        }
    }
}
