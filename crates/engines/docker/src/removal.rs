//! Removing containers and networks so that "gone already" is a success.

use std::time::Duration;

use bollard::{
    Docker as Client,
    errors::Error,
    models::NetworkDisconnectRequest,
    query_parameters::{InspectNetworkOptions, RemoveContainerOptionsBuilder, WaitContainerOptionsBuilder},
};
use futures_util::StreamExt;

/// How long to wait for a removal that somebody else has begun.
const OTHERS_REMOVAL: Duration = Duration::from_secs(20);

/// The HTTP status of an answer, where the error is one.
pub(crate) fn status(error: &Error) -> Option<u16> {
    match error {
        Error::DockerResponseServerError { status_code, .. } => Some(*status_code),
        _ => None,
    }
}

/// Removes a container with its anonymous volumes, running or not.
pub(crate) async fn remove_container(client: &Client, name: &str) -> Result<(), Error> {
    let options = RemoveContainerOptionsBuilder::new().force(true).v(true).build();
    match client.remove_container(name, Some(options)).await {
        Err(error) => match status(&error) {
            Some(404) => Ok(()),
            // "removal of container .. is already in progress": true, but not gone yet.
            Some(409) => {
                wait_removed(client, name).await;
                Ok(())
            }
            _ => Err(error),
        },
        Ok(()) => Ok(()),
    }
}

async fn wait_removed(client: &Client, name: &str) {
    let options = WaitContainerOptionsBuilder::new().condition("removed").build();
    let mut removed = std::pin::pin!(client.wait_container(name, Some(options)));
    let _ = tokio::time::timeout(OTHERS_REMOVAL, removed.next()).await;
}

/// Removes a network that is expected to be empty.
pub(crate) async fn remove_network(client: &Client, name: &str) -> Result<(), Error> {
    match client.remove_network(name).await {
        Err(error) if status(&error) == Some(404) => Ok(()),
        result => result,
    }
}

/// Removes a network, cutting off whatever is still in it.
pub(crate) async fn remove_network_by_force(client: &Client, name: &str) -> Result<(), Error> {
    match remove_network(client, name).await {
        // 403: has active endpoints.
        Err(error) if status(&error) == Some(403) => {}
        result => return result,
    }
    match client.inspect_network(name, None::<InspectNetworkOptions>).await {
        Ok(network) => {
            for container in network.containers.unwrap_or_default().into_keys() {
                let request = NetworkDisconnectRequest { container, force: Some(true) };
                // A container that is being removed at the same time leaves by itself.
                let _ = client.disconnect_network(name, request).await;
            }
        }
        Err(error) if status(&error) == Some(404) => return Ok(()),
        Err(error) => return Err(error),
    }
    remove_network(client, name).await
}
