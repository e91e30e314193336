//! The broker's word that it accepts no messages (`connection.blocked`).
//!
//! RabbitMQ sends it when memory or disk run low, and then reads nothing more from the connection. A [`Session`](crate::session::Session)
//! asks here before it hands a message to lapin: what lapin has, the broker gets when it reads again, whatever became of the call.

use std::io;

use futures_util::{StreamExt as _, pin_mut};
use lapin::{Connection, ConnectionStatus, Event};
use testcelery_client::runtime::{self, AbortOnDrop};
use tokio::sync::watch;

/// The state of one connection, followed for as long as this value lives.
#[derive(Debug)]
pub(crate) struct Blocked {
    reason: watch::Receiver<Option<String>>,
    _follower: AbortOnDrop,
}

impl Blocked {
    /// Follows a connection.
    ///
    /// # Errors
    /// When the client's runtime cannot be started.
    pub(crate) fn follow(connection: &Connection) -> io::Result<Self> {
        let (sender, reason) = watch::channel(None);
        let events = connection.events_listener();
        let follower = runtime::spawn(follow(events, connection.status().clone(), sender))?;
        Ok(Self { reason, _follower: AbortOnDrop(follower) })
    }

    /// Returns the broker's reason, for example `low on memory`, while it accepts no messages.
    pub(crate) fn reason(&self) -> Option<String> {
        self.reason.borrow().clone()
    }

    /// Waits until the broker accepts messages, or until the connection is lost.
    pub(crate) async fn over(&self) {
        // An error means that nothing follows the connection any more: it is lost.
        let _ = self.reason.clone().wait_for(Option::is_none).await;
    }
}

async fn follow(
    events: impl futures_util::Stream<Item = Event> + Send,
    status: ConnectionStatus,
    reason: watch::Sender<Option<String>>,
) {
    pin_mut!(events);
    while let Some(event) = events.next().await {
        match event {
            Event::ConnectionBlocked(text) => drop(reason.send_replace(Some(text))),
            Event::ConnectionUnblocked => drop(reason.send_replace(None)),
            _ if status.connected() => {}
            _ => break,
        }
    }
    reason.send_replace(None);
}

/// Says in an error that the broker accepts no messages.
pub(crate) fn describe(reason: &str) -> String {
    format!("the broker blocks publishers (connection.blocked: {reason}); free its memory or disk space")
}
