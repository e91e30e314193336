//! Commands to workers and their answers (`kombu.pidbox`).

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde_json::{Map, Value, json};
use tokio::time::{Instant, timeout, timeout_at};
use uuid::Uuid;

use crate::{App, Error, Inbox, JsonError, Message, Properties, PythonJson, Result, foreign_serializer};

/// How long replies are collected unless a request says otherwise, as in Celery.
pub const DEFAULT_REPLY_TIMEOUT: Duration = Duration::from_secs(1);

/// Celery's default of `control_exchange`.
pub(crate) const DEFAULT_CONTROL_EXCHANGE: &str = "celery";

/// How long the removal of the reply queue may take when all is said; what is left of it then is removed later.
const CLEAN_UP: Duration = Duration::from_millis(250);

/// The logical clock that commands carry, as Celery's `LamportClock`.
static CLOCK: AtomicU64 = AtomicU64::new(0);

/// Commands to workers, all of them or some.
#[derive(Debug, Clone)]
pub struct Control {
    app: App,
}

impl Control {
    pub(crate) fn new(app: App) -> Self {
        Self { app }
    }

    /// Asks who is there. A worker answers `{"ok": "pong"}`.
    pub fn ping(&self) -> Request {
        self.request("ping", Map::new())
    }

    /// Asks for anything that workers know by name, as `stats` or `active_queues`.
    pub fn request(&self, method: impl Into<String>, arguments: Map<String, Value>) -> Request {
        Request {
            app: self.app.clone(),
            method: method.into(),
            arguments,
            destination: None,
            expect: None,
            timeout: DEFAULT_REPLY_TIMEOUT,
        }
    }
}

/// A command that wants answers.
#[derive(Debug)]
#[must_use = "a request does nothing until it is sent"]
pub struct Request {
    app: App,
    method: String,
    arguments: Map<String, Value>,
    destination: Option<Vec<String>>,
    expect: Option<usize>,
    timeout: Duration,
}

impl Request {
    /// Asks only these workers, by their names as `celery@host`, and returns as soon as each has answered.
    pub fn destination<S: Into<String>>(mut self, hostnames: impl IntoIterator<Item = S>) -> Self {
        self.destination = Some(hostnames.into_iter().map(Into::into).collect());
        self
    }

    /// Returns as soon as so many workers have answered.
    pub fn expect(mut self, replies: usize) -> Self {
        self.expect = Some(replies);
        self
    }

    /// Sets how long the request may take as a whole, from the queue for its replies to the last reply. Default:
    /// [`DEFAULT_REPLY_TIMEOUT`]. Nobody knows how many workers there are, so this is how long it takes where neither
    /// [`destination`](Self::destination) nor [`expect`](Self::expect) says when to stop.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Sends it and collects the answers by the workers' names. A worker that does not answer in time is not in there, which is no error.
    ///
    /// Takes the [`timeout`](Self::timeout) and 0.25 s at most, whatever the broker does; the latter for removing the queue of the replies.
    ///
    /// # Errors
    /// [`Error::Connection`] if the command could not be sent in time: the broker cannot be reached, or accepts no messages.
    pub async fn send(self) -> Result<BTreeMap<String, PythonJson>> {
        let ticket = Uuid::new_v4().hyphenated().to_string();
        let message = self.message(&ticket);
        let transport = self.app.transport();
        let deadline = Instant::now() + self.timeout;
        let exchange = format!("{}.pidbox", self.app.control_exchange());
        let sending = async {
            // The queue is there before anybody can answer. Its key is the ticket, so that no other request reads from it.
            let inbox = transport.open_inbox(&self.reply_exchange(), &ticket).await?;
            match transport.broadcast(&exchange, &message).await {
                Ok(()) => Ok(inbox),
                Err(error) => {
                    self.clean_up(inbox).await;
                    Err(error)
                }
            }
        };
        let mut inbox = match timeout_at(deadline, sending).await {
            Ok(sent) => sent?,
            Err(_) => return Err(self.not_sent()),
        };
        let outcome = self.collect(inbox.as_mut(), &ticket, deadline).await;
        self.clean_up(inbox).await;
        let replies = outcome?;
        tracing::debug!(method = self.method, replies = replies.len(), "command answered");
        Ok(replies)
    }

    fn not_sent(&self) -> Error {
        let transport = self.app.transport();
        let mut problem = format!("it was not sent within {:?}", self.timeout);
        if let Some(impediment) = transport.impediment() {
            problem.push_str(&format!(": {impediment}"));
        }
        Error::connection(format!("send the command {}", self.method), transport.safe_url(), problem)
    }

    async fn clean_up(&self, inbox: Box<dyn Inbox>) {
        if timeout(CLEAN_UP, inbox.close()).await.is_err() {
            tracing::debug!(method = self.method, "the queue of the replies was not removed in time");
        }
    }

    async fn collect(
        &self,
        inbox: &mut dyn Inbox,
        ticket: &str,
        deadline: Instant,
    ) -> Result<BTreeMap<String, PythonJson>> {
        let enough = self.expect.or(self.destination.as_ref().map(Vec::len)).unwrap_or(usize::MAX);
        let mut replies = BTreeMap::new();
        let collecting = async {
            while replies.len() < enough {
                let reply = inbox.next().await?;
                if reply.headers.get("ticket").and_then(Value::as_str) == Some(ticket) {
                    replies.extend(answers(&reply)?);
                }
            }
            Ok(())
        };
        match timeout_at(deadline, collecting).await {
            Ok(Err(error)) => Err(error),
            Ok(Ok(())) | Err(_) => Ok(replies),
        }
    }

    fn reply_exchange(&self) -> String {
        format!("reply.{}.pidbox", self.app.control_exchange())
    }

    fn message(&self, ticket: &str) -> Message {
        let clock = CLOCK.fetch_add(1, Ordering::Relaxed) + 1;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let headers = [
            ("clock".to_owned(), json!(clock)),
            ("expires".to_owned(), json!(now.saturating_add(self.timeout).as_secs_f64())),
        ];
        let body = json!({
            "method": self.method,
            "arguments": self.arguments,
            "destination": self.destination,
            "pattern": null,
            "matcher": null,
            "ticket": ticket,
            "reply_to": {"exchange": self.reply_exchange(), "routing_key": ticket},
        });
        Message {
            headers: headers.into_iter().collect(),
            properties: Properties { persistent: false, ..Properties::default() },
            body: body.to_string().into_bytes(),
        }
    }
}

/// The answers of one reply, by the worker's name.
fn answers(reply: &Message) -> Result<Vec<(String, PythonJson)>> {
    let what = || "the reply of a worker".to_owned();
    let malformed =
        |problem: JsonError| match foreign_serializer(&reply.body, Some(&reply.properties.content_type)) {
            Some(serializer) => {
                let hint = "set `task_serializer = \"json\"` for the workers";
                Error::Serializer { what: what(), serializer, hint }
            }
            None => Error::Malformed { what: what(), problem: problem.to_string() },
        };
    let json = PythonJson::parse(&reply.body).map_err(malformed)?;
    let answers = json.entries().ok_or_else(|| malformed(JsonError::new("it is no object".to_owned())))?;
    Ok(answers.into_iter().map(|(worker, answer)| (worker.into_owned(), answer)).collect())
}
