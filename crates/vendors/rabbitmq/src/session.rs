//! One AMQP connection with the channels that publish on it.

use std::{
    collections::{HashMap, HashSet},
    io,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use lapin::{
    BasicProperties, Channel, Connection, ExchangeKind,
    options::ExchangeDeclareOptions,
    types::{FieldTable, ShortString},
};
use tokio::sync::Semaphore;

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

/// Number of channels that a connection has for one purpose at most. Further calls wait for one.
pub(crate) const CHANNELS: usize = 64;

/// One AMQP connection with the channels that publish on it.
#[derive(Debug)]
pub(crate) struct Session {
    channels: Channels,
    blocked: Blocked,
    publishers: Publishers,
    declarers: Semaphore,
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
        let channels = Channels { connection, lost: AtomicUsize::new(0) };
        // A third for publishing, a third for declaring, the rest for replies and results.
        let share = CHANNELS.min(channels.max() / 3).max(1);
        Ok(Self {
            blocked: Blocked::follow(&channels.connection)?,
            publishers: Publishers::new(share),
            declarers: Semaphore::new(share),
            channels,
            exchanges: Mutex::default(),
            queues: Mutex::default(),
        })
    }

    pub(crate) fn is_connected(&self) -> bool {
        self.channels.connection.status().connected()
    }

    /// Returns true if calls are better made on another connection: refusals have cost this one half of its channels.
    pub(crate) fn is_worn(&self) -> bool {
        self.channels.lost.load(Ordering::Relaxed) > self.channels.max() / 2
    }

    /// Returns the broker's reason while it accepts no messages on this connection.
    pub(crate) fn blocked(&self) -> Option<String> {
        self.blocked.reason()
    }

    /// Opens a channel for a caller that may break it: a refused declaration closes the channel.
    pub(crate) async fn channel(&self) -> Result<Channel, Fault> {
        Ok(self.channels.open().await?)
    }

    /// Closes the connection in order, which needs a broker that reads.
    pub(crate) async fn close(&self) -> lapin::Result<()> {
        self.channels.connection.close(200, "OK".into()).await
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
        let _permit = self.declarers.acquire().await.map_err(|closed| Fault::Lost(closed.into()))?;
        let refusal = queue.make(&self.channels).await?;
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
        let frame_max = self.channels.connection.configuration().frame_max();
        fields::check_size(properties, frame_max).map_err(|problem| Fault::Refused(problem.into()))?;
        let publisher = self.publishers.take(&self.channels).await?;
        self.blocked.over().await;
        publisher.publish(target, mandatory, properties.clone(), body).await
    }
}

/// A connection's channels.
#[derive(Debug)]
pub(crate) struct Channels {
    connection: Connection,
    /// The number of channel numbers that cannot be used any more.
    lost: AtomicUsize,
}

impl Channels {
    /// Opens a channel.
    ///
    /// lapin keeps the error with which the broker closed a channel, and fails the next channel of that number with it, whoever opens that
    /// one. No broker refuses to open a channel with such an error: the number is left out then, and lapin never hands it out again.
    pub(crate) async fn open(&self) -> lapin::Result<Channel> {
        loop {
            match self.connection.create_channel().await {
                Err(error) if error.is_amqp_soft_error() => drop(self.lost.fetch_add(1, Ordering::Relaxed)),
                opened => return opened,
            }
        }
    }

    fn max(&self) -> usize {
        usize::from(self.connection.configuration().channel_max())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
