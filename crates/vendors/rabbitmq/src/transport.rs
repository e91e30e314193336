//! The transport that carries messages over AMQP.

use std::sync::Arc;

use async_trait::async_trait;
use testcelery_api::ConnectionUrl;
use testcelery_client::{
    Address, Inbox, Message, QueueDeclaration, Result, ResultStore, Transport, TransportFactory,
};

use crate::{amqp, declare::Declaration, fields, inbox::AmqpInbox, link::Link, rpc::RpcStore};

/// Makes transports for `amqp://` and `pyamqp://`, which is what Kombu calls its AMQP transport in pure Python.
///
/// Of the options of a URL it follows `heartbeat`, in seconds (default: 20 s), and refuses all others. User and password default to `guest`,
/// each by itself, and the virtual host to `/`, as in Kombu.
///
/// A transport keeps one connection, with publisher confirms. If the broker goes away, a call tries to reach it again, wherever its address
/// says it is then. A message whose confirmation was lost is sent again, so that it can arrive twice.
///
/// | call | time limit |
/// |---|---|
/// | `connect` | 5 s, one attempt |
/// | `publish`, `broadcast`, `open_inbox`, `rpc_store` | 30 s ([`AMQP_PATIENCE`](crate::AMQP_PATIENCE)) |
/// | a result store of `rpc_store`: `watch`, `get`, `forget` | 30 s |
/// | `close` of a transport, a store or an inbox | 1 s |
/// | `next` of an inbox, `wait` of a store | none: the caller sets one |
///
/// If memory or disk of the broker run low, it accepts no messages (`connection.blocked`). Calls wait for it as for a broker that is away, and
/// their error has its reason. A call that waits before its message was handed over sends nothing after its error. A message that was already
/// on its way may still arrive when the broker reads again.
///
/// ```no_run
/// use std::sync::Arc;
/// use testcelery_api::ConnectionUrl;
/// use testcelery_client::{Message, Properties, QueueDeclaration, TransportFactory};
/// use testcelery_rabbitmq::AmqpTransportFactory;
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let address: ConnectionUrl = "amqp://guest:guest@127.0.0.1:5672/%2F".parse()?;
/// let transport = AmqpTransportFactory.connect(Arc::new(address)).await?;
/// let message = Message {
///     headers: serde_json::from_str(r#"{"task": "tasks.add", "id": "7"}"#)?,
///     properties: Properties::default(),
///     body: b"[[2, 3], {}, {}]".to_vec(),
/// };
/// transport.publish(&QueueDeclaration::new("celery"), &message).await?;
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct AmqpTransportFactory;

#[async_trait]
impl TransportFactory for AmqpTransportFactory {
    fn schemes(&self) -> &'static [&'static str] {
        &["amqp", "pyamqp"]
    }

    fn check(&self, url: &ConnectionUrl) -> Result<(), String> {
        amqp::parameters(url).map(drop)
    }

    async fn connect(&self, address: Arc<dyn Address>) -> Result<Arc<dyn Transport>> {
        let link = Arc::new(Link::new(address));
        link.connect().await?;
        Ok(Arc::new(AmqpTransport { link }))
    }
}

#[derive(Debug)]
struct AmqpTransport {
    link: Arc<Link>,
}

#[async_trait]
impl Transport for AmqpTransport {
    fn safe_url(&self) -> String {
        self.link.safe_url()
    }

    fn impediment(&self) -> Option<String> {
        self.link.impediment()
    }

    async fn publish(&self, queue: &QueueDeclaration, message: &Message) -> Result<()> {
        let properties = &fields::to_amqp(message)?;
        let declaration = &Declaration::new(message, queue)?;
        let operation = format!("publish to queue {}", queue.name);
        self.link
            .run(&operation, |session| async move {
                session.publish_to_queue(declaration, properties, &message.body).await
            })
            .await
    }

    async fn broadcast(&self, exchange: &str, message: &Message) -> Result<()> {
        let properties = &fields::to_amqp(message)?;
        let name = &fields::name(message, "exchange", exchange)?;
        let operation = format!("broadcast to exchange {exchange}");
        self.link
            .run(&operation, |session| async move {
                session.publish_to_exchange(name, properties, &message.body).await
            })
            .await
    }

    async fn open_inbox(&self, exchange: &str, routing_key: &str) -> Result<Box<dyn Inbox>> {
        Ok(Box::new(AmqpInbox::open(&self.link, exchange, routing_key).await?))
    }

    async fn rpc_store(&self) -> Result<Arc<dyn ResultStore>> {
        Ok(Arc::new(RpcStore::open(self.link.clone()).await?))
    }

    async fn close(&self) {
        self.link.close().await;
    }
}
