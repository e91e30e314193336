//! Temporary queues of replies.

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use fred::interfaces::{KeysInterface, ListInterface, SetsInterface};
use testcelery_client::{
    Error, Inbox, Message, Result,
    runtime::{self, AbortOnDrop},
};
use tokio::sync::mpsc;

use crate::{
    envelope,
    link::{binding, binding_key},
    server::Server,
    transport::{PRIORITY_STEPS, list},
};

/// How long the removal of a queue may take; the caller has what it wanted already.
const REMOVAL_BOUND: Duration = Duration::from_secs(2);

/// Binds a queue and begins to read it, on a connection of its own because reading blocks it.
pub(crate) async fn open(server: &Arc<Server>, exchange: &str, routing_key: &str) -> Result<Box<dyn Inbox>> {
    let place = Place {
        exchange: exchange.to_owned(),
        routing_key: routing_key.to_owned(),
        // As Kombu's mailbox names it.
        queue: format!("{routing_key}.{exchange}"),
    };
    server
        .run(&format!("bind a queue to {exchange}"), |link| {
            let place = &place;
            async move { link.bind(&place.exchange, &place.routing_key, &place.queue).await }
        })
        .await?;
    let reader_server = server.sibling(Duration::ZERO);
    let (replies, inbox) = mpsc::unbounded_channel();
    let reader_place = place.clone();
    let reader = runtime::spawn(async move {
        loop {
            let reply = read(&reader_server, &reader_place).await;
            let lost = matches!(reply, Err(Error::Connection { .. }));
            if replies.send(reply).is_err() || lost {
                return;
            }
        }
    });
    let reader = reader.map_err(|error| Error::connection("read replies", server.safe_url(), error))?;
    Ok(Box::new(RedisInbox {
        server: server.clone(),
        place: Some(place),
        replies: inbox,
        _reader: AbortOnDrop(reader),
    }))
}

/// What the server keeps for an inbox.
#[derive(Debug, Clone)]
struct Place {
    exchange: String,
    routing_key: String,
    queue: String,
}

/// A task reads the list and hands the replies on, so that a caller who gives up waiting loses none.
struct RedisInbox {
    server: Arc<Server>,
    place: Option<Place>,
    replies: mpsc::UnboundedReceiver<Result<Message>>,
    _reader: AbortOnDrop,
}

#[async_trait]
impl Inbox for RedisInbox {
    async fn next(&mut self) -> Result<Message> {
        let closed = || {
            Error::connection("read replies", self.server.safe_url(), "the inbox has no connection any more")
        };
        match self.replies.recv().await {
            Some(reply) => reply,
            None => Err(closed()),
        }
    }

    async fn close(mut self: Box<Self>) {
        // A caller that gives up in the middle leaves the place, and the removal is begun again when this is dropped.
        if let Some(place) = &self.place {
            remove(&self.server, place).await;
        }
        self.place = None;
    }
}

impl Drop for RedisInbox {
    fn drop(&mut self) {
        let Some(place) = self.place.take() else { return };
        let server = self.server.clone();
        if let Err(error) = runtime::spawn(async move { remove(&server, &place).await }) {
            tracing::debug!(%error, "a reply queue is left behind");
        }
    }
}

impl fmt::Debug for RedisInbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisInbox").field("place", &self.place).finish_non_exhaustive()
    }
}

async fn read(server: &Server, place: &Place) -> Result<Message> {
    let keys: Vec<String> = PRIORITY_STEPS.map(|step| list(&place.queue, step)).to_vec();
    let (_, text): (String, Vec<u8>) = server
        .run_for_ever("read replies", |link| {
            let keys = keys.clone();
            async move {
                // Bound again on each new connection: a server that came back may have forgotten it.
                link.bind(&place.exchange, &place.routing_key, &place.queue).await?;
                link.client().brpop(keys, 0.0).await
            }
        })
        .await?;
    envelope::decode(&text)
}

/// Nothing in Kombu's Redis transport expires by itself, so what is left behind stays. A failure is only told: the replies are read.
async fn remove(server: &Server, place: &Place) {
    let keys: Vec<String> = PRIORITY_STEPS.map(|step| list(&place.queue, step)).to_vec();
    let removal = server.run("remove a reply queue", |link| {
        let keys = keys.clone();
        async move {
            let member = binding(&place.routing_key, &place.queue);
            let () = link.client().srem(binding_key(&place.exchange), member).await?;
            let () = link.client().del(keys).await?;
            Ok(())
        }
    });
    match tokio::time::timeout(REMOVAL_BOUND, removal).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "a reply queue is left behind"),
        Err(_) => tracing::debug!("a reply queue is left behind: the server does not answer"),
    }
}
