//! Declarations of queues and exchanges on a connection.

use lapin::{
    Channel, ExchangeKind,
    options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions},
    types::{FieldTable, ShortString},
};
use serde_json::{Map, Value};
use testcelery_client::{ExchangeDeclaration, Message, QueueDeclaration, Result};

use crate::{fault::Fault, fields, session::Channels};

/// A queue's declaration in AMQP's types.
#[derive(Debug)]
pub(crate) struct Declaration {
    pub(crate) name: ShortString,
    /// The exchange and the routing key of its messages.
    pub(crate) target: (ShortString, ShortString),
    /// `false` if only its consumer declares it.
    pub(crate) declare: bool,
    options: QueueDeclareOptions,
    arguments: FieldTable,
    bindings: Vec<Binding>,
}

#[derive(Debug)]
struct Binding {
    exchange: Exchange,
    routing_key: ShortString,
    arguments: FieldTable,
}

#[derive(Debug)]
struct Exchange {
    name: ShortString,
    kind: ExchangeKind,
    declare: bool,
    options: ExchangeDeclareOptions,
    arguments: FieldTable,
}

impl Declaration {
    /// Translates the declaration of a task's queue.
    pub(crate) fn new(message: &Message, queue: &QueueDeclaration) -> Result<Self> {
        fields::name(message, "queue", &queue.name)?;
        Self::translate(queue).map_err(|problem| fields::refused(message, "queue", problem))
    }

    fn translate(queue: &QueueDeclaration) -> Result<Self, String> {
        let own = binding(&queue.exchange, &queue.routing_key, &queue.binding_arguments)?;
        let further = queue
            .bindings
            .iter()
            .map(|further| binding(&further.exchange, &further.routing_key, &further.arguments));
        let bindings = std::iter::once(Ok(own)).chain(further).collect::<Result<Vec<_>, String>>()?;
        let (exchange, routing_key) = queue.target();
        Ok(Self {
            name: short("name", &queue.name)?,
            target: (short("exchange", exchange)?, short("routing key", routing_key)?),
            // Its consumer's connection is the only one that may declare an exclusive queue.
            declare: queue.declare && !queue.exclusive,
            options: QueueDeclareOptions {
                durable: queue.durable,
                exclusive: queue.exclusive,
                auto_delete: queue.auto_delete,
                ..QueueDeclareOptions::default()
            },
            arguments: table("arguments", &queue.arguments)?,
            // The default exchange binds every queue by itself.
            bindings: bindings.into_iter().filter(|it| !it.exchange.name.as_str().is_empty()).collect(),
        })
    }

    /// Makes the declaration in Kombu's order: exchange, queue, binding; the further bindings last.
    ///
    /// A part that the broker refuses stays as it is: it may exist with other properties, or the user may lack the right to declare. Whether
    /// messages reach the queue all the same is known when one is published. Returns the broker's words for the first refusal.
    pub(crate) async fn make(&self, channels: &Channels) -> Result<Option<String>, Fault> {
        let mut steps = Steps { channels, channel: channels.open().await?, refusal: None };
        let (own, further) = self.bindings.split_at(self.bindings.len().min(1));
        for binding in own {
            steps.exchange(&binding.exchange).await?;
        }
        steps.queue(self).await?;
        for binding in own {
            steps.bind(self, binding).await?;
        }
        for binding in further {
            steps.exchange(&binding.exchange).await?;
            steps.bind(self, binding).await?;
        }
        Ok(steps.refusal)
    }
}

/// Declarations on one channel after the other: a refusal closes the channel.
struct Steps<'a> {
    channels: &'a Channels,
    channel: Channel,
    refusal: Option<String>,
}

impl Steps<'_> {
    async fn exchange(&mut self, exchange: &Exchange) -> Result<(), Fault> {
        if !exchange.declare {
            return Ok(());
        }
        let (name, kind) = (exchange.name.clone(), exchange.kind.clone());
        let done =
            self.channel.exchange_declare(name, kind, exchange.options, exchange.arguments.clone()).await;
        self.note(done).await
    }

    async fn queue(&mut self, queue: &Declaration) -> Result<(), Fault> {
        let (name, arguments) = (queue.name.clone(), queue.arguments.clone());
        let done = self.channel.queue_declare(name, queue.options, arguments).await;
        self.note(done.map(drop)).await
    }

    async fn bind(&mut self, queue: &Declaration, binding: &Binding) -> Result<(), Fault> {
        let done = self.channel.queue_bind(
            queue.name.clone(),
            binding.exchange.name.clone(),
            binding.routing_key.clone(),
            QueueBindOptions::default(),
            binding.arguments.clone(),
        );
        let done = done.await;
        self.note(done).await
    }

    async fn note(&mut self, done: lapin::Result<()>) -> Result<(), Fault> {
        match done {
            Err(error) if error.is_amqp_soft_error() => {
                self.refusal.get_or_insert(error.to_string());
                self.channel = self.channels.open().await?;
                Ok(())
            }
            other => Ok(other?),
        }
    }
}

fn binding(
    exchange: &ExchangeDeclaration,
    routing_key: &str,
    arguments: &Map<String, Value>,
) -> Result<Binding, String> {
    let options = ExchangeDeclareOptions {
        durable: exchange.durable,
        auto_delete: exchange.auto_delete,
        ..ExchangeDeclareOptions::default()
    };
    let kind = match exchange.kind.as_str() {
        "direct" => ExchangeKind::Direct,
        "fanout" => ExchangeKind::Fanout,
        "headers" => ExchangeKind::Headers,
        "topic" => ExchangeKind::Topic,
        other => {
            short("exchange type", other)?;
            ExchangeKind::Custom(other.to_owned())
        }
    };
    Ok(Binding {
        exchange: Exchange {
            name: short("exchange", &exchange.name)?,
            kind,
            declare: exchange.declare,
            options,
            arguments: table("exchange arguments", &exchange.arguments)?,
        },
        routing_key: short("routing key", routing_key)?,
        arguments: table("binding arguments", arguments)?,
    })
}

fn short(part: &str, text: &str) -> Result<ShortString, String> {
    fields::short(text).map_err(|problem| format!("its {part}: {problem}"))
}

fn table(part: &str, map: &Map<String, Value>) -> Result<FieldTable, String> {
    fields::table(map).map_err(|problem| format!("its {part}: {problem}"))
}
