//! A running Memcached.

use std::sync::Arc;

use testcelery_api::{Backend, ConnectionUrl, Container, Node, ServiceNode};

use crate::{Client, PORT, Result, component::KIND, connection};

/// A running Memcached. A test gets it from its setup with `downcast_ref`.
///
/// ```no_run
/// use testcelery_api::Backend;
/// use testcelery_memcached::MemcachedNode;
///
/// # async fn example(backend: &dyn Backend) -> Result<(), Box<dyn std::error::Error>> {
/// if let Some(memcached) = backend.downcast_ref::<MemcachedNode>() {
///     let mut client = memcached.client().await?;
///     let stored = client.get("celery-task-meta-7f6c").await?;
///     assert!(stored.starts_with(b"{"));
/// }
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct MemcachedNode {
    service: ServiceNode,
}

impl MemcachedNode {
    pub(crate) fn new(container: Arc<dyn Container>, url: ConnectionUrl) -> Self {
        Self { service: ServiceNode::new(KIND, container, url, PORT) }
    }

    /// Opens a connection of its own, to look inside. Every call opens another one.
    ///
    /// # Errors
    /// When the container does not run, or does not answer within 5 s.
    pub async fn client(&self) -> Result<Client> {
        connection::open(&self.service.host_url()?).await
    }
}

impl Node for MemcachedNode {
    fn container(&self) -> &Arc<dyn Container> {
        self.service.container()
    }

    fn kind(&self) -> &str {
        self.service.kind()
    }
}

impl Backend for MemcachedNode {
    fn url(&self) -> ConnectionUrl {
        self.service.url()
    }

    fn host_url(&self) -> testcelery_api::Result<ConnectionUrl> {
        self.service.host_url()
    }
}
