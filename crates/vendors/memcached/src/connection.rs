//! Opening connections.

use std::time::Duration;

use memcache_async::ascii::Protocol;
use testcelery_api::ConnectionUrl;
use tokio::net::TcpStream;

use crate::{Error, PORT, Result};

/// How long one attempt to connect may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// A connection to a memcached: `get`, `set`, `version` and so on.
pub type Client = Protocol<TcpStream>;

/// Opens a connection and makes sure that a memcached answers.
pub(crate) async fn open(url: &ConnectionUrl) -> Result<Client> {
    let address = format!("{}:{}", url.host(), url.port_number().unwrap_or(PORT));
    let connecting = async {
        let stream = TcpStream::connect(&address).await?;
        stream.set_nodelay(true)?;
        let mut client = Protocol::new(stream);
        // A port that Docker publishes takes connections before anybody listens behind it.
        client.version().await?;
        Ok(client)
    };
    match tokio::time::timeout(CONNECT_TIMEOUT, connecting).await {
        Ok(Ok(client)) => Ok(client),
        Ok(Err(source)) => Err(Error::Connect { address, source }),
        Err(_) => Err(Error::NoAnswer { address, waited: CONNECT_TIMEOUT }),
    }
}
