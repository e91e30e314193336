//! Whether the server answers.

use async_trait::async_trait;
use testcelery_api::{BoxError, ConnectionUrl, Container, Probe};

use crate::{PORT, connection};

/// Asks for the version.
#[derive(Debug)]
pub(crate) struct VersionProbe;

#[async_trait]
impl Probe for VersionProbe {
    fn description(&self) -> String {
        "memcached's answer to `version`".to_owned()
    }

    async fn probe(&self, container: &dyn Container) -> Result<(), BoxError> {
        let endpoint = container.endpoint(PORT)?;
        let url = ConnectionUrl::new("cache+memcached", endpoint.host).port(endpoint.host_port);
        // Opening asks for the version.
        connection::open(&url).await?;
        Ok(())
    }
}
