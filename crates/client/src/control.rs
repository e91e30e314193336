//! Commands to workers and their answers (`kombu.pidbox`).

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde_json::{Map, Value, json};
use tokio::time::timeout;
use uuid::Uuid;

use crate::{App, Error, Inbox, JsonError, Message, Properties, PythonJson, Result};

/// How long replies are collected unless a request says otherwise, as in Celery.
pub const DEFAULT_REPLY_TIMEOUT: Duration = Duration::from_secs(1);

const EXCHANGE: &str = "celery.pidbox";
const REPLY_EXCHANGE: &str = "reply.celery.pidbox";

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

    /// Sets the time limit for sending the command, and the time for which answers are collected after that. Default:
    /// [`DEFAULT_REPLY_TIMEOUT`]. The number of workers is unknown, so answers are collected for the whole time unless
    /// [`destination`](Self::destination) or [`expect`](Self::expect) ends it earlier.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Sends it and collects the answers by the workers' names. A worker that does not answer in time is not in there, which is no error.
    /// Returns after twice the [`timeout`](Self::timeout) at the latest, and 1 s for the removal of the queue of replies.
    ///
    /// # Errors
    /// [`Error::Connection`] if the command could not be sent in time: the broker cannot be reached, or accepts no messages.
    pub async fn send(self) -> Result<BTreeMap<String, PythonJson>> {
        let ticket = Uuid::new_v4().hyphenated().to_string();
        let message = self.message(&ticket);
        let transport = self.app.transport();
        let sending = async {
            // The queue is there before anybody can answer. Its key is the ticket, so that no other request reads from it.
            let inbox = transport.open_inbox(REPLY_EXCHANGE, &ticket).await?;
            match transport.broadcast(EXCHANGE, &message).await {
                Ok(()) => Ok(inbox),
                Err(error) => {
                    inbox.close().await;
                    Err(error)
                }
            }
        };
        let mut inbox = match timeout(self.timeout, sending).await {
            Ok(sent) => sent?,
            Err(_) => return Err(self.not_sent()),
        };
        let outcome = self.collect(inbox.as_mut(), &ticket).await;
        inbox.close().await;
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

    async fn collect(&self, inbox: &mut dyn Inbox, ticket: &str) -> Result<BTreeMap<String, PythonJson>> {
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
        match timeout(self.timeout, collecting).await {
            Ok(Err(error)) => Err(error),
            Ok(Ok(())) | Err(_) => Ok(replies),
        }
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
            "reply_to": {"exchange": REPLY_EXCHANGE, "routing_key": ticket},
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
    let malformed = |problem: JsonError| Error::Malformed {
        what: "the reply of a worker".to_owned(),
        problem: problem.to_string(),
    };
    let reply = PythonJson::parse(&reply.body).map_err(malformed)?;
    let answers = reply.entries().ok_or_else(|| malformed(JsonError::new("it is no object".to_owned())))?;
    Ok(answers.into_iter().map(|(worker, answer)| (worker.into_owned(), answer)).collect())
}
