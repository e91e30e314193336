//! Nothing is left behind, however a test ends.

use std::{
    io::{BufRead, BufReader, Write},
    panic::{AssertUnwindSafe, catch_unwind},
    process::{Command, Stdio},
    time::Duration,
};

use testcelery_api::{Engine, Exec, FileTree, Filter, Owner, SESSION_VARIABLE};
use testcelery_docker::{Docker, LABEL, LABEL_CONTAINER, LABEL_OWNER, LABEL_SESSION};

use crate::{containers_named, docker, script, started, unique};

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

fn left(name: &str) -> usize {
    runtime().block_on(async { containers_named(&docker().await, name).await.len() })
}

#[test]
#[ignore = "needs Docker and the images: cargo xtask e2e runs it"]
fn a_drop_without_a_runtime_removes_all_and_waits() {
    let name = unique("c");
    let (docker, containers, network) = runtime().block_on(async {
        let docker = docker().await;
        let network = docker.create_network(&[]).await.unwrap();
        let mut containers = Vec::new();
        for _ in 0..3 {
            let spec = script(&name, "exec sleep 60").network(network.clone());
            containers.push(started(&docker, spec).await);
        }
        (docker, containers, network)
    });
    assert_eq!(left(&name), 3);
    let network_name = network.id().to_owned();
    drop(docker);
    drop(network);
    drop(containers);
    assert_eq!(left(&name), 0);
    let networks = runtime().block_on(async { docker_networks().await });
    assert!(!networks.contains(&network_name));
}

async fn docker_networks() -> Vec<String> {
    let left = docker().await.leftovers(&Filter::All).await.unwrap();
    left.into_iter().filter(|left| left.kind == "network").map(|network| network.name).collect()
}

#[test]
#[ignore = "needs Docker and the images: cargo xtask e2e runs it"]
fn a_panic_removes_all() {
    let name = unique("c");
    let test = AssertUnwindSafe(|| {
        runtime().block_on(async {
            let docker = docker().await;
            let _container = started(&docker, script(&name, "exec sleep 60")).await;
            panic!("as a failed assertion");
        })
    });
    assert!(catch_unwind(test).is_err());
    assert_eq!(left(&name), 0);
}

/// Cancels a creation at many points: before the request, between request and answer, during the upload, after.
#[test]
#[ignore = "needs Docker and the images: cargo xtask e2e runs it"]
fn a_cancelled_creation_leaves_nothing() {
    let name = unique("c");
    let mut finished = 0;
    let mut cancelled = 0;
    runtime().block_on(async {
        let docker = docker().await;
        for step in 0..40 {
            let mut files = FileTree::owned_by(1, 1);
            files.insert("/srv/new/a", "1");
            let creation = docker.create(script(&name, "exec sleep 60").files(files));
            let patience = Duration::from_millis(step * 5);
            match tokio::time::timeout(patience, creation).await {
                Ok(container) => {
                    container.unwrap();
                    finished += 1;
                }
                Err(_) => cancelled += 1,
            }
        }
    });
    assert!(cancelled > 0, "{finished} finished");
    assert_eq!(left(&name), 0);
}

/// Runs a test of this file again in a process of its own, with a session that tells its things from all others.
fn in_child(session: &str, test: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--ignored", "--exact", "--nocapture", test]).env(SESSION_VARIABLE, session);
    command
}

fn is_child(prefix: &str) -> bool {
    std::env::var(SESSION_VARIABLE).is_ok_and(|session| session.starts_with(prefix))
}

#[test]
#[ignore = "needs Docker and the images: cargo xtask e2e runs it"]
fn a_cancelled_network_leaves_nothing() {
    if is_child("cancelled-net-") {
        return runtime().block_on(async {
            let docker = docker().await;
            for step in 0..20 {
                let patience = Duration::from_millis(step * 4);
                let _ = tokio::time::timeout(patience, docker.create_network(&[])).await;
            }
        });
    }
    let session = unique("cancelled-net");
    let child = in_child(&session, "guards::a_cancelled_network_leaves_nothing").status();
    assert!(child.unwrap().success());
    let left =
        runtime().block_on(async { docker().await.leftovers(&Filter::Session(session)).await.unwrap() });
    assert!(left.is_empty(), "{left:?}");
}

#[test]
#[ignore = "needs Docker and the images: cargo xtask e2e runs it"]
fn what_a_killed_process_leaves_is_found_and_removed_by_another_one() {
    if is_child("killed-") {
        return runtime().block_on(async {
            let docker = docker().await;
            let network = docker.create_network(&[]).await.unwrap();
            let spec = script("c", "exec sleep 60").network(network.clone());
            let _container = started(&docker, spec).await;
            // Not `println!`, whose output libtest keeps for itself.
            std::io::stdout().write_all(b"\nready\n").unwrap();
            std::future::pending().await
        });
    }
    let session = unique("killed");
    let test = "guards::what_a_killed_process_leaves_is_found_and_removed_by_another_one";
    let mut child = in_child(&session, test).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap() == "ready"));
    runtime().block_on(async {
        let docker = docker().await;
        let of_session = Filter::Session(session);
        let found = docker.leftovers(&of_session).await.unwrap();
        let kinds: Vec<&str> = found.iter().map(|left| left.kind).collect();
        assert_eq!(kinds, ["container", "network"]);
        let dead = docker.leftovers(&Filter::DeadOwner).await.unwrap();
        assert!(!dead.contains(&found[0]));
        child.kill().unwrap();
        child.wait().unwrap();
        // Any process that uses the daemon removes it from now on; this one at the latest.
        docker.remove_leftovers(&Filter::DeadOwner).await.unwrap();
        assert!(docker.leftovers(&of_session).await.unwrap().is_empty());
    });
}

/// What a test made that ran in a container of the daemon, which was removed with it: its process cannot be seen.
#[tokio::test]
#[ignore = "needs Docker and the images: cargo xtask e2e runs it"]
async fn what_the_owner_in_a_removed_container_has_left_is_found() {
    let docker = docker().await;
    let home = started(&docker, script("home", "exec sleep 60")).await;
    let owner = Owner { namespace: "1".to_owned(), ..Owner::of_this_process() };
    let session = unique("elsewhere");
    let labels = [
        (LABEL, "true".to_owned()),
        (LABEL_SESSION, session.clone()),
        (LABEL_OWNER, owner.to_string()),
        (LABEL_CONTAINER, home.id().to_owned()),
    ];
    let labels = labels.map(|(key, value)| (key.to_owned(), value)).into();
    let client = bollard::Docker::connect_with_host(&docker.daemon().address).unwrap();
    let client = client.negotiate_version().await.unwrap();
    let request = bollard::models::VolumeCreateRequest { labels: Some(labels), ..Default::default() };
    client.create_volume(request).await.unwrap();
    let of_session = Filter::Session(session);
    let found = docker.leftovers(&of_session).await.unwrap();
    assert_eq!(found.len(), 1);
    docker.remove_leftovers(&Filter::DeadOwner).await.unwrap();
    assert_eq!(docker.leftovers(&of_session).await.unwrap(), found);
    home.remove().await.unwrap();
    docker.remove_leftovers(&Filter::DeadOwner).await.unwrap();
    assert!(docker.leftovers(&of_session).await.unwrap().is_empty());
}

#[tokio::test]
#[ignore = "needs Docker and the images: cargo xtask e2e runs it"]
async fn anonymous_volumes_go_with_their_container() {
    let docker = docker().await;
    let redis = crate::redis_present(&docker).await;
    let mut context = FileTree::new();
    context.insert("Dockerfile", format!("FROM {redis}\nVOLUME /data-of-test\n"));
    let tag = format!("testcelery-test/{}:1", unique("volume"));
    let build = testcelery_api::Build::new(&tag, context);
    let spec = script("c", "echo x > /data-of-test/x; echo ready; exec sleep 60");
    let mut spec = spec;
    spec.image = testcelery_api::Image::build(build);
    let container = started(&docker, spec).await;
    container.logs().wait_for("ready").await.unwrap();
    let mounts = container.exec(Exec::new(["grep", "/data-of-test", "/proc/self/mountinfo"])).await.unwrap();
    let mounts = mounts.stdout_text().unwrap();
    let volume = mounts.split('/').find(|part| part.len() == 64).unwrap().to_owned();
    assert!(volume_exists(&docker, &volume).await);
    container.remove().await.unwrap();
    assert!(!volume_exists(&docker, &volume).await);
    docker.remove_image(&tag).await.unwrap();
}

async fn volume_exists(docker: &Docker, name: &str) -> bool {
    let client = bollard::Docker::connect_with_host(&docker.daemon().address).unwrap();
    let client = client.negotiate_version().await.unwrap();
    client.inspect_volume(name).await.is_ok()
}

#[tokio::test]
#[ignore = "needs Docker and the images: cargo xtask e2e runs it"]
async fn a_container_survives_the_runtime_that_started_it() {
    let name = unique("c");
    let container = std::thread::spawn({
        let name = name.clone();
        move || {
            runtime().block_on(async {
                started(&docker().await, script(&name, "sleep 1; echo late; exec sleep 60")).await
            })
        }
    })
    .join()
    .unwrap();
    container.logs().wait_for("late").await.unwrap();
    container.remove().await.unwrap();
}
