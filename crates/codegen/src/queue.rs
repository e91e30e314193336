//! Queues and exchanges, as Kombu has them.

use std::{collections::BTreeMap, time::Duration};

use crate::{PyValue, config::seconds};

/// An exchange, as a `kombu.Exchange`. What is not set is Kombu's default.
///
/// | argument | default |
/// |---|---|
/// | [`kind`](Self::kind) | `direct` |
/// | [`durable`](Self::durable) | `True` |
/// | [`auto_delete`](Self::auto_delete), [`no_declare`](Self::no_declare) | `False` |
/// | [`transient`](Self::transient) | messages are persistent |
/// | [`arguments`](Self::arguments) | none |
///
/// Where one is asked for, its name alone is enough.
///
/// ```
/// use testcelery_codegen::{Exchange, PyValue};
///
/// let exchange = Exchange::new("media").kind("topic").durable(false);
/// assert_eq!(PyValue::from(exchange).to_literal()?, "kombu.Exchange('media', durable=False, type='topic')");
/// # Ok::<(), testcelery_codegen::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Exchange(Entity);

impl Exchange {
    /// A direct exchange of this name; the empty name is AMQP's default exchange.
    pub fn new(name: impl Into<String>) -> Self {
        Self(Entity::new(name))
    }

    /// Its type: `direct`, `topic`, `fanout`, `headers`, or one that the broker has a plugin for.
    #[must_use]
    pub fn kind(self, kind: impl Into<String>) -> Self {
        Self(self.0.with("type", kind.into()))
    }

    /// Whether it outlives a restart of the broker.
    #[must_use]
    pub fn durable(self, durable: bool) -> Self {
        Self(self.0.with("durable", durable))
    }

    /// Whether it goes with the last queue that is bound to it.
    #[must_use]
    pub fn auto_delete(self, auto_delete: bool) -> Self {
        Self(self.0.with("auto_delete", auto_delete))
    }

    /// Keeps its messages in memory only: they do not outlive a restart of the broker.
    #[must_use]
    pub fn transient(self) -> Self {
        Self(self.0.with("delivery_mode", 1))
    }

    /// Whether it is there already, and nothing declares it.
    #[must_use]
    pub fn no_declare(self, no_declare: bool) -> Self {
        Self(self.0.with("no_declare", no_declare))
    }

    /// The arguments of its declaration, as `alternate-exchange`.
    #[must_use]
    pub fn arguments<K: Into<PyValue>, V: Into<PyValue>>(
        self,
        arguments: impl IntoIterator<Item = (K, V)>,
    ) -> Self {
        Self(self.0.with("arguments", PyValue::dict(arguments)))
    }
}

impl<T: Into<String>> From<T> for Exchange {
    fn from(name: T) -> Self {
        Self::new(name)
    }
}

impl From<Exchange> for PyValue {
    fn from(exchange: Exchange) -> Self {
        exchange.0.call("kombu.Exchange")
    }
}

/// A queue, as a `kombu.Queue`: for [`Config::task_queues`](crate::Config::task_queues). What is not set is Kombu's default, or Celery's
/// where it has one.
///
/// | argument | default |
/// |---|---|
/// | [`exchange`](Self::exchange) | Celery's `task_default_exchange` |
/// | [`routing_key`](Self::routing_key) | Celery's `task_default_routing_key` |
/// | [`durable`](Self::durable) | `True` |
/// | [`exclusive`](Self::exclusive), [`auto_delete`](Self::auto_delete), [`no_declare`](Self::no_declare) | `False` |
/// | [`bound_to`](Self::bound_to), arguments and limits | none |
///
/// Queues that leave exchange and key out are all bound with the same ones. Celery sends to such a queue by its name; what somebody else
/// publishes with that exchange and key reaches all of them.
///
/// ```
/// use testcelery_codegen::{PyValue, Queue};
///
/// let queue = Queue::new("video").exchange("media").routing_key("media.video").max_priority(9);
/// assert_eq!(
///     PyValue::from(queue).to_literal()?,
///     "kombu.Queue('video', exchange=kombu.Exchange('media'), max_priority=9, routing_key='media.video')"
/// );
/// # Ok::<(), testcelery_codegen::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Queue {
    entity: Entity,
    bindings: Vec<PyValue>,
}

impl Queue {
    /// A queue of this name.
    pub fn new(name: impl Into<String>) -> Self {
        Self { entity: Entity::new(name), bindings: Vec::new() }
    }

    /// The exchange that it is bound to.
    #[must_use]
    pub fn exchange(self, exchange: impl Into<Exchange>) -> Self {
        self.with("exchange", exchange.into())
    }

    /// The key that it is bound to the exchange with.
    #[must_use]
    pub fn routing_key(self, key: impl Into<String>) -> Self {
        self.with("routing_key", key.into())
    }

    /// Binds it to one more exchange. With any such binding Kombu leaves [`exchange`](Self::exchange) out, and Celery binds the queue to
    /// its default exchange besides.
    #[must_use]
    pub fn bound_to(mut self, exchange: impl Into<Exchange>, routing_key: impl Into<String>) -> Self {
        let key = ("routing_key", routing_key.into().into());
        self.bindings.push(PyValue::call("kombu.binding", [exchange.into().into()], [key]));
        self
    }

    /// Whether it outlives a restart of the broker.
    #[must_use]
    pub fn durable(self, durable: bool) -> Self {
        self.with("durable", durable)
    }

    /// Whether one connection alone may consume from it. Such a queue goes with its connection.
    #[must_use]
    pub fn exclusive(self, exclusive: bool) -> Self {
        self.with("exclusive", exclusive)
    }

    /// Whether it goes with its last consumer.
    #[must_use]
    pub fn auto_delete(self, auto_delete: bool) -> Self {
        self.with("auto_delete", auto_delete)
    }

    /// Whether it is there already, and nothing declares it.
    #[must_use]
    pub fn no_declare(self, no_declare: bool) -> Self {
        self.with("no_declare", no_declare)
    }

    /// The highest priority of its messages, on RabbitMQ.
    #[must_use]
    pub fn max_priority(self, priority: u8) -> Self {
        self.with("max_priority", priority)
    }

    /// How many messages it holds at most, on RabbitMQ.
    #[must_use]
    pub fn max_length(self, messages: u32) -> Self {
        self.with("max_length", messages)
    }

    /// How many bytes of messages it holds at most, on RabbitMQ.
    #[must_use]
    pub fn max_length_bytes(self, bytes: u64) -> Self {
        self.with("max_length_bytes", bytes)
    }

    /// How long a message may wait in it, on RabbitMQ.
    #[must_use]
    pub fn message_ttl(self, ttl: Duration) -> Self {
        self.with("message_ttl", seconds(ttl))
    }

    /// How long it may be without a consumer before it goes.
    #[must_use]
    pub fn expires(self, unused: Duration) -> Self {
        self.with("expires", seconds(unused))
    }

    /// The arguments of its declaration, as `x-queue-type`.
    #[must_use]
    pub fn queue_arguments<K: Into<PyValue>, V: Into<PyValue>>(
        self,
        arguments: impl IntoIterator<Item = (K, V)>,
    ) -> Self {
        self.with("queue_arguments", PyValue::dict(arguments))
    }

    /// The arguments of its binding to the exchange, as `x-match`.
    #[must_use]
    pub fn binding_arguments<K: Into<PyValue>, V: Into<PyValue>>(
        self,
        arguments: impl IntoIterator<Item = (K, V)>,
    ) -> Self {
        self.with("binding_arguments", PyValue::dict(arguments))
    }

    /// The arguments of a consumer, as `x-priority`.
    #[must_use]
    pub fn consumer_arguments<K: Into<PyValue>, V: Into<PyValue>>(
        self,
        arguments: impl IntoIterator<Item = (K, V)>,
    ) -> Self {
        self.with("consumer_arguments", PyValue::dict(arguments))
    }

    fn with(self, argument: &'static str, value: impl Into<PyValue>) -> Self {
        Self { entity: self.entity.with(argument, value), ..self }
    }
}

/// A queue of this name.
impl<T: Into<String>> From<T> for Queue {
    fn from(name: T) -> Self {
        Self::new(name)
    }
}

impl From<Queue> for PyValue {
    fn from(queue: Queue) -> Self {
        let bindings = queue.bindings;
        let entity = if bindings.is_empty() { queue.entity } else { queue.entity.with("bindings", bindings) };
        entity.call("kombu.Queue")
    }
}

/// A name, and the arguments that were set, by their names.
#[derive(Debug, Clone, PartialEq)]
struct Entity {
    name: String,
    arguments: BTreeMap<&'static str, PyValue>,
}

impl Entity {
    fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), arguments: BTreeMap::new() }
    }

    fn with(mut self, argument: &'static str, value: impl Into<PyValue>) -> Self {
        self.arguments.insert(argument, value.into());
        self
    }

    fn call(self, path: &str) -> PyValue {
        PyValue::call(path, [self.name.into()], self.arguments)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_arguments() {
        let exchange = Exchange::new("e")
            .kind("headers")
            .durable(true)
            .auto_delete(true)
            .transient()
            .no_declare(true)
            .arguments([("alternate-exchange", "lost")]);
        let queue = Queue::new("q")
            .exchange(exchange)
            .routing_key("k")
            .durable(true)
            .exclusive(true)
            .auto_delete(true)
            .no_declare(true)
            .max_priority(9)
            .max_length(10)
            .max_length_bytes(1 << 40)
            .message_ttl(Duration::from_millis(1_500))
            .expires(Duration::from_secs(60))
            .queue_arguments([("x-queue-type", "quorum")])
            .binding_arguments([("x-match", "all")])
            .consumer_arguments([("x-priority", 1)]);
        insta::assert_snapshot!(PyValue::from(queue).to_literal().unwrap().replace(", ", ",\n"));
    }

    #[test]
    fn several_bindings() {
        let queue = Queue::from("q").bound_to("a", "x.#").bound_to(Exchange::new("b").kind("fanout"), "");
        let value = PyValue::from(vec![queue, "plain".into()]);
        insta::assert_snapshot!(value.to_literal().unwrap().replace(", ", ",\n"));
        assert_eq!(Vec::from_iter(value.imports()), ["kombu"]);
    }
}
