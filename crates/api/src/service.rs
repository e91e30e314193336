//! The node of a broker or backend that is one server behind one port.

use std::sync::Arc;

use crate::{Backend, Broker, ConnectionUrl, Container, Node, Result};

/// A server behind one port, with a URL: what every broker and backend of ours is.
///
/// It is a [`Broker`] and a [`Backend`]; a component of your own needs no node type of its own unless it wants more methods.
#[derive(Debug, Clone)]
pub struct ServiceNode {
    kind: String,
    name: Option<String>,
    container: Arc<dyn Container>,
    url: ConnectionUrl,
    port: u16,
}

impl ServiceNode {
    /// A node for a container that serves `url` (the in-network one) on `port`.
    pub fn new(
        kind: impl Into<String>,
        container: Arc<dyn Container>,
        url: ConnectionUrl,
        port: u16,
    ) -> Self {
        Self { kind: kind.into(), name: None, container, url, port }
    }

    /// Gives it a name other than its container's, for a node in the container of another one.
    #[must_use]
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// The URL for workers.
    pub fn url(&self) -> ConnectionUrl {
        let (host, port) = self.container.network_address(self.port);
        self.url.clone().at(host, port)
    }

    /// The URL for the test.
    ///
    /// # Errors
    /// When the container does not run.
    pub fn host_url(&self) -> Result<ConnectionUrl> {
        let endpoint = self.container.endpoint(self.port)?;
        Ok(self.url.clone().at(endpoint.host, endpoint.host_port))
    }
}

impl Node for ServiceNode {
    fn container(&self) -> &Arc<dyn Container> {
        &self.container
    }

    fn kind(&self) -> &str {
        &self.kind
    }

    fn name(&self) -> &str {
        self.name.as_deref().unwrap_or(&self.container.spec().name)
    }
}

impl Broker for ServiceNode {
    fn url(&self) -> ConnectionUrl {
        Self::url(self)
    }

    fn host_url(&self) -> Result<ConnectionUrl> {
        Self::host_url(self)
    }
}

impl Backend for ServiceNode {
    fn url(&self) -> ConnectionUrl {
        Self::url(self)
    }

    fn host_url(&self) -> Result<ConnectionUrl> {
        Self::host_url(self)
    }
}
