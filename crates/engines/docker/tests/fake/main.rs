//! What the engine does with answers that a daemon of its kind may give, and this machine's does not.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]
#![cfg(unix)]

mod daemon;

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use testcelery_api::{Engine, Filter, Owner};
use testcelery_docker::{Docker, LABEL, LABEL_CONTAINER, LABEL_OWNER, LABEL_SESSION};

use crate::daemon::{Fake, lock};

const NOT_FOUND: &str = r#"{"message":"not found"}"#;
const NOW: &str = "2026-01-31T12:00:00.5Z";
const FRESH: &str = "2026-01-31T11:58:00Z";
const OLD: &str = "2026-01-31T11:50:00+00:00";

/// What the daemon has, by name.
type Store = Arc<Mutex<Vec<(&'static str, Value)>>>;

/// A process of another machine.
fn elsewhere(pid: u32) -> String {
    Owner { pid, start: 1, boot: "another".to_owned(), namespace: "1".to_owned() }.to_string()
}

fn labels(owner: &str, container: &str) -> Value {
    json!({LABEL: "true", LABEL_SESSION: "s", LABEL_OWNER: owner, LABEL_CONTAINER: container})
}

fn volume(name: &str, owner: &str, container: &str, created: &str) -> Value {
    json!({"Name": name, "CreatedAt": created, "Labels": labels(owner, container), "Scope": "odd"})
}

/// A daemon with these containers and volumes, which it removes when it is told to.
fn daemon(containers: &Store, volumes: &Store, networks: (u16, &'static str)) -> Fake {
    let (containers, volumes) = (Arc::clone(containers), Arc::clone(volumes));
    Fake::start(move |method, path, _| {
        let all = |store: &Store| lock(store).iter().map(|(_, it)| it.clone()).collect::<Vec<Value>>();
        let remove = |store: &Store, name: &str| {
            let mut store = lock(store);
            let before = store.len();
            store.retain(|(known, _)| *known != name);
            if store.len() < before { (204, String::new()) } else { (404, NOT_FOUND.to_owned()) }
        };
        match (method, path) {
            ("GET", "/containers/json") => (200, json!(all(&containers)).to_string()),
            ("GET", "/volumes") => (200, json!({"Volumes": all(&volumes), "Warnings": null}).to_string()),
            ("GET", "/networks") => (networks.0, networks.1.to_owned()),
            ("GET", "/info") => (200, json!({"SystemTime": NOW, "Swarm": "odd"}).to_string()),
            ("GET", "/containers/runs/json") => {
                (200, json!({"State": {"Status": "odd", "Running": true, "StartedAt": OLD}}).to_string())
            }
            ("GET", "/containers/ended/json") => {
                (200, json!({"State": {"Status": "stopped", "Running": false}}).to_string())
            }
            ("DELETE", path) if path.starts_with("/containers/") => remove(&containers, &path[12..]),
            ("DELETE", path) if path.starts_with("/volumes/") => remove(&volumes, &path[9..]),
            _ => (404, NOT_FOUND.to_owned()),
        }
    })
}

fn names(store: &Store) -> Vec<&'static str> {
    lock(store).iter().map(|(name, _)| *name).collect()
}

/// A container of the list, of an owner that has ended here.
fn container(name: &'static str, owner: &str) -> (&'static str, Value) {
    let value = json!({
        "Id": name, "Names": [format!("/{name}")], "State": "stopped", "Created": 1_700_000_000,
        "Labels": labels(owner, ""), "HostConfig": null, "Ports": null, "Mounts": null,
    });
    (name, value)
}

#[cfg(target_os = "linux")]
fn dead() -> String {
    Owner { start: 1, ..Owner::of_this_process() }.to_string()
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn lists_with_what_is_not_known_keep_nothing_from_removal() {
    let odd = json!({"Id": "x", "Names": null, "State": "removing-soon", "Labels": null, "ImageManifestDescriptor": 7});
    let containers: Store = Arc::new(Mutex::new(vec![("x", odd), container("dead", &dead())]));
    let own = Owner::of_this_process().to_string();
    lock(&containers).push(container("own", &own));
    let fake = daemon(&containers, &Store::default(), (200, "null"));
    let docker = Docker::at(&fake.address).await.unwrap();
    let removed = docker.remove_leftovers(&Filter::DeadOwner).await.unwrap();
    assert_eq!(removed.iter().map(|left| left.name.as_str()).collect::<Vec<_>>(), ["dead"]);
    assert_eq!(names(&containers), ["x", "own"]);
    assert!(!fake.requests().contains(&"GET /info".to_owned()), "every owner can be seen");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_list_that_fails_keeps_nothing_else_from_removal() {
    let containers: Store = Arc::new(Mutex::new(vec![container("dead", &dead())]));
    let fake = daemon(&containers, &Store::default(), (500, r#"{"message":"the store is broken"}"#));
    let docker = Docker::at(&fake.address).await.unwrap();
    let error = docker.remove_leftovers(&Filter::DeadOwner).await.unwrap_err();
    assert!(format!("{error:?}").contains("the store is broken"), "{error:?}");
    assert!(names(&containers).is_empty());
}

#[tokio::test]
async fn owners_elsewhere_end_with_their_container_or_their_lease() {
    let volumes: Store = Arc::new(Mutex::new(vec![
        ("stale", volume("stale", &elsewhere(1), "", OLD)),
        ("renewed", volume("renewed", &elsewhere(2), "", OLD)),
        ("lease", volume("lease", &elsewhere(2), "", FRESH)),
        ("of-removed", volume("of-removed", &elsewhere(3), "removed", FRESH)),
        ("of-ended", volume("of-ended", &elsewhere(4), "ended", FRESH)),
        ("of-running", volume("of-running", &elsewhere(5), "runs", FRESH)),
        // Its container runs, and the process in it has not renewed anything.
        ("of-running-stale", volume("of-running-stale", &elsewhere(6), "runs", OLD)),
    ]));
    let fake = daemon(&Store::default(), &volumes, (200, "[]"));
    let docker = Docker::at(&fake.address).await.unwrap();
    docker.remove_leftovers(&Filter::DeadOwner).await.unwrap();
    assert_eq!(names(&volumes), ["renewed", "lease", "of-running"]);
}

/// Not by the first thing that it makes, but by any process that uses the daemon.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn the_first_use_of_a_daemon_removes_what_dead_owners_have_left() {
    let containers: Store = Arc::new(Mutex::new(vec![container("dead", &dead())]));
    let fake = daemon(&containers, &Store::default(), (200, "[]"));
    let docker = Docker::at(&fake.address).await.unwrap();
    assert_eq!(names(&containers), ["dead"]);
    // The daemon makes no network: what matters is that somebody wants one. The last drop waits for what is removed in the background.
    assert!(docker.create_network(&[]).await.is_err());
    drop(docker);
    assert!(names(&containers).is_empty());
}

#[tokio::test]
async fn images_of_any_list_are_found() {
    let list = json!([
        {"Id": "1", "RepoTags": ["localhost/testcelery/redis:x", "<none>:<none>"], "Labels": null, "Size": 7},
        {"Id": "2", "RepoTags": null, "Created": null},
        {"Id": "3", "RepoTags": ["docker.io/library/redis:8"], "Labels": {"a": "b"}, "Containers": "many"},
        {},
    ]);
    let fake = Fake::start(move |_, path, _| match path {
        "/images/json" => (200, list.to_string()),
        "/images/mine:1/json" => (200, json!({"Config": null, "RootFS": 1}).to_string()),
        _ => (404, NOT_FOUND.to_owned()),
    });
    let docker = Docker::at(&fake.address).await.unwrap();
    let references: Vec<_> =
        docker.images().await.unwrap().into_iter().map(|image| image.references).collect();
    assert_eq!(references, [vec!["testcelery/redis:x"], vec![], vec!["redis:8"]]);
    assert!(docker.has_image("mine:1").await.unwrap());
    assert!(!docker.has_image("mine:2").await.unwrap());
}
