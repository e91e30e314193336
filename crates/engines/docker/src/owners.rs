//! Which owners have ended, of those whose process cannot be seen from here too.
//!
//! Three rules, the most certain first:
//! 1. An owner of this machine's boot and of this process namespace is looked for by its process number and its start time.
//! 2. An owner that ran in a container of this daemon has ended when that container is not there, does not run, or was started again since.
//! 3. Any other owner has ended when the newest thing that it made is older than [`STALE`] by the daemon's clock. An owner that lives renews a
//!    volume, its lease, for that (see `lease`).

use std::{collections::HashMap, time::Duration};

use bollard::Docker as Client;
use jiff::{SignedDuration, Timestamp};
use testcelery_api::Owner;

use crate::raw::{Thing, find, get, time};

/// Age of its newest thing from which on an owner that cannot be seen has ended. Six times the period of the lease.
pub(crate) const STALE: Duration = Duration::from_secs(180);

/// The daemon writes some times in whole seconds.
const ROUNDING: SignedDuration = SignedDuration::from_secs(1);

/// What is known of owners that cannot be seen.
#[derive(Debug, Default)]
pub(crate) struct Owners {
    now: Option<Timestamp>,
    /// The time of the newest thing of each owner.
    newest: HashMap<String, Timestamp>,
    /// When the containers that run were started, by the id that their owners know. `None` for those that do not run.
    containers: HashMap<String, Option<Timestamp>>,
}

impl Owners {
    /// Asks the daemon for what is needed to judge these things. Nothing is asked where every owner can be seen.
    pub(crate) async fn of(client: &Client, things: &[Thing]) -> Self {
        let mut known = Self::default();
        for thing in things.iter().filter(|thing| is_elsewhere(thing)) {
            if let Some(created) = thing.created {
                let newest = known.newest.entry(thing.owner().to_owned()).or_insert(created);
                *newest = created.max(*newest);
            }
            let id = thing.inside();
            if !id.is_empty() && !known.containers.contains_key(id) {
                // The daemon's word is needed: an error proves nothing.
                if let Ok(found) = find(client, &format!("/containers/{id}/json")).await {
                    let running = found.filter(|container| container["State"]["Running"] == true);
                    let started = running.map(|container| time(&container["State"]["StartedAt"]));
                    known.containers.insert(id.to_owned(), started.map(Option::unwrap_or_default));
                }
            }
        }
        if !known.newest.is_empty() {
            known.now = get(client, "/info").await.ok().and_then(|info| time(&info["SystemTime"]));
        }
        known
    }

    /// Whether the owner of a thing is known to have ended.
    pub(crate) fn has_ended(&self, thing: &Thing) -> bool {
        let Some(owner) = Owner::parse(thing.owner()) else { return false };
        if owner.is_here() {
            return owner.is_dead();
        }
        let is_gone =
            self.containers.get(thing.inside()).is_some_and(|started| match (started, thing.created) {
                (None, _) => true,
                (Some(started), Some(created)) => created + ROUNDING < *started,
                (Some(_), None) => false,
            });
        let age = self.now.zip(self.newest.get(thing.owner()).copied()).map(|(now, newest)| now - newest);
        let limit = SignedDuration::try_from(STALE).unwrap_or(SignedDuration::MAX);
        is_gone || age.is_some_and(|age| SignedDuration::try_from(age).is_ok_and(|age| age > limit))
    }
}

fn is_elsewhere(thing: &Thing) -> bool {
    Owner::parse(thing.owner()).is_some_and(|owner| !owner.is_here())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        labels::{LABEL_CONTAINER, LABEL_OWNER},
        raw::Kind,
    };

    const NOW: i64 = 1_700_000_000;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    /// A thing of a process in another process namespace.
    fn thing(pid: u32, container: &str, age: i64) -> Thing {
        let owner = Owner { pid, start: 1, namespace: "1".to_owned(), ..Owner::of_this_process() };
        let labels = [(LABEL_OWNER, owner.to_string()), (LABEL_CONTAINER, container.to_owned())];
        let labels = labels.map(|(key, value)| (key.to_owned(), value)).into();
        Thing { kind: Kind::Container, name: "n".to_owned(), labels, created: Some(at(NOW - age)) }
    }

    fn owners(things: &[Thing]) -> Owners {
        let newest = |owner: &str| {
            things.iter().filter(|thing| thing.owner() == owner).filter_map(|thing| thing.created).max()
        };
        Owners {
            now: Some(at(NOW)),
            newest: things.iter().map(|it| (it.owner().to_owned(), newest(it.owner()).unwrap())).collect(),
            containers: HashMap::from([
                ("gone".to_owned(), None),
                ("runs".to_owned(), Some(at(NOW - 100))),
                ("again".to_owned(), Some(at(NOW - 10))),
            ]),
        }
    }

    #[test]
    fn an_owner_elsewhere_lives_as_long_as_it_makes_something() {
        let things = [thing(1, "", 1000), thing(1, "", 170), thing(2, "", 190), thing(2, "", 1000)];
        let ended = owners(&things);
        assert_eq!(things.each_ref().map(|thing| ended.has_ended(thing)), [false, false, true, true]);
        // Without the daemon's clock nothing is proved.
        let unknown = Owners { now: None, ..owners(&things) };
        assert!(things.iter().all(|thing| !unknown.has_ended(thing)));
    }

    #[test]
    fn an_owner_ends_with_its_container() {
        for (container, ended) in [("gone", true), ("runs", false), ("again", true), ("unknown", false)] {
            let thing = thing(1, container, 50);
            assert_eq!(owners(std::slice::from_ref(&thing)).has_ended(&thing), ended, "{container}");
        }
        // Started and made in the same second.
        let thing = thing(1, "again", 11);
        assert!(!owners(std::slice::from_ref(&thing)).has_ended(&thing));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn an_owner_that_can_be_seen_is_looked_for() {
        let mut own = thing(1, "gone", 1000);
        own.labels.insert(LABEL_OWNER.to_owned(), Owner::of_this_process().to_string());
        assert!(!owners(&[]).has_ended(&own));
        let dead = Owner { start: 1, ..Owner::of_this_process() };
        own.labels.insert(LABEL_OWNER.to_owned(), dead.to_string());
        assert!(owners(&[]).has_ended(&own));
        own.labels.insert(LABEL_OWNER.to_owned(), "no owner".to_owned());
        assert!(!owners(&[]).has_ended(&own));
    }
}
