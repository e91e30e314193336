//! Nothing stays behind when something goes wrong in this process.

use std::{panic::AssertUnwindSafe, time::Duration};

use testcelery_api::{Engine, Filter};
use testcelery_local::Local;

use crate::{members, script, started};

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

async fn folder_of(engine: &Local, id: &str) -> bool {
    engine.leftovers(&Filter::All).await.unwrap().iter().any(|left| left.name == id)
}

#[test]
fn dropping_removes_without_a_runtime() {
    let engine = Local::open();
    let container = runtime().block_on(started(&engine, script("c", "sleep 60 & exec sleep 60")));
    let id = container.id().to_owned();
    assert!(runtime().block_on(folder_of(&engine, &id)));
    drop(container);
    assert!(members(&id).is_empty());
    assert!(!runtime().block_on(folder_of(&engine, &id)));
}

#[test]
fn a_panic_removes_all() {
    let mut id = String::new();
    let test = AssertUnwindSafe(|| {
        runtime().block_on(async {
            let container = started(&Local::open(), script("c", "exec sleep 60")).await;
            id = container.id().to_owned();
            panic!("as a failed assertion");
        })
    });
    assert!(std::panic::catch_unwind(test).is_err());
    assert!(members(&id).is_empty());
}

#[test]
fn a_cancelled_start_leaves_nothing() {
    let engine = Local::open();
    let name = format!("cancelled{}", std::process::id());
    runtime().block_on(async {
        for step in 0..30 {
            let making = async { started(&engine, script(&name, "exec sleep 60")).await };
            let _ = tokio::time::timeout(Duration::from_micros(step * 150), making).await;
        }
    });
    // The runtime has waited for what was under way.
    let left = runtime().block_on(async { engine.leftovers(&Filter::All).await.unwrap() });
    assert!(!left.iter().any(|left| left.name.ends_with(&name)), "{left:?}");
}

#[test]
fn a_container_survives_the_runtime_that_started_it() {
    let engine = Local::open();
    let container = runtime().block_on(started(&engine, script("c", "sleep 0.3; echo late; exec sleep 60")));
    runtime().block_on(async { container.logs().wait_for("late").await.unwrap() });
}

/// As a task that runs a program with an environment of its own, and in a session of its own, does.
#[tokio::test]
async fn strangers_that_write_to_the_log_die_with_their_container() {
    let engine = Local::open();
    let stranger = r#"env -i LANGUAGE=C setsid sh -c "echo stranger \$\$; : >$up; exec sleep 65""#;
    for ending in ["exec sleep 66", "exit 3"] {
        let text = format!("up=$PWD/up; (cd /; {stranger} &); until [ -e up ]; do :; done; {ending}");
        let container = started(&engine, script("c", &text)).await;
        let line = container.logs().wait_for("stranger ").await.unwrap().text;
        let pid: u32 = line.replace("stranger ", "").parse().unwrap();
        if ending == "exit 3" {
            assert_eq!(container.logs().wait_ended().await, testcelery_api::ExitStatus::Code(3));
        } else {
            container.kill(&testcelery_api::Signal::KILL).await.unwrap();
            container.logs().wait_ended().await;
        }
        assert_eq!(testcelery_api::start_time(pid), None);
        container.remove().await.unwrap();
    }
}

#[tokio::test]
async fn daemons_die_with_their_container() {
    let engine = Local::open();
    let text =
        "setsid sh -c 'setsid sleep 61 & sleep 62' & (trap '' HUP; sleep 63 &) ; echo up; exec sleep 64";
    let container = started(&engine, script("c", text)).await;
    container.logs().wait_for("up").await.unwrap();
    let id = container.id().to_owned();
    while members(&id).len() < 5 {
        tokio::task::yield_now().await;
    }
    container.kill(&testcelery_api::Signal::KILL).await.unwrap();
    container.wait_exit().await;
    assert!(members(&id).is_empty(), "the kernel does as much for a container");
}
