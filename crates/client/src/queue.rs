//! Declarations of task queues, as Celery's workers make them (`celery.app.amqp.Queues`).
//!
//! A queue that the client declares first has to be the queue that the workers declare: RabbitMQ refuses a second declaration with other
//! properties. [`Queues`] holds what an app knows of its queues, and a [`Transport`](crate::Transport) gets the declaration with the message.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// The type of an exchange that carries a message to the queues bound with exactly its routing key.
const DIRECT: &str = "direct";

/// The declaration of an exchange. Its defaults are Kombu's.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ExchangeDeclaration {
    /// Name. The empty name is AMQP's default exchange, which cannot be declared.
    pub name: String,
    /// Type, for example `direct` or `topic`.
    pub kind: String,
    /// `true` if the exchange survives a restart of the broker. Default: `true`.
    pub durable: bool,
    /// `true` if the exchange is removed with the last queue bound to it. Default: `false`.
    pub auto_delete: bool,
    /// `true` if publishers declare the exchange. Default: `true`, except for the default exchange and the names that begin with `amq.`.
    pub declare: bool,
    /// Arguments of the declaration, for example `alternate-exchange`. Default: none.
    pub arguments: Map<String, Value>,
}

impl ExchangeDeclaration {
    /// Describes a durable exchange of a type.
    pub fn new(name: impl Into<String>, kind: impl Into<String>) -> Self {
        let name = name.into();
        let declare = !name.is_empty() && !name.starts_with("amq.");
        let kind = kind.into();
        Self { name, kind, durable: true, auto_delete: false, declare, arguments: Map::new() }
    }
}

/// A further binding of a queue (`kombu.binding`).
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct BindingDeclaration {
    /// The exchange.
    pub exchange: ExchangeDeclaration,
    /// The routing key. Default: empty.
    pub routing_key: String,
    /// Arguments of the binding, for example `x-match`. Default: none.
    pub arguments: Map<String, Value>,
}

impl BindingDeclaration {
    /// Describes a binding without arguments.
    pub fn new(exchange: ExchangeDeclaration, routing_key: impl Into<String>) -> Self {
        Self { exchange, routing_key: routing_key.into(), arguments: Map::new() }
    }
}

/// The declaration of a queue. Its defaults are Kombu's.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct QueueDeclaration {
    /// Name.
    pub name: String,
    /// The exchange that the queue is bound to.
    pub exchange: ExchangeDeclaration,
    /// The routing key of the binding.
    pub routing_key: String,
    /// `true` if the queue survives a restart of the broker. Default: `true`.
    pub durable: bool,
    /// `true` if the queue belongs to one connection. Publishers then leave its declaration to its consumer. Default: `false`.
    pub exclusive: bool,
    /// `true` if the queue is removed with its last consumer. Default: `false`.
    pub auto_delete: bool,
    /// `true` if publishers declare the queue with its exchange and bindings. Default: `true`.
    pub declare: bool,
    /// Arguments of the declaration, for example `x-max-priority`. Default: none.
    pub arguments: Map<String, Value>,
    /// Arguments of the binding, for example `x-match`. Default: none.
    pub binding_arguments: Map<String, Value>,
    /// Further bindings. Default: none.
    pub bindings: Vec<BindingDeclaration>,
}

impl QueueDeclaration {
    /// Describes a durable queue that is bound to a durable direct exchange of its own name: Celery's declaration of a name that it does not
    /// know.
    pub fn new(name: impl Into<String>) -> Self {
        let name = name.into();
        Self {
            exchange: ExchangeDeclaration::new(name.clone(), DIRECT),
            routing_key: name.clone(),
            name,
            durable: true,
            exclusive: false,
            auto_delete: false,
            declare: true,
            arguments: Map::new(),
            binding_arguments: Map::new(),
            bindings: Vec::new(),
        }
    }

    /// Returns the exchange and the routing key with which Celery sends to this queue (`AMQP.send_task_message`): AMQP's default exchange and
    /// the queue's name if the exchange is direct, else the exchange and the routing key of the declaration.
    pub fn target(&self) -> (&str, &str) {
        match self.exchange.kind == DIRECT {
            true => ("", &self.name),
            false => (&self.exchange.name, &self.routing_key),
        }
    }
}

/// The task queues of an app: the declarations that its settings give, and the rule for every other name.
///
/// ```
/// use testcelery_client::{ExchangeDeclaration, QueueDeclaration, Queues};
///
/// let mut video = QueueDeclaration::new("video");
/// video.exchange = ExchangeDeclaration::new("media", "topic");
/// video.routing_key = "media.video".to_owned();
/// let queues = Queues::default().with(video);
/// assert_eq!(queues.get("video").unwrap().target(), ("media", "media.video"));
/// assert_eq!(queues.get("other").unwrap().target(), ("", "other"));
/// assert!(queues.without_missing().get("other").is_none());
/// ```
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Queues {
    known: BTreeMap<String, QueueDeclaration>,
    missing: Missing,
}

/// The rule for names without a declaration.
#[derive(Debug, Clone, PartialEq)]
enum Missing {
    Refused,
    Declared { exchange_kind: String, arguments: Map<String, Value> },
}

impl Default for Missing {
    fn default() -> Self {
        Self::Declared { exchange_kind: DIRECT.to_owned(), arguments: Map::new() }
    }
}

impl Queues {
    /// Adds a declaration. A later one of the same name replaces it.
    #[must_use]
    pub fn with(mut self, queue: QueueDeclaration) -> Self {
        self.known.insert(queue.name.clone(), queue);
        self
    }

    /// Sets the type of the exchange and the arguments of a queue that has no declaration (Celery's
    /// `task_create_missing_queue_exchange_type`, `task_create_missing_queue_type` and `task_queue_max_priority`). Default: `direct`, none.
    #[must_use]
    pub fn missing(mut self, exchange_kind: impl Into<String>, arguments: Map<String, Value>) -> Self {
        self.missing = Missing::Declared { exchange_kind: exchange_kind.into(), arguments };
        self
    }

    /// Refuses names that have no declaration (Celery's `task_create_missing_queues = False`).
    #[must_use]
    pub fn without_missing(mut self) -> Self {
        self.missing = Missing::Refused;
        self
    }

    /// Returns the declaration of a queue. Returns `None` if the queue has none and missing queues are refused.
    pub fn get(&self, name: &str) -> Option<QueueDeclaration> {
        if let Some(known) = self.known.get(name) {
            return Some(known.clone());
        }
        match &self.missing {
            Missing::Refused => None,
            Missing::Declared { exchange_kind, arguments } => {
                let mut queue = QueueDeclaration::new(name);
                queue.exchange.kind.clone_from(exchange_kind);
                queue.arguments.clone_from(arguments);
                Some(queue)
            }
        }
    }

    /// Returns the names of the queues with a declaration, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.known.keys().map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_missing_queue_follows_the_rule() {
        let arguments = json!({"x-queue-type": "quorum"}).as_object().cloned().unwrap();
        let queue = Queues::default().missing("topic", arguments.clone()).get("q").unwrap();
        assert_eq!((queue.arguments.clone(), queue.exchange.kind.as_str()), (arguments, "topic"));
        assert_eq!(queue.target(), ("q", "q"));
        assert!(queue.durable && queue.declare && queue.exchange.declare);
    }

    #[test]
    fn exchanges_of_the_broker_are_not_declared() {
        for (name, declare) in [("", false), ("amq.topic", false), ("media", true)] {
            assert_eq!(ExchangeDeclaration::new(name, "topic").declare, declare, "{name}");
        }
    }
}
