//! What carries our labels and should be gone.

use std::collections::HashMap;

use bollard::query_parameters::{
    ListContainersOptionsBuilder, ListNetworksOptionsBuilder, ListVolumesOptionsBuilder,
    RemoveVolumeOptionsBuilder,
};
use futures_util::future::join_all;
use testcelery_api::Result;

use crate::{
    Docker,
    error::failed,
    labels::{LABEL, LABEL_OWNER, LABEL_SESSION, Owner},
    removal::{remove_container, remove_network_by_force, status},
};

/// How often to list and remove before giving up: something that is being made meanwhile shows in the next list.
const ROUNDS: usize = 5;

/// Whose things are meant.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Filter {
    /// Everything with our labels.
    All,
    /// Everything of one session.
    Session(String),
    /// Everything whose owner is known to have ended: see [`Owner::is_dead`].
    DeadOwner,
}

/// Containers, networks and volumes with our labels.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Leftovers {
    /// Containers, running or not.
    pub containers: Vec<Leftover>,
    /// Networks.
    pub networks: Vec<Leftover>,
    /// Named volumes. Anonymous ones have no labels, and go with their container.
    pub volumes: Vec<Leftover>,
}

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Leftover {
    /// Its name.
    pub name: String,
    /// Its session.
    pub session: String,
    /// Who made it, where the label can be read.
    pub owner: Option<Owner>,
}

impl Leftovers {
    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many things there are.
    pub fn len(&self) -> usize {
        self.containers.len() + self.networks.len() + self.volumes.len()
    }
}

impl Filter {
    fn matches(&self, leftover: &Leftover) -> bool {
        match self {
            Self::All => true,
            Self::Session(session) => leftover.session == *session,
            Self::DeadOwner => leftover.owner.as_ref().is_some_and(Owner::is_dead),
        }
    }
}

impl Docker {
    /// Lists what carries our labels, ordered by name.
    ///
    /// # Errors
    /// When the daemon cannot say.
    pub async fn leftovers(&self, filter: &Filter) -> Result<Leftovers> {
        let client = &self.inner.client;
        let label = HashMap::from([("label", vec![LABEL])]);
        let of = |name: String, labels: Option<HashMap<String, String>>| {
            let labels = labels.unwrap_or_default();
            let leftover = Leftover {
                name,
                session: labels.get(LABEL_SESSION).cloned().unwrap_or_default(),
                owner: labels.get(LABEL_OWNER).and_then(|owner| Owner::parse(owner)),
            };
            filter.matches(&leftover).then_some(leftover)
        };
        let options = ListContainersOptionsBuilder::new().all(true).filters(&label).build();
        let containers = client.list_containers(Some(options)).await;
        let containers = containers.map_err(failed("list", "containers"))?;
        let options = ListNetworksOptionsBuilder::new().filters(&label).build();
        let networks = client.list_networks(Some(options)).await;
        let networks = networks.map_err(failed("list", "networks"))?;
        let options = ListVolumesOptionsBuilder::new().filters(&label).build();
        let volumes = client.list_volumes(Some(options)).await;
        let volumes = volumes.map_err(failed("list", "volumes"))?;
        let by_name = |found: Vec<Option<Leftover>>| {
            let mut found: Vec<Leftover> = found.into_iter().flatten().collect();
            found.sort_by(|one, other| one.name.cmp(&other.name));
            found
        };
        Ok(Leftovers {
            containers: by_name(
                containers
                    .into_iter()
                    .map(|container| {
                        let name = container.names.unwrap_or_default().into_iter().next();
                        let name = name.or(container.id).unwrap_or_default();
                        of(name.trim_start_matches('/').to_owned(), container.labels)
                    })
                    .collect(),
            ),
            networks: by_name(
                networks
                    .into_iter()
                    .map(|network| of(network.name.unwrap_or_default(), network.labels))
                    .collect(),
            ),
            volumes: by_name(
                volumes
                    .volumes
                    .unwrap_or_default()
                    .into_iter()
                    .map(|volume| of(volume.name, Some(volume.labels)))
                    .collect(),
            ),
        })
    }

    /// Removes what carries our labels, in parallel, until there is nothing left. Works from any process. Returns what it removed.
    ///
    /// # Errors
    /// When something cannot be removed.
    pub async fn remove_leftovers(&self, filter: &Filter) -> Result<Leftovers> {
        let mut removed = Leftovers::default();
        let mut last_error = None;
        for _ in 0..ROUNDS {
            let left = self.leftovers(filter).await?;
            if left.is_empty() {
                return Ok(removed);
            }
            last_error = self.remove_all(&left).await.err();
            merge(&mut removed.containers, left.containers);
            merge(&mut removed.networks, left.networks);
            merge(&mut removed.volumes, left.volumes);
        }
        match last_error {
            Some(error) => Err(error),
            None => Ok(removed),
        }
    }

    async fn remove_all(&self, left: &Leftovers) -> Result<()> {
        let client = &self.inner.client;
        let containers = left.containers.iter().map(|container| async {
            let result = remove_container(client, &container.name).await;
            result.map_err(failed("remove container", &container.name))
        });
        let containers = join_all(containers).await;
        let networks = left.networks.iter().map(|network| async {
            let result = remove_network_by_force(client, &network.name).await;
            result.map_err(failed("remove network", &network.name))
        });
        let networks = join_all(networks).await;
        let volumes = left.volumes.iter().map(|volume| async {
            let options = RemoveVolumeOptionsBuilder::new().force(true).build();
            match client.remove_volume(&volume.name, Some(options)).await {
                Err(error) if status(&error) != Some(404) => {
                    Err(failed("remove volume", &volume.name)(error))
                }
                _ => Ok(()),
            }
        });
        let volumes = join_all(volumes).await;
        containers.into_iter().chain(networks).chain(volumes).collect()
    }
}

fn merge(all: &mut Vec<Leftover>, more: Vec<Leftover>) {
    for leftover in more {
        if !all.contains(&leftover) {
            all.push(leftover);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leftover(session: &str, owner: Option<Owner>) -> Leftover {
        Leftover { name: "n".into(), session: session.into(), owner }
    }

    #[test]
    fn filters() {
        let mine = leftover("s1", Some(Owner::of_this_process()));
        assert!(Filter::All.matches(&mine));
        assert!(Filter::Session("s1".into()).matches(&mine));
        assert!(!Filter::Session("s2".into()).matches(&mine));
        assert!(!Filter::DeadOwner.matches(&mine));
        // A label that cannot be read proves nothing.
        assert!(!Filter::DeadOwner.matches(&leftover("s1", None)));
    }
}
