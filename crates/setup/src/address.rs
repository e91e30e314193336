//! Addresses of nodes, as the client asks for them.

use std::{fmt, sync::Arc};

use testcelery_api::{Backend, BoxError, Broker, ConnectionUrl};
use testcelery_client::Address;

/// Where the test reaches a broker now. A restarted container may have another port.
pub(crate) struct BrokerAddress(pub(crate) Arc<dyn Broker>);

/// Where the test reaches a result backend now.
pub(crate) struct BackendAddress(pub(crate) Arc<dyn Backend>);

impl Address for BrokerAddress {
    fn url(&self) -> Result<ConnectionUrl, BoxError> {
        Ok(self.0.host_url()?)
    }
}

impl Address for BackendAddress {
    fn url(&self) -> Result<ConnectionUrl, BoxError> {
        Ok(self.0.host_url()?)
    }
}

impl fmt::Debug for BrokerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BrokerAddress({})", self.0.name())
    }
}

impl fmt::Debug for BackendAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BackendAddress({})", self.0.name())
    }
}
