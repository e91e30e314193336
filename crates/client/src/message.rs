//! Messages as a transport carries them.

use std::time::Duration;

use serde_json::{Map, Value};

/// A message: headers, properties and a serialised body. Transports turn it into AMQP frames or into Kombu's JSON envelope.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// Application headers; for a task the protocol 2 headers.
    pub headers: Map<String, Value>,
    /// Properties.
    pub properties: Properties,
    /// The serialised body.
    pub body: Vec<u8>,
}

/// The properties of a message that Celery and Kombu use.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Properties {
    /// The task id for tasks and results, a ticket for control commands.
    pub correlation_id: Option<String>,
    /// The queue for results of the RPC backend; the client's own id otherwise.
    pub reply_to: Option<String>,
    /// The media type of the body: `application/json`.
    pub content_type: String,
    /// The encoding of the body: `utf-8`.
    pub content_encoding: String,
    /// Whether the broker keeps it on disk: delivery mode 2 instead of 1.
    pub persistent: bool,
    /// The priority. What is more urgent, 0 or 9, is the broker's own affair: RabbitMQ takes the highest first, Kombu's Redis transport the lowest.
    pub priority: Option<u8>,
    /// After what time the broker may drop it.
    pub expiration: Option<Duration>,
}

impl Default for Properties {
    /// A persistent UTF-8 JSON message.
    fn default() -> Self {
        Self {
            correlation_id: None,
            reply_to: None,
            content_type: "application/json".to_owned(),
            content_encoding: "utf-8".to_owned(),
            persistent: true,
            priority: None,
            expiration: None,
        }
    }
}

/// The body of a task message, before it is serialised: `[args, kwargs, embed]` (`celery.app.amqp.AMQP.as_task_v2`).
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TaskBody {
    /// The positional arguments.
    pub args: Vec<Value>,
    /// The keyword arguments.
    pub kwargs: Map<String, Value>,
    /// What comes after the task: `callbacks`, `errbacks`, `chain` and `chord`, each null where there is none.
    pub embed: Map<String, Value>,
}

impl TaskBody {
    /// As JSON.
    pub(crate) fn into_bytes(self) -> Vec<u8> {
        let Self { args, kwargs, embed } = self;
        let body = Value::Array(vec![Value::Array(args), Value::Object(kwargs), Value::Object(embed)]);
        body.to_string().into_bytes()
    }
}
