//! A running RabbitMQ.

use std::sync::Arc;

use testcelery_api::{Broker, ConnectionUrl, Container, Error, Node, ServiceNode};

use crate::{PORT, Result, amqp, component::KIND, management};

/// A running RabbitMQ broker. A test gets it from its setup with `downcast_ref`.
///
/// ```no_run
/// use testcelery_api::Broker;
/// use testcelery_rabbitmq::RabbitMqNode;
///
/// # async fn example(broker: &dyn Broker) -> Result<(), Box<dyn std::error::Error>> {
/// if let Some(rabbitmq) = broker.downcast_ref::<RabbitMqNode>() {
///     let channel = rabbitmq.client().await?.create_channel().await?;
///     assert!(channel.status().connected());
/// }
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct RabbitMqNode {
    service: ServiceNode,
}

impl RabbitMqNode {
    pub(crate) fn new(container: Arc<dyn Container>, url: ConnectionUrl) -> Self {
        Self { service: ServiceNode::new(KIND, container, url, PORT) }
    }

    /// Opens an AMQP connection of its own, to look inside: with the broker's user, in its virtual host. Every call opens another one.
    ///
    /// # Errors
    /// When the container does not run, or does not answer within 10 s.
    pub async fn client(&self) -> Result<lapin::Connection> {
        amqp::open(&self.service.host_url()?).await
    }

    /// Where the test reaches the management plugin's web page and, below `api/`, its HTTP API: `http://testcelery:**@127.0.0.1:49153/`.
    /// User and password are the broker's, and in what [`reveal`](ConnectionUrl::reveal) gives. Another port after a restart, perhaps.
    ///
    /// # Errors
    /// When the plugin is not enabled ([`RabbitMq::management`](crate::RabbitMq::management)) or the container does not run.
    pub fn management_url(&self) -> testcelery_api::Result<ConnectionUrl> {
        let container = self.container();
        if !container.spec().ports.iter().any(|port| port.container == management::PORT) {
            let problem = "its management plugin is not enabled; add `.management()` to the `RabbitMq`";
            return Err(Error::component(self.name(), problem));
        }
        management::url(container.as_ref(), &self.service.url())
    }
}

impl Node for RabbitMqNode {
    fn container(&self) -> &Arc<dyn Container> {
        self.service.container()
    }

    fn kind(&self) -> &str {
        self.service.kind()
    }
}

impl Broker for RabbitMqNode {
    fn url(&self) -> ConnectionUrl {
        self.service.url()
    }

    fn host_url(&self) -> testcelery_api::Result<ConnectionUrl> {
        self.service.host_url()
    }
}
