//! Whether the broker accepts clients.

use async_trait::async_trait;
use testcelery_api::{BoxError, ConnectionUrl, Container, Probe};

use crate::{PORT, amqp};

/// Opens an AMQP connection from the host, with the credentials and the virtual host that clients are going to use.
#[derive(Debug)]
pub(crate) struct AmqpProbe {
    url: ConnectionUrl,
}

impl AmqpProbe {
    /// A probe for a broker with this in-network URL.
    pub(crate) fn new(url: ConnectionUrl) -> Self {
        Self { url }
    }
}

#[async_trait]
impl Probe for AmqpProbe {
    fn description(&self) -> String {
        format!("an AMQP connection to {}", self.url)
    }

    async fn probe(&self, container: &dyn Container) -> Result<(), BoxError> {
        let endpoint = container.endpoint(PORT)?;
        let url = self.url.clone().at(endpoint.host, endpoint.host_port);
        let connection = amqp::open(&url).await?;
        connection.close(200, "OK".into()).await?;
        Ok(())
    }
}
