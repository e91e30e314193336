//! A running Redis server.

use std::sync::Arc;

use fred::clients::Client;
use testcelery_api::{Backend, Broker, ConnectionUrl, Container, Node, Result, ServiceNode};
use testcelery_client as celery;

use crate::{
    component::{KIND, PORT},
    link,
};

/// A running Redis server, as broker or as result backend.
#[derive(Debug, Clone)]
pub struct RedisNode {
    service: ServiceNode,
}

impl RedisNode {
    /// A node for a container that serves `url`, the one for workers, on port 6379.
    pub fn new(container: Arc<dyn Container>, url: ConnectionUrl) -> Self {
        Self { service: ServiceNode::new(KIND, container, url, PORT) }
    }

    /// Gives it a name other than its container's, for a node in the container of another one.
    #[must_use]
    pub fn named(self, name: impl Into<String>) -> Self {
        Self { service: self.service.named(name) }
    }

    /// A connected client in the node's database, for tests that want to look inside. It is [`fred`]'s own; call its `quit` when done with it,
    /// or it stays connected until the server or the process ends. It does not follow a restart: ask for another one then.
    ///
    /// # Errors
    /// [`Error::Connection`](celery::Error::Connection) when the server cannot be reached within 5 s.
    pub async fn client(&self) -> celery::Result<Client> {
        const OPERATION: &str = "look into the server";
        let url = self
            .service
            .host_url()
            .map_err(|error| celery::Error::connection(OPERATION, Backend::url(self).to_string(), error))?;
        link::open_client(&url)
            .await
            .map_err(|error| celery::Error::connection(OPERATION, url.to_string(), error))
    }
}

impl Node for RedisNode {
    fn container(&self) -> &Arc<dyn Container> {
        self.service.container()
    }

    fn kind(&self) -> &str {
        self.service.kind()
    }

    fn name(&self) -> &str {
        self.service.name()
    }
}

impl Broker for RedisNode {
    fn url(&self) -> ConnectionUrl {
        self.service.url()
    }

    fn host_url(&self) -> Result<ConnectionUrl> {
        self.service.host_url()
    }
}

impl Backend for RedisNode {
    fn url(&self) -> ConnectionUrl {
        self.service.url()
    }

    fn host_url(&self) -> Result<ConnectionUrl> {
        self.service.host_url()
    }
}
