//! One AMQP connection with the channels that publish on it.

use std::{
    collections::{HashMap, HashSet},
    io,
    sync::{Mutex, MutexGuard, PoisonError},
};

use lapin::{
    BasicProperties, Channel, Connection, ExchangeKind,
    options::ExchangeDeclareOptions,
    types::{FieldTable, ShortString},
};

use crate::{
    amqp,
    blocked::Blocked,
    declare::Declaration,
    fault::Fault,
    fields,
    publisher::{Outcome, Publishers},
};

/// Number of times that a message is sent because the broker has returned it. Each time its queue is declared before.
const ATTEMPTS: usize = 3;

/// One AMQP connection with the channels that publish on it.
#[derive(Debug)]
pub(crate) struct Session {
    connection: Connection,
    blocked: Blocked,
    publishers: Publishers,
    exchanges: Mutex<HashSet<ShortString>>,
    /// The queues that were declared on this connection, each with the broker's words if it refused.
    queues: Mutex<HashMap<ShortString, Option<String>>>,
}

impl Session {
    /// Takes over a connection.
    ///
    /// # Errors
    /// When the client's runtime cannot be started.
    pub(crate) fn new(connection: Connection) -> io::Result<Self> {
        Ok(Self {
            blocked: Blocked::follow(&connection)?,
            publishers: Publishers::new(&connection),
            connection,
            exchanges: Mutex::default(),
            queues: Mutex::default(),
        })
    }

    pub(crate) fn is_connected(&self) -> bool {
        self.connection.status().connected()
    }

    /// Returns the broker's reason while it accepts no messages on this connection.
    pub(crate) fn blocked(&self) -> Option<String> {
        self.blocked.reason()
    }

    /// Opens a channel for a caller that may break it: a refused declaration closes the channel.
    pub(crate) async fn channel(&self) -> Result<Channel, Fault> {
        Ok(self.connection.create_channel().await?)
    }

    /// Closes the connection in order, which needs a broker that reads.
    pub(crate) async fn close(&self) -> lapin::Result<()> {
        self.connection.close(200, "OK".into()).await
    }

    /// Sends a message to a queue and waits until the broker has it there.
    ///
    /// The queue is declared before, once for each connection as in Kombu. If the message reaches no queue, for example because the queue was
    /// deleted meanwhile, the broker returns it: then the queue is declared again, and this one message is sent again.
    pub(crate) async fn publish_to_queue(
        &self,
        queue: &Declaration,
        properties: &BasicProperties,
        body: &[u8],
    ) -> Result<(), Fault> {
        let mut problem = String::new();
        for _ in 0..if queue.declare { ATTEMPTS } else { 1 } {
            let refusal = self.declare(queue).await?;
            match self.publish(queue.target.clone(), true, properties, body).await? {
                Outcome::Accepted => return Ok(()),
                Outcome::Unroutable(text) => {
                    lock(&self.queues).remove(&queue.name);
                    problem = format!("the message reaches no queue ({text})");
                    if let Some(refusal) = refusal {
                        problem.push_str(&format!(", and the queue could not be declared: {refusal}"));
                    }
                }
            }
        }
        if !queue.declare {
            problem.push_str("; the settings leave the declaration of this queue to its consumer");
        }
        Err(Fault::Refused(problem.into()))
    }

    /// Publishes to a fanout exchange. It is no error if no queue is bound to it.
    pub(crate) async fn publish_to_exchange(
        &self,
        exchange: &ShortString,
        properties: &BasicProperties,
        body: &[u8],
    ) -> Result<(), Fault> {
        let mut problem = String::new();
        for _ in 0..ATTEMPTS {
            self.declare_exchange(exchange, ExchangeKind::Fanout).await?;
            match self.publish((exchange.clone(), "".into()), false, properties, body).await? {
                Outcome::Accepted => return Ok(()),
                // The exchange was deleted after its declaration.
                Outcome::Unroutable(text) => problem = text,
            }
            lock(&self.exchanges).remove(exchange);
        }
        Err(Fault::Refused(problem.into()))
    }

    /// Declares an exchange as Kombu's pidbox does: neither durable nor deleted automatically.
    pub(crate) async fn declare_exchange(&self, name: &ShortString, kind: ExchangeKind) -> Result<(), Fault> {
        if lock(&self.exchanges).contains(name) {
            return Ok(());
        }
        let channel = self.channel().await?;
        let (options, arguments) = (ExchangeDeclareOptions::default(), FieldTable::default());
        match channel.exchange_declare(name.clone(), kind, options, arguments).await {
            Err(error) if !amqp::exists_otherwise(&error) => return Err(error.into()),
            _ => {}
        }
        lock(&self.exchanges).insert(name.clone());
        Ok(())
    }

    async fn declare(&self, queue: &Declaration) -> Result<Option<String>, Fault> {
        if !queue.declare {
            return Ok(None);
        }
        if let Some(refusal) = lock(&self.queues).get(&queue.name) {
            return Ok(refusal.clone());
        }
        let refusal = queue.make(&self.connection).await?;
        lock(&self.queues).insert(queue.name.clone(), refusal.clone());
        Ok(refusal)
    }

    async fn publish(
        &self,
        target: (ShortString, ShortString),
        mandatory: bool,
        properties: &BasicProperties,
        body: &[u8],
    ) -> Result<Outcome, Fault> {
        let frame_max = self.connection.configuration().frame_max();
        fields::check_size(properties, frame_max).map_err(|problem| Fault::Refused(problem.into()))?;
        let publisher = self.publishers.take(&self.connection).await?;
        self.blocked.over().await;
        publisher.publish(target, mandatory, properties.clone(), body).await
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
