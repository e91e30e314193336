//! The task queues of the app, read from the settings that its workers get.
//!
//! The app declares a queue as the workers declare it (`celery.app.amqp.AMQP.Queues`, `kombu.entity`), so every setting that changes a
//! declaration is read here. A value that cannot be read is an error of the plan: nothing is started then.

use serde_json::{Map, Value};
use testcelery_client::{BindingDeclaration, DEFAULT_QUEUE, ExchangeDeclaration, QueueDeclaration, Queues};
use testcelery_codegen::{Config, PyValue};

use crate::{Error, Result, queue_call::Arguments};

const QUEUES: &str = "task_queues";
const DIRECT: &str = "direct";
const MAX_PRIORITY: &str = "x-max-priority";
const QUEUE_TYPE: &str = "x-queue-type";

/// Kombu's arguments of a queue that stand for an argument of RabbitMQ (`kombu.transport.base.RABBITMQ_QUEUE_ARGUMENTS`); `true` for a time in
/// seconds, which RabbitMQ takes in milliseconds.
const RABBITMQ_ARGUMENTS: [(&str, &str, bool); 5] = [
    ("expires", "x-expires", true),
    ("message_ttl", "x-message-ttl", true),
    ("max_length", "x-max-length", false),
    ("max_length_bytes", "x-max-length-bytes", false),
    ("max_priority", MAX_PRIORITY, false),
];

/// Arguments of a queue that concern its consumers alone.
const CONSUMER_ARGUMENTS: [&str; 3] = ["consumer_arguments", "no_ack", "on_declared"];

/// Reads the task queues from the settings.
pub(crate) fn queues(settings: &Config) -> Result<Queues> {
    Reader::new(settings)?.queues(settings)
}

/// The settings that hold for several queues.
struct Reader {
    default_queue: String,
    default_exchange: ExchangeDeclaration,
    default_routing_key: String,
    max_priority: Option<Value>,
}

impl Reader {
    fn new(settings: &Config) -> Result<Self> {
        let default_queue = text(settings, "task_default_queue")?.unwrap_or_else(|| DEFAULT_QUEUE.to_owned());
        let exchange = text(settings, "task_default_exchange")?.unwrap_or_else(|| default_queue.clone());
        let kind = text(settings, "task_default_exchange_type")?.unwrap_or_else(|| DIRECT.to_owned());
        Ok(Self {
            default_exchange: ExchangeDeclaration::new(exchange, kind),
            default_routing_key: text(settings, "task_default_routing_key")?
                .unwrap_or_else(|| default_queue.clone()),
            default_queue,
            max_priority: match settings.get("task_queue_max_priority") {
                None | Some(PyValue::None) => None,
                Some(PyValue::Int(priority)) => Some(integer("task_queue_max_priority", *priority)?),
                Some(other) => {
                    return Err(unreadable("task_queue_max_priority", other, "it has to be an integer"));
                }
            },
        })
    }

    fn queues(&self, settings: &Config) -> Result<Queues> {
        let mut queues = Queues::default();
        let declared = self.declared(settings)?;
        if declared.is_empty() {
            let mut queue = QueueDeclaration::new(&self.default_queue);
            queue.exchange = self.default_exchange.clone();
            queue.routing_key.clone_from(&self.default_routing_key);
            if text(settings, "task_default_queue_type")?.as_deref() == Some("quorum") {
                queue.arguments.insert(QUEUE_TYPE.to_owned(), "quorum".into());
            }
            queues = queues.with(self.completed(queue));
        }
        for queue in declared {
            queues = queues.with(queue);
        }
        match settings.get("task_create_missing_queues") {
            None | Some(PyValue::Bool(true)) => {}
            Some(PyValue::Bool(false)) => return Ok(queues.without_missing()),
            Some(other) => {
                return Err(unreadable("task_create_missing_queues", other, "it has to be a boolean"));
            }
        }
        let kind = text(settings, "task_create_missing_queue_exchange_type")?;
        let mut arguments = Map::new();
        match text(settings, "task_create_missing_queue_type")?.as_deref() {
            None | Some("classic") => {}
            Some("quorum") => drop(arguments.insert(QUEUE_TYPE.to_owned(), "quorum".into())),
            Some(other) => {
                let problem = "it has to be `classic` or `quorum`";
                return Err(unreadable("task_create_missing_queue_type", &other.into(), problem));
            }
        }
        self.with_priority(&mut arguments);
        Ok(queues.missing(kind.as_deref().unwrap_or(DIRECT), arguments))
    }

    /// Reads `task_queues`: a sequence of `kombu.Queue` calls, or a dict of them or of their arguments by name.
    fn declared(&self, settings: &Config) -> Result<Vec<QueueDeclaration>> {
        match settings.get(QUEUES) {
            None | Some(PyValue::None) => Ok(Vec::new()),
            Some(PyValue::List(items) | PyValue::Tuple(items) | PyValue::Set(items)) => {
                items.iter().map(|item| self.queue(Arguments::of_call(QUEUES, item, "Queue")?)).collect()
            }
            Some(PyValue::Dict(items)) => items.iter().map(|(name, value)| self.entry(name, value)).collect(),
            Some(other) => {
                Err(unreadable(QUEUES, other, "it has to be a list of `kombu.Queue`, or a dict by name"))
            }
        }
    }

    /// An entry of the dict form (`Queues.add_compat`).
    fn entry(&self, name: &PyValue, value: &PyValue) -> Result<QueueDeclaration> {
        let PyValue::Str(name) = name else {
            return Err(unreadable(QUEUES, name, "the name of a queue has to be a text"));
        };
        let PyValue::Dict(_) = value else {
            return self.queue(Arguments::of_call(QUEUES, value, "Queue")?);
        };
        let mut given = Arguments::of_dict(QUEUES, name, value)?;
        // `Queue.from_dict` takes the arguments of the exchange with a prefix, and flags without a prefix for both.
        let kind = given.text("exchange_type")?.unwrap_or_else(|| DIRECT.to_owned());
        let mut queue = QueueDeclaration::new(name);
        queue.exchange = ExchangeDeclaration::new(given.text("exchange")?.unwrap_or_default(), kind);
        queue.exchange.arguments = given.dict("exchange_arguments")?;
        let (binding_key, key) = (given.text("binding_key")?, given.text("routing_key")?);
        queue.routing_key = binding_key.or(key).unwrap_or_else(|| name.clone());
        let (durable, auto_delete) = (given.flag("durable")?, given.flag("auto_delete")?);
        queue.exchange.durable = given.flag("exchange_durable")?.or(durable).unwrap_or(true);
        queue.exchange.auto_delete = given.flag("exchange_auto_delete")?.or(auto_delete).unwrap_or(false);
        queue.durable = given.flag("queue_durable")?.or(durable).unwrap_or(true);
        queue.auto_delete = given.flag("queue_auto_delete")?.or(auto_delete).unwrap_or(false);
        given.ignore(&["delivery_mode"]);
        self.finish(queue, given)
    }

    /// A call of `kombu.Queue`.
    fn queue(&self, mut given: Arguments) -> Result<QueueDeclaration> {
        given.name_positional(&["name", "exchange", "routing_key"]);
        let name = given.text("name")?.filter(|name| !name.is_empty());
        let Some(name) = name else {
            return Err(
                given.error("a queue without a name gets one from the broker, which the app cannot know")
            );
        };
        let mut queue = QueueDeclaration::new(name);
        queue.exchange = ExchangeDeclaration::new("", DIRECT);
        let mut bindings = Vec::new();
        match given.take("exchange").as_ref() {
            Some(PyValue::List(items) | PyValue::Tuple(items) | PyValue::Set(items)) => {
                bindings.extend_from_slice(items);
            }
            Some(value) => queue.exchange = exchange(value)?,
            None => {}
        }
        match given.take("bindings").as_ref() {
            None => {}
            Some(PyValue::List(items) | PyValue::Tuple(items) | PyValue::Set(items)) => {
                bindings.extend_from_slice(items);
            }
            Some(_) => return Err(given.error("`bindings` has to be a list of `kombu.binding`")),
        }
        queue.routing_key = given.text("routing_key")?.unwrap_or_default();
        if !bindings.is_empty() {
            // Kombu drops the exchange of a queue with bindings, and Celery gives it the default one.
            queue.exchange = ExchangeDeclaration::new("", DIRECT);
            queue.bindings = bindings.iter().map(binding).collect::<Result<_>>()?;
        }
        queue.durable = given.flag("durable")?.unwrap_or(true);
        queue.auto_delete = given.flag("auto_delete")?.unwrap_or(false);
        self.finish(queue, given)
    }

    /// Reads the arguments that both forms have.
    fn finish(&self, mut queue: QueueDeclaration, mut given: Arguments) -> Result<QueueDeclaration> {
        queue.arguments = given.dict("queue_arguments")?;
        for (argument, name, is_time) in RABBITMQ_ARGUMENTS {
            if let Some(value) = given.number(argument, is_time)? {
                queue.arguments.insert(name.to_owned(), value);
            }
        }
        queue.binding_arguments = given.dict("binding_arguments")?;
        queue.exclusive = given.flag("exclusive")?.unwrap_or(false);
        queue.declare = !given.flag("no_declare")?.unwrap_or(false);
        given.ignore(&CONSUMER_ARGUMENTS);
        given.finish()?;
        Ok(self.completed(queue))
    }

    /// Adds what Celery adds to a queue (`Queues._add`).
    fn completed(&self, mut queue: QueueDeclaration) -> QueueDeclaration {
        if queue.exchange.name.is_empty() {
            queue.exchange = self.default_exchange.clone();
        }
        if queue.routing_key.is_empty() {
            queue.routing_key.clone_from(&self.default_routing_key);
        }
        queue.auto_delete |= queue.exclusive;
        self.with_priority(&mut queue.arguments);
        queue
    }

    fn with_priority(&self, arguments: &mut Map<String, Value>) {
        if let Some(priority) = &self.max_priority {
            arguments.entry(MAX_PRIORITY).or_insert_with(|| priority.clone());
        }
    }
}

/// An exchange: its name, or a call of `kombu.Exchange`.
fn exchange(value: &PyValue) -> Result<ExchangeDeclaration> {
    if let PyValue::Str(name) = value {
        return Ok(ExchangeDeclaration::new(name, DIRECT));
    }
    let mut given = Arguments::of_call(QUEUES, value, "Exchange")?;
    given.name_positional(&["name", "type"]);
    let kind = given.text("type")?.unwrap_or_else(|| DIRECT.to_owned());
    let mut exchange = ExchangeDeclaration::new(given.text("name")?.unwrap_or_default(), kind);
    exchange.durable = given.flag("durable")?.unwrap_or(true);
    exchange.auto_delete = given.flag("auto_delete")?.unwrap_or(false);
    // A passive declaration creates nothing.
    let passive = given.flag("passive")?.unwrap_or(false);
    exchange.declare &= !given.flag("no_declare")?.unwrap_or(false) && !passive;
    exchange.arguments = given.dict("arguments")?;
    given.ignore(&["delivery_mode"]);
    given.finish()?;
    Ok(exchange)
}

/// A call of `kombu.binding`.
fn binding(value: &PyValue) -> Result<BindingDeclaration> {
    let mut given = Arguments::of_call(QUEUES, value, "binding")?;
    given.name_positional(&["exchange", "routing_key", "arguments", "unbind_arguments"]);
    let Some(to) = given.take("exchange") else {
        return Err(given.error("a binding needs an exchange"));
    };
    let mut binding = BindingDeclaration::new(exchange(&to)?, given.text("routing_key")?.unwrap_or_default());
    binding.arguments = given.dict("arguments")?;
    given.ignore(&["unbind_arguments"]);
    given.finish()?;
    Ok(binding)
}

/// The text of a setting. Celery takes `None` and the empty text for unset.
fn text(settings: &Config, key: &str) -> Result<Option<String>> {
    match settings.get(key) {
        None | Some(PyValue::None) => Ok(None),
        Some(PyValue::Str(text)) => Ok(Some(text.clone()).filter(|text| !text.is_empty())),
        Some(other) => Err(unreadable(key, other, "it has to be a text")),
    }
}

fn integer(key: &str, value: i128) -> Result<Value> {
    let number = i64::try_from(value).map(Value::from);
    number.map_err(|_| unreadable(key, &PyValue::Int(value), "it does not fit into 64 bits"))
}

fn unreadable(key: &str, value: &PyValue, problem: &str) -> Error {
    let shown = value.to_literal().unwrap_or_else(|_| "a value that is no Python literal".to_owned());
    Error::Setup(format!(
        "the app cannot follow the setting {key} = {shown}: {problem}; a single worker can have it by `Worker::config`"
    ))
}

#[cfg(test)]
mod tests;
