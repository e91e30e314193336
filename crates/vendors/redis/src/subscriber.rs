//! The one connection that listens for results.

use std::sync::Arc;

use fred::{
    error::Error as RedisError,
    interfaces::{ClientLike, EventInterface, KeysInterface, PubsubInterface},
    types::Message,
};
use testcelery_client::runtime;
use tokio::{
    sync::{
        broadcast::error::RecvError,
        mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
        oneshot,
    },
    task::AbortHandle,
};

use crate::{
    board::Board,
    link::Link,
    server::{RECONNECT_BOUND, Server, is_lost},
    store::{key, task_id},
};

/// How many orders are taken at once; their channels are subscribed with one command.
const BATCH: usize = 256;

type Ack = oneshot::Sender<Result<(), String>>;

enum Order {
    Watch(String, Ack),
    Unwatch(String),
}

/// A task that owns the subscribing connection and takes orders.
#[derive(Debug)]
pub(crate) struct Subscriber {
    orders: UnboundedSender<Order>,
    task: AbortHandle,
}

impl Subscriber {
    /// Begins; connects with the first order.
    ///
    /// # Errors
    /// When the client's runtime cannot be started.
    pub(crate) fn start(server: Arc<Server>, board: Arc<Board>) -> std::io::Result<Self> {
        let (orders, inbox) = unbounded_channel();
        let listener =
            Listener { subscription: server.sibling(RECONNECT_BOUND), server, board, orders: inbox };
        let task = runtime::spawn(listener.run())?.abort_handle();
        Ok(Self { orders, task })
    }

    /// Subscribes to a task's channel; returns when the server has confirmed it.
    pub(crate) async fn watch(&self, task_id: &str) -> Result<(), String> {
        let (ack, confirmed) = oneshot::channel();
        // Where the task has ended, the order is dropped with its ack.
        let _ = self.orders.send(Order::Watch(task_id.to_owned(), ack));
        match confirmed.await {
            Ok(outcome) => outcome,
            Err(_) => Err("the connection was closed".to_owned()),
        }
    }

    /// Unsubscribes from a task's channel, later.
    pub(crate) fn unwatch(&self, task_id: &str) {
        let _ = self.orders.send(Order::Unwatch(task_id.to_owned()));
    }

    /// Ends the task and closes its connection.
    pub(crate) fn stop(&self) {
        self.task.abort();
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        self.stop();
    }
}

struct Listener {
    /// Where the channels are subscribed.
    subscription: Server,
    /// Where keys are read: a connection that subscribes may not do it.
    server: Arc<Server>,
    board: Arc<Board>,
    orders: UnboundedReceiver<Order>,
}

impl Listener {
    async fn run(mut self) {
        let mut pending = Vec::new();
        let mut idle = true;
        loop {
            // Without a connection there is nothing to unsubscribe from.
            pending.retain(|order| matches!(order, Order::Watch(..)));
            if pending.is_empty() && (idle || self.board.is_empty()) {
                idle = false;
                if self.orders.recv_many(&mut pending, BATCH).await == 0 {
                    return;
                }
                continue;
            }
            if let Err(reason) = self.connect_and_serve(&mut pending).await {
                self.board.lose(&reason);
                while let Ok(order) = self.orders.try_recv() {
                    pending.push(order);
                }
                for order in pending.drain(..) {
                    if let Order::Watch(_, ack) = order {
                        let _ = ack.send(Err(reason.clone()));
                    }
                }
                idle = true;
            }
        }
    }

    /// Serves until the connection is lost, which is no error: what is pending then is done on the next one.
    async fn connect_and_serve(&mut self, pending: &mut Vec<Order>) -> Result<(), String> {
        let link = self
            .subscription
            .run("connect to listen for results", |link| async move { Ok(link) })
            .await
            .map_err(|error| reason(&error))?;
        match self.serve(&link, pending).await {
            Err(error) if link.is_alive() && !is_lost(&error) => Err(error.to_string()),
            Err(error) => {
                tracing::debug!(%error, "lost the subscription of results");
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }

    async fn serve(&mut self, link: &Link, pending: &mut Vec<Order>) -> Result<(), RedisError> {
        let mut messages = link.client().message_rx();
        self.catch_up(link).await?;
        loop {
            self.obey(link, pending).await?;
            tokio::select! {
                taken = self.orders.recv_many(pending, BATCH) => if taken == 0 { return Ok(()) },
                message = messages.recv() => match message {
                    Ok(message) => self.deliver(&message),
                    Err(RecvError::Lagged(missed)) => {
                        tracing::debug!(missed, "fell behind the results, reading them again");
                        self.refresh().await;
                    }
                    Err(RecvError::Closed) => return Ok(()),
                },
                () = link.closed() => return Ok(()),
            }
        }
    }

    /// Does what is pending. Where that fails, the orders stay pending.
    async fn obey(&self, link: &Link, pending: &mut Vec<Order>) -> Result<(), RedisError> {
        let (mut wanted, mut unwanted) = (Vec::new(), Vec::new());
        for order in &*pending {
            match order {
                Order::Watch(id, _) => wanted.push(key(id)),
                Order::Unwatch(id) if !self.board.contains(id) => unwanted.push(key(id)),
                Order::Unwatch(_) => {}
            }
        }
        if !unwanted.is_empty() {
            link.client().unsubscribe(unwanted).await?;
        }
        if !wanted.is_empty() {
            subscribe(link, wanted).await?;
        }
        for order in pending.drain(..) {
            if let Order::Watch(_, ack) = order {
                let _ = ack.send(Ok(()));
            }
        }
        Ok(())
    }

    async fn catch_up(&self, link: &Link) -> Result<(), RedisError> {
        let channels: Vec<String> = self.board.task_ids().iter().map(|id| key(id)).collect();
        if !channels.is_empty() {
            subscribe(link, channels).await?;
            self.refresh().await;
        }
        Ok(())
    }

    /// Reads the keys of all watched tasks: what was published while nobody listened is there.
    async fn refresh(&self) {
        let task_ids = self.board.task_ids();
        let keys: Vec<String> = task_ids.iter().map(|id| key(id)).collect();
        let documents: Result<Vec<Option<Vec<u8>>>, _> = self
            .server
            .run("read results", |link| {
                let keys = keys.clone();
                async move { link.client().mget(keys).await }
            })
            .await;
        match documents {
            Ok(documents) => {
                for (id, document) in task_ids.iter().zip(documents) {
                    if let Some(document) = document {
                        self.board.deliver(id, &document);
                    }
                }
            }
            Err(error) => self.board.lose(&reason(&error)),
        }
    }

    fn deliver(&self, message: &Message) {
        if let (Some(id), Some(document)) = (task_id(&message.channel), message.value.as_bytes()) {
            self.board.deliver(id, document);
        }
    }
}

/// Subscribes, and returns when the server has done it.
///
/// The client tells that it has subscribed before it has even written the command, and drops the server's replies (fred 10,
/// `Command::has_no_responses`). The server answers in order, so that its answer to what follows tells.
async fn subscribe(link: &Link, channels: Vec<String>) -> Result<(), RedisError> {
    link.client().subscribe(channels).await?;
    link.client().ping(None).await
}

/// Why a call failed, without what it was about.
fn reason(error: &testcelery_client::Error) -> String {
    std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string)
}
