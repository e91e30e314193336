//! What carries our labels and should be gone.

use std::collections::HashMap;

use bollard::query_parameters::{
    ListContainersOptionsBuilder, ListNetworksOptionsBuilder, ListVolumesOptionsBuilder,
    RemoveVolumeOptionsBuilder,
};
use futures_util::future::join_all;
use testcelery_api::{Filter, Leftover, Owner, Result};

use crate::{
    Docker,
    error::failed,
    labels::{LABEL, LABEL_OWNER, LABEL_SESSION},
    removal::{remove_container, remove_network_by_force, status},
};

/// How often to list and remove before giving up: something that is being made meanwhile shows in the next list.
const ROUNDS: usize = 5;

const CONTAINER: &str = "container";
const NETWORK: &str = "network";
const VOLUME: &str = "volume";

/// Containers, networks and named volumes, in the order in which they are removed, each kind ordered by name. Anonymous volumes have no
/// labels, and go with their container.
pub(crate) async fn list(docker: &Docker, filter: &Filter) -> Result<Vec<Leftover>> {
    let client = &docker.inner.client;
    let label = HashMap::from([("label", vec![LABEL])]);
    let options = ListContainersOptionsBuilder::new().all(true).filters(&label).build();
    let containers = client.list_containers(Some(options)).await;
    let containers = containers.map_err(failed("list", "containers"))?.into_iter().map(|container| {
        let name = container.names.unwrap_or_default().into_iter().next();
        let name = name.or(container.id).unwrap_or_default();
        leftover(CONTAINER, name.trim_start_matches('/'), container.labels)
    });
    let options = ListNetworksOptionsBuilder::new().filters(&label).build();
    let networks = client.list_networks(Some(options)).await;
    let networks = networks.map_err(failed("list", "networks"))?.into_iter();
    let networks =
        networks.map(|network| leftover(NETWORK, &network.name.unwrap_or_default(), network.labels));
    let options = ListVolumesOptionsBuilder::new().filters(&label).build();
    let volumes = client.list_volumes(Some(options)).await;
    let volumes = volumes.map_err(failed("list", "volumes"))?.volumes.unwrap_or_default().into_iter();
    let volumes = volumes.map(|volume| leftover(VOLUME, &volume.name, Some(volume.labels)));

    let mut found: Vec<Leftover> =
        containers.chain(networks).chain(volumes).filter(|found| filter.matches(found)).collect();
    let place = |found: &Leftover| [CONTAINER, NETWORK, VOLUME].iter().position(|kind| *kind == found.kind);
    found.sort_by(|one, other| (place(one), &one.name).cmp(&(place(other), &other.name)));
    Ok(found)
}

fn leftover(kind: &'static str, name: &str, labels: Option<HashMap<String, String>>) -> Leftover {
    let labels = labels.unwrap_or_default();
    Leftover {
        kind,
        name: name.to_owned(),
        session: labels.get(LABEL_SESSION).cloned().unwrap_or_default(),
        owner: labels.get(LABEL_OWNER).and_then(|owner| Owner::parse(owner)),
    }
}

/// Removes them in parallel, until there is nothing left. Returns what it removed.
pub(crate) async fn remove(docker: &Docker, filter: &Filter) -> Result<Vec<Leftover>> {
    let mut removed: Vec<Leftover> = Vec::new();
    let mut last_error = None;
    for _ in 0..ROUNDS {
        let left = list(docker, filter).await?;
        if left.is_empty() {
            return Ok(removed);
        }
        last_error = remove_all(docker, &left).await.err();
        for leftover in left {
            if !removed.contains(&leftover) {
                removed.push(leftover);
            }
        }
    }
    match last_error {
        Some(error) => Err(error),
        None => Ok(removed),
    }
}

async fn remove_all(docker: &Docker, left: &[Leftover]) -> Result<()> {
    let client = &docker.inner.client;
    let mut result = Ok(());
    // A network is removed when nothing is in it any more, a volume when nothing uses it.
    for kind in [CONTAINER, NETWORK, VOLUME] {
        let removals = left.iter().filter(|leftover| leftover.kind == kind).map(|leftover| async {
            let name = leftover.name.as_str();
            let removed = match kind {
                CONTAINER => remove_container(client, name).await,
                NETWORK => remove_network_by_force(client, name).await,
                _ => {
                    let options = RemoveVolumeOptionsBuilder::new().force(true).build();
                    client.remove_volume(name, Some(options)).await
                }
            };
            match removed {
                Err(error) if status(&error) != Some(404) => {
                    Err(failed("remove", &format!("{kind} {name}"))(error))
                }
                _ => Ok(()),
            }
        });
        let removed: Result<()> = join_all(removals).await.into_iter().collect();
        result = result.and(removed);
    }
    result
}
