//! What carries our labels and should be gone.

use bollard::{Docker as Client, query_parameters::RemoveVolumeOptionsBuilder};
use futures_util::future::join_all;
use testcelery_api::{Filter, Leftover, Owner, Result};

use crate::{
    error::failed,
    labels::LABEL_SESSION,
    owners::Owners,
    raw::{self, Kind, Thing},
    removal::{remove_container, remove_network_by_force, status},
};

/// How often to list and remove before giving up: something that is being made meanwhile shows in the next list.
const ROUNDS: usize = 5;

/// What was found, and the last error of what could not be listed or removed.
struct Look {
    found: Vec<Leftover>,
    error: Option<testcelery_api::Error>,
}

/// Containers, networks and named volumes, in the order in which they are removed, each kind ordered by name. Anonymous volumes have no
/// labels, and go with their container.
pub(crate) async fn list(client: &Client, filter: &Filter) -> Result<Vec<Leftover>> {
    let Look { found, error } = look(client, filter).await;
    error.map_or(Ok(found), Err)
}

/// As [`list`], with what could be listed. Volumes come last: a lease that was renewed meanwhile is seen.
async fn look(client: &Client, filter: &Filter) -> Look {
    let (mut things, mut error) = (Vec::new(), None);
    for kind in Kind::ALL {
        match raw::list(client, kind).await {
            Ok(listed) => things.extend(listed),
            Err(failure) => error = Some(failure),
        }
    }
    let is_dead = match filter {
        // A list that is not complete may lack the newest thing of an owner.
        Filter::DeadOwner if error.is_none() => Some(Owners::of(client, &things).await),
        Filter::DeadOwner => Some(Owners::default()),
        _ => None,
    };
    let is_meant = |thing: &Thing| match &is_dead {
        Some(owners) => owners.has_ended(thing),
        None => filter.matches(&leftover(thing)),
    };
    let mut found: Vec<Leftover> = things.iter().filter(|thing| is_meant(thing)).map(leftover).collect();
    let place = |found: &Leftover| Kind::ALL.iter().position(|kind| kind.name() == found.kind);
    found.sort_by(|one, other| (place(one), &one.name).cmp(&(place(other), &other.name)));
    Look { found, error }
}

fn leftover(thing: &Thing) -> Leftover {
    Leftover {
        kind: thing.kind.name(),
        name: thing.name.clone(),
        session: thing.label(LABEL_SESSION).to_owned(),
        owner: Owner::parse(thing.owner()),
    }
}

/// Removes them in parallel, until there is nothing left. Returns what it removed. What can be removed goes, also where a list fails.
pub(crate) async fn remove(client: &Client, filter: &Filter) -> Result<Vec<Leftover>> {
    let mut removed: Vec<Leftover> = Vec::new();
    let mut last_error = None;
    for _ in 0..ROUNDS {
        let Look { found: left, error } = look(client, filter).await;
        if left.is_empty() {
            return error.map_or(Ok(removed), Err);
        }
        last_error = remove_all(client, &left).await.err().or(error);
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

async fn remove_all(client: &Client, left: &[Leftover]) -> Result<()> {
    let mut result = Ok(());
    for kind in Kind::ALL {
        let removals = left.iter().filter(|leftover| leftover.kind == kind.name()).map(|leftover| async {
            let name = leftover.name.as_str();
            let removed = match kind {
                Kind::Container => remove_container(client, name).await,
                Kind::Network => remove_network_by_force(client, name).await,
                Kind::Volume => {
                    let options = RemoveVolumeOptionsBuilder::new().force(true).build();
                    client.remove_volume(name, Some(options)).await
                }
            };
            match removed {
                Err(error) if status(&error) != Some(404) => {
                    Err(failed("remove", &format!("{} {name}", kind.name()))(error))
                }
                _ => Ok(()),
            }
        });
        let removed: Result<()> = join_all(removals).await.into_iter().collect();
        result = result.and(removed);
    }
    result
}
