//! The networks of this engine.

use std::sync::{Arc, PoisonError};

use async_trait::async_trait;
use bollard::models::{NetworkConnectRequest, NetworkDisconnectRequest};
use testcelery_api::{Container, Network, Result};

use crate::{
    background::Guard, connect::Inner, create::in_network, error::failed, reach::Reach,
    removal::remove_network,
};

/// A bridge network of the daemon. The guard is dropped before the engine.
#[derive(Debug)]
pub(crate) struct DockerNetwork {
    pub(crate) guard: Guard,
    pub(crate) name: String,
    pub(crate) engine: Arc<Inner>,
}

impl DockerNetwork {
    /// A container that is cut off loses its ports on the host, and may get other ones when it is back.
    async fn ports_changed(&self, container: &dyn Container) -> Result<()> {
        let shared = {
            let all = self.engine.containers.lock().unwrap_or_else(PoisonError::into_inner);
            all.get(container.id()).and_then(std::sync::Weak::upgrade)
        };
        match shared {
            Some(shared) => shared.refresh(&self.engine).await,
            None => Ok(()),
        }
    }
}

#[async_trait]
impl Network for DockerNetwork {
    fn id(&self) -> &str {
        &self.name
    }

    async fn disconnect(&self, container: &dyn Container) -> Result<()> {
        let request = NetworkDisconnectRequest { container: container.id().to_owned(), force: None };
        self.engine
            .client
            .disconnect_network(&self.name, request)
            .await
            .map_err(failed("cut off", &container.spec().name))?;
        self.ports_changed(container).await
    }

    async fn connect(&self, container: &dyn Container) -> Result<()> {
        let request = NetworkConnectRequest {
            container: container.id().to_owned(),
            endpoint_config: Some(in_network(container.spec())),
        };
        self.engine
            .client
            .connect_network(&self.name, request)
            .await
            .map_err(failed("connect", &container.spec().name))?;
        self.ports_changed(container).await
    }

    async fn remove(&self) -> Result<()> {
        let client = &self.engine.client;
        if let Reach::Inside(own) = &self.engine.reach {
            let request = NetworkDisconnectRequest { container: own.clone(), force: Some(true) };
            // It may not be in there any more.
            let _ = client.disconnect_network(&self.name, request).await;
        }
        remove_network(client, &self.name).await.map_err(failed("remove network", &self.name))?;
        self.guard.disarm();
        Ok(())
    }
}
