//! Where a port of a container is reached.

use std::fmt;

use crate::url::bracketed;

/// One port of a container, seen from the test and from the container's own network.
///
/// ```
/// use testcelery_api::Endpoint;
///
/// let endpoint = Endpoint::new(("127.0.0.1", 49153), ("broker", 5672));
/// assert_eq!(endpoint.host_address(), "127.0.0.1:49153");
/// assert_eq!(endpoint.network_address(), "broker:5672");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Endpoint {
    /// The host by which the test reaches it.
    pub host: String,
    /// The port by which the test reaches it.
    pub host_port: u16,
    /// The name by which containers of the same network reach it.
    pub network_host: String,
    /// The port by which containers of the same network reach it.
    pub network_port: u16,
}

impl Endpoint {
    /// An endpoint from both of its sides: the test's and the network's.
    pub fn new(host: (impl Into<String>, u16), network: (impl Into<String>, u16)) -> Self {
        Self {
            host: host.0.into(),
            host_port: host.1,
            network_host: network.0.into(),
            network_port: network.1,
        }
    }

    /// `host:port` for the test's side.
    pub fn host_address(&self) -> String {
        format!("{}:{}", bracketed(&self.host), self.host_port)
    }

    /// `host:port` for containers of the same network.
    pub fn network_address(&self) -> String {
        format!("{}:{}", bracketed(&self.network_host), self.network_port)
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({} in the network)", self.host_address(), self.network_address())
    }
}
