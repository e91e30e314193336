//! A network: the addresses of containers that see each other by name.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use testcelery_api::{Capability, Container, ContainerSpec, Network, Result};

use crate::{
    address::{Address, Addresses},
    capability::unsupported,
};

/// The names of containers and where they are. An address is kept as long as the network, so that a restarted container is where it was.
#[derive(Debug)]
pub(crate) struct Hosts {
    addresses: Arc<Addresses>,
    by_name: Mutex<HashMap<String, Arc<Address>>>,
}

impl Hosts {
    pub(crate) fn new(addresses: Arc<Addresses>) -> Self {
        Self { addresses, by_name: Mutex::default() }
    }

    /// The address of a container, from before it exists.
    pub(crate) fn address_of(&self, spec: &ContainerSpec) -> Result<Arc<Address>> {
        let mut by_name = self.lock();
        if let Some(address) = by_name.get(&spec.name) {
            return Ok(Arc::clone(address));
        }
        let ports: Vec<u16> = spec.ports.iter().map(|port| port.container).collect();
        let spare = spec.image.software.as_ref().map_or(0, |software| software.port_variables.len());
        let address = Arc::new(self.addresses.take(&ports, spare)?);
        for name in [&spec.name, &spec.hostname].into_iter().chain(&spec.aliases) {
            by_name.insert(name.clone(), Arc::clone(&address));
        }
        Ok(address)
    }

    /// Where a name leads.
    pub(crate) fn find(&self, name: &str) -> Option<Arc<Address>> {
        self.lock().get(name).cloned()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Arc<Address>>> {
        self.by_name.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A network of this engine. There is nothing to remove: addresses go back when nobody has them any more.
#[derive(Debug)]
pub(crate) struct LocalNetwork {
    pub(crate) id: String,
    pub(crate) hosts: Arc<Hosts>,
}

#[async_trait]
impl Network for LocalNetwork {
    fn id(&self) -> &str {
        &self.id
    }

    async fn disconnect(&self, _: &dyn Container) -> Result<()> {
        Err(unsupported(Capability::Partition))
    }

    async fn connect(&self, _: &dyn Container) -> Result<()> {
        Err(unsupported(Capability::Partition))
    }

    async fn remove(&self) -> Result<()> {
        Ok(())
    }
}
