//! Channels that publish, each of them one message at a time.
//!
//! lapin hands a returned message to whichever publication of the channel is confirmed next. With one publication at a time on a channel that
//! is the one it belongs to. And a message that the broker refuses closes the channel of that message alone.

use std::sync::{Mutex, PoisonError};

use lapin::{
    BasicProperties, Channel, Confirmation,
    options::{BasicPublishOptions, ConfirmSelectOptions},
    types::ShortString,
};
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::{amqp, fault::Fault, session::Channels};

/// The channels of a connection that publish, opened as they are needed.
#[derive(Debug)]
pub(crate) struct Publishers {
    idle: Mutex<Vec<Channel>>,
    permits: Semaphore,
}

impl Publishers {
    /// Allows as many channels.
    pub(crate) fn new(channels: usize) -> Self {
        Self { idle: Mutex::default(), permits: Semaphore::new(channels) }
    }

    /// Takes a channel that nobody else uses.
    pub(crate) async fn take(&self, channels: &Channels) -> Result<Publisher<'_>, Fault> {
        let permit = self.permits.acquire().await.map_err(|closed| Fault::Lost(closed.into()))?;
        let idle = {
            let mut idle = self.idle();
            idle.retain(|channel| channel.status().connected());
            idle.pop()
        };
        let channel = match idle {
            Some(channel) => channel,
            None => {
                let channel = channels.open().await?;
                channel.confirm_select(ConfirmSelectOptions::default()).await?;
                channel
            }
        };
        Ok(Publisher { pool: self, channel, _permit: permit })
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Channel>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What became of a message.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// The broker has it.
    Accepted,
    /// It reached no queue; the broker's words.
    Unroutable(String),
}

/// A channel for one publication.
#[derive(Debug)]
pub(crate) struct Publisher<'a> {
    pool: &'a Publishers,
    channel: Channel,
    _permit: SemaphorePermit<'a>,
}

impl Publisher<'_> {
    /// Publishes a message and waits for its confirmation. Only a mandatory message that reaches no queue is reported as such.
    ///
    /// The channel is used again only after the confirmation: a call that is dropped before drops its channel.
    pub(crate) async fn publish(
        self,
        (exchange, routing_key): (ShortString, ShortString),
        mandatory: bool,
        properties: BasicProperties,
        body: &[u8],
    ) -> Result<Outcome, Fault> {
        let options = BasicPublishOptions { mandatory, ..BasicPublishOptions::default() };
        let confirmed = async {
            let confirm = self.channel.basic_publish(exchange, routing_key, options, body, properties);
            confirm.await?.await
        };
        let confirmation = match confirmed.await {
            Ok(confirmation) => confirmation,
            Err(error) if amqp::is_missing(&error) => return Ok(Outcome::Unroutable(error.to_string())),
            Err(error) => return Err(error.into()),
        };
        self.pool.idle().push(self.channel);
        match confirmation {
            Confirmation::Nack(_) => {
                Err(Fault::Lost("the broker could not keep the message (basic.nack)".into()))
            }
            confirmation => Ok(match confirmation.take_message() {
                Some(returned) => Outcome::Unroutable(returned.reply_text.to_string()),
                None => Outcome::Accepted,
            }),
        }
    }
}
