//! Opening connections.

use std::time::Duration;

use memcache_async::ascii::Protocol;
use testcelery_api::ConnectionUrl;
use testcelery_client::runtime;
use tokio::net::TcpStream;

use crate::{Error, PORT, Result};

/// How long one attempt to connect may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// A connection to a memcached: `get`, `set`, `version` and so on.
pub type Client = Protocol<TcpStream>;

/// Opens a connection on the client's runtime and makes sure that a memcached answers.
pub(crate) async fn open(url: &ConnectionUrl) -> Result<Client> {
    let address = format!("{}:{}", url.host(), url.port_number().unwrap_or(PORT));
    let target = address.clone();
    let connecting = async move {
        let stream = TcpStream::connect(target).await?;
        stream.set_nodelay(true)?;
        let mut client = Protocol::new(stream);
        // A port that Docker publishes takes connections before anybody listens behind it.
        client.version().await?;
        Ok(client)
    };
    match runtime::run(async { tokio::time::timeout(CONNECT_TIMEOUT, connecting).await }).await {
        Ok(Ok(Ok(client))) => Ok(client),
        Ok(Ok(Err(source))) | Err(source) => Err(Error::Connect { address, source }),
        Ok(Err(_)) => Err(Error::NoAnswer { address, waited: CONNECT_TIMEOUT }),
    }
}
