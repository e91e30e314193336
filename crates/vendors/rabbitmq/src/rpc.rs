//! Results through the broker itself: `rpc://`.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use futures_util::StreamExt;
use lapin::{
    Consumer,
    message::Delivery,
    options::{BasicAckOptions, BasicConsumeOptions, QueueDeclareOptions, QueueDeleteOptions},
    types::{AMQPValue, FieldTable, ShortString},
};
use testcelery_client::{
    Error, Result, ResultMeta, ResultStore, foreign_serializer,
    runtime::{self, AbortOnDrop},
};
use tokio::sync::watch;
use uuid::Uuid;

use crate::{
    fault::Fault,
    link::Link,
    results::{Arrival, Results, Unreadable, is_done},
    session::Session,
};

/// After how many milliseconds without a consumer the broker drops the queue: Celery's `result_expires`, one day.
const QUEUE_EXPIRES: i32 = 86_400_000;

/// How long closing waits for the broker to delete the queue; else it expires.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// Results that workers send to a queue of this store's own, which is the `reply_to` of every task.
///
/// The queue is durable, not exclusive and not deleted automatically: every RabbitMQ since 3.8 takes that, and what workers send while the
/// connection is lost is still there afterwards. It goes away with [`close`](ResultStore::close), or expires after a day.
///
/// What came is kept for those who ask later: the last state of each task that has a handle, and of the last 8192 others (see [`Results`]).
#[derive(Debug)]
pub(crate) struct RpcStore {
    shared: Arc<Shared>,
    consuming: tokio::sync::Mutex<Option<AbortOnDrop>>,
}

#[derive(Debug)]
struct Shared {
    link: Arc<Link>,
    queue: ShortString,
    results: Results,
    state: watch::Sender<State>,
}

/// Whether the queue is listened to.
#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    Listening,
    /// The broker is looked for.
    Away,
    /// The broker was not found in time; why.
    Failed(String),
    /// For good.
    Closed,
}

impl RpcStore {
    pub(crate) async fn open(link: Arc<Link>) -> Result<Self> {
        let store = Self {
            shared: Arc::new(Shared {
                link,
                queue: Uuid::new_v4().to_string().as_str().into(),
                results: Results::default(),
                state: watch::Sender::new(State::Away),
            }),
            consuming: tokio::sync::Mutex::default(),
        };
        store.listen().await?;
        Ok(store)
    }

    /// Makes sure that the queue is there and listened to. Waits for a broker that is away.
    async fn listen(&self) -> Result<()> {
        let mut consuming = self.consuming.lock().await;
        if *self.shared.state.borrow() == State::Closed {
            return Err(self.shared.away("it was closed"));
        }
        if consuming.as_ref().is_some_and(|task| !task.0.is_finished()) {
            drop(consuming);
            let mut states = self.shared.state.subscribe();
            let state = states.wait_for(|state| *state != State::Away).await;
            return match state.as_deref() {
                Ok(State::Failed(reason)) => Err(self.shared.away(reason)),
                _ => Ok(()),
            };
        }
        let consumer = self.shared.consume().await?;
        self.shared.enter(State::Listening);
        let task = runtime::spawn(pump(self.shared.clone(), consumer))
            .map_err(|error| self.shared.away(&error.to_string()))?;
        *consuming = Some(AbortOnDrop(task));
        Ok(())
    }
}

#[async_trait]
impl ResultStore for RpcStore {
    fn safe_url(&self) -> String {
        self.shared.link.safe_url()
    }

    fn reply_to(&self) -> Option<&str> {
        Some(self.shared.queue.as_str())
    }

    async fn watch(&self, task_id: &str) -> Result<()> {
        self.shared.results.hold(task_id);
        self.listen().await
    }

    fn unwatch(&self, task_id: &str) {
        self.shared.results.release(task_id);
    }

    async fn get(&self, task_id: &str) -> Result<Option<ResultMeta>> {
        let known = self.shared.results.get(task_id);
        if !known.as_ref().is_some_and(is_done) {
            self.listen().await?;
        }
        let known = self.shared.results.get(task_id);
        known.map(|arrival| read(task_id, arrival)).transpose()
    }

    async fn wait(&self, task_id: &str) -> Result<ResultMeta> {
        loop {
            let mut arrivals = self.shared.results.follow(task_id);
            let mut listened = false;
            loop {
                let arrival = arrivals.borrow_and_update().clone();
                match arrival {
                    Some(arrival) if arrival.is_err() || is_done(&arrival) => return read(task_id, arrival),
                    _ => {}
                }
                if !listened {
                    self.listen().await?;
                    listened = true;
                }
                tokio::select! {
                    arrived = arrivals.changed() => if arrived.is_err() {
                        // Somebody has forgotten the task meanwhile.
                        break;
                    },
                    error = self.shared.failed() => return Err(error),
                }
            }
        }
    }

    async fn forget(&self, task_id: &str) -> Result<()> {
        // On the server there is nothing left of a result that came.
        self.shared.results.forget(task_id);
        Ok(())
    }

    async fn close(&self) {
        self.shared.enter(State::Closed);
        self.consuming.lock().await.take();
        let deleting = async {
            match self.shared.link.current().await {
                Some(session) => self.shared.delete_queue(&session).await,
                None => Ok(()),
            }
        };
        let deleted = tokio::time::timeout(CLOSE_TIMEOUT, deleting).await;
        if !matches!(deleted, Ok(Ok(()))) {
            tracing::debug!(queue = %self.shared.queue, "the result queue is left to expire");
        }
    }
}

impl Shared {
    fn enter(&self, state: State) {
        self.state.send_if_modified(|current| {
            let open = *current != State::Closed;
            if open {
                *current = state;
            }
            open
        });
    }

    /// Waits until nobody listens any more.
    async fn failed(&self) -> Error {
        let mut states = self.state.subscribe();
        let over = |state: &State| matches!(state, State::Failed(_) | State::Closed);
        match states.wait_for(over).await.as_deref() {
            Ok(State::Failed(reason)) => self.away(reason),
            _ => self.away("it was closed"),
        }
    }

    async fn consume(&self) -> Result<Consumer> {
        let start = |session: Arc<Session>| async move {
            let channel = session.channel().await?;
            let mut arguments = FieldTable::default();
            arguments.insert("x-expires".into(), AMQPValue::LongInt(QUEUE_EXPIRES));
            channel.queue_declare(self.queue.clone(), QueueDeclareOptions::durable(), arguments).await?;
            // With acknowledgements, so that what was on its way when the connection was lost comes again.
            let options = BasicConsumeOptions::default();
            let consumer =
                channel.basic_consume(self.queue.clone(), "".into(), options, FieldTable::default());
            Ok(consumer.await?)
        };
        self.link.run("listen for results", start).await
    }

    async fn delete_queue(&self, session: &Session) -> Result<(), Fault> {
        let channel = session.channel().await?;
        channel.queue_delete(self.queue.clone(), QueueDeleteOptions::default()).await?;
        Ok(())
    }

    fn take(&self, delivery: &Delivery) {
        let decoded = ResultMeta::decode(&delivery.data);
        let task_id = match (delivery.properties.correlation_id(), &decoded) {
            (Some(id), _) => id.as_str(),
            (None, Ok(meta)) => &meta.task_id,
            (None, Err(error)) => {
                tracing::warn!(%error, queue = %self.queue, "a message in the result queue is no result");
                return;
            }
        };
        let content_type = delivery.properties.content_type().as_ref().map(ShortString::as_str);
        let arrival =
            decoded.clone().map_err(|error| match foreign_serializer(&delivery.data, content_type) {
                Some(serializer) => Unreadable::Serializer(serializer),
                None => Unreadable::Malformed(format!(
                    "a message of type {}: {error}",
                    content_type.unwrap_or("(none)")
                )),
            });
        self.results.put(task_id, arrival);
    }

    fn away(&self, reason: &str) -> Error {
        Error::connection("listen for results", self.link.safe_url(), reason)
    }
}

/// Takes in what comes, on one connection after the other.
async fn pump(shared: Arc<Shared>, mut consumer: Consumer) {
    loop {
        while let Some(Ok(delivery)) = consumer.next().await {
            shared.take(&delivery);
            if delivery.ack(BasicAckOptions::default()).await.is_err() {
                break;
            }
        }
        shared.enter(State::Away);
        match shared.consume().await {
            Ok(again) => {
                consumer = again;
                shared.enter(State::Listening);
            }
            Err(error) => {
                shared.enter(State::Failed(reason(&error)));
                return;
            }
        }
    }
}

fn read(task_id: &str, arrival: Arrival) -> Result<ResultMeta> {
    let what = || format!("the result of task {task_id}");
    arrival.map_err(|unreadable| match unreadable {
        Unreadable::Serializer(serializer) => Error::result_serializer(what(), serializer),
        Unreadable::Malformed(problem) => Error::Malformed { what: what(), problem },
    })
}

/// The text of an error's innermost source: what is around it is going to be said again.
fn reason(error: &dyn std::error::Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}
