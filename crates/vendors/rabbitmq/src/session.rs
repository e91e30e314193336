//! One AMQP connection with the channel that publishes on it.

use std::{
    collections::HashSet,
    sync::{Mutex, PoisonError},
};

use lapin::{
    BasicProperties, Channel, Confirmation, Connection, ExchangeKind,
    options::{
        BasicPublishOptions, ConfirmSelectOptions, ExchangeDeclareOptions, QueueBindOptions,
        QueueDeclareOptions,
    },
    types::{FieldTable, ShortString},
};
use testcelery_api::BoxError;

use crate::amqp;

/// Why an attempt failed, and whether another one can help.
#[derive(Debug)]
pub(crate) enum Fault {
    /// The broker is away, or was lost.
    Lost(BoxError),
    /// The broker says no.
    Refused(BoxError),
}

impl From<lapin::Error> for Fault {
    fn from(error: lapin::Error) -> Self {
        match amqp::is_temporary(&error) {
            true => Self::Lost(error.into()),
            false => Self::Refused(error.into()),
        }
    }
}

/// One AMQP connection with the channel that publishes on it.
#[derive(Debug)]
pub(crate) struct Session {
    connection: Connection,
    publisher: tokio::sync::Mutex<Option<Channel>>,
    exchanges: Mutex<HashSet<ShortString>>,
}

impl Session {
    pub(crate) fn new(connection: Connection) -> Self {
        Self { connection, publisher: tokio::sync::Mutex::default(), exchanges: Mutex::default() }
    }

    pub(crate) fn is_connected(&self) -> bool {
        self.connection.status().connected()
    }

    /// A channel for whoever may break it: a refused declaration closes the channel.
    pub(crate) async fn channel(&self) -> Result<Channel, Fault> {
        Ok(self.connection.create_channel().await?)
    }

    /// Tells the broker, as far as it still listens.
    pub(crate) async fn close(&self) -> lapin::Result<()> {
        self.connection.close(200, "OK".into()).await
    }

    /// Puts a message into a queue and waits until the broker has it. A queue that does not exist is declared.
    ///
    /// The broker returns a message that it cannot route. lapin hands a returned message to whichever of the unconfirmed publications is
    /// confirmed next, which need not be the one that it belongs to. So whoever gets one sends that one again.
    pub(crate) async fn publish_to_queue(
        &self,
        queue: &ShortString,
        properties: &BasicProperties,
        body: &[u8],
    ) -> Result<(), Fault> {
        let mandatory = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
        let outcome = self.publish("".into(), queue.clone(), mandatory, properties.clone(), body);
        let Some(returned) = outcome.await?.take_message() else {
            return Ok(());
        };
        let returned = returned.delivery;
        let queue = returned.routing_key;
        self.declare_queue(&queue).await?;
        let outcome = self.publish("".into(), queue.clone(), mandatory, returned.properties, &returned.data);
        match outcome.await?.take_message() {
            None => Ok(()),
            Some(again) => Err(Fault::Refused(
                format!(
                    "the broker returned a message for queue {queue}, which was just declared: {}",
                    again.reply_text
                )
                .into(),
            )),
        }
    }

    /// Publishes to an exchange. It is no error when nobody listens.
    pub(crate) async fn publish_to_exchange(
        &self,
        exchange: &ShortString,
        properties: &BasicProperties,
        body: &[u8],
    ) -> Result<(), Fault> {
        self.declare_exchange(exchange, ExchangeKind::Fanout).await?;
        let options = BasicPublishOptions::default();
        let outcome = self.publish(exchange.clone(), "".into(), options, properties.clone(), body).await;
        if outcome.is_err() {
            // Perhaps somebody has deleted it.
            self.known_exchanges().remove(exchange);
        }
        outcome.map(drop)
    }

    /// Declares an exchange as Kombu's pidbox does: neither durable nor deleted automatically.
    pub(crate) async fn declare_exchange(&self, name: &ShortString, kind: ExchangeKind) -> Result<(), Fault> {
        if self.known_exchanges().contains(name) {
            return Ok(());
        }
        let declared = self
            .channel()
            .await?
            .exchange_declare(name.clone(), kind, ExchangeDeclareOptions::default(), FieldTable::default())
            .await;
        or_existing(declared)?;
        self.known_exchanges().insert(name.clone());
        Ok(())
    }

    /// Declares a task queue as Celery does when it meets an unknown name (`Queues.new_missing`): durable, bound to a durable direct
    /// exchange of its own name.
    async fn declare_queue(&self, name: &ShortString) -> Result<(), Fault> {
        let channel = self.channel().await?;
        let none = FieldTable::default();
        let queue = channel.queue_declare(name.clone(), QueueDeclareOptions::durable(), none.clone());
        if or_existing(queue.await.map(drop))? {
            return Ok(());
        }
        let durable = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
        let exchange = channel.exchange_declare(name.clone(), ExchangeKind::Direct, durable, none.clone());
        if or_existing(exchange.await)? {
            return Ok(());
        }
        let bind = QueueBindOptions::default();
        channel.queue_bind(name.clone(), name.clone(), name.clone(), bind, none).await?;
        Ok(())
    }

    async fn publish(
        &self,
        exchange: ShortString,
        routing_key: ShortString,
        options: BasicPublishOptions,
        properties: BasicProperties,
        body: &[u8],
    ) -> Result<Confirmation, Fault> {
        let channel = self.publisher().await?;
        let confirm = channel.basic_publish(exchange, routing_key, options, body, properties);
        let confirmation = confirm.await?.await?;
        match confirmation.is_nack() {
            true => Err(Fault::Lost("the broker could not keep the message".into())),
            false => Ok(confirmation),
        }
    }

    async fn publisher(&self) -> Result<Channel, Fault> {
        let mut publisher = self.publisher.lock().await;
        if let Some(channel) = publisher.as_ref().filter(|channel| channel.status().connected()) {
            return Ok(channel.clone());
        }
        let channel = self.channel().await?;
        channel.confirm_select(ConfirmSelectOptions::default()).await?;
        Ok(publisher.insert(channel).clone())
    }

    fn known_exchanges(&self) -> std::sync::MutexGuard<'_, HashSet<ShortString>> {
        self.exchanges.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether it exists with other properties, which is as good: somebody else has declared it.
fn or_existing(declared: lapin::Result<()>) -> Result<bool, Fault> {
    match declared {
        Ok(()) => Ok(false),
        Err(error) if amqp::exists_otherwise(&error) => Ok(true),
        Err(error) => Err(error.into()),
    }
}
