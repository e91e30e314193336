//! A process that is killed leaves nothing, and nobody else's process is touched.

use std::{
    io::{BufRead, BufReader, Write},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use testcelery_api::{Engine, Filter, SESSION_VARIABLE};
use testcelery_local::Local;

use crate::{members, script, started};

/// What is left of a killed process has to be gone by then.
const GONE_WITHIN: Duration = Duration::from_secs(10);

const OWNER: &str = "orphan-test-";

#[tokio::test]
async fn kill_9_of_the_owner() {
    let session = std::env::var(SESSION_VARIABLE).unwrap_or_default();
    if session.starts_with(OWNER) {
        let engine = Local::open();
        let spec = script(
            "c",
            "setsid setsid sleep 600 & trap '' TERM HUP INT; echo up; while :; do sleep 0.01; done",
        );
        let container = started(&engine, spec).await;
        container.logs().wait_for("up").await.unwrap();
        // Not `println!`, whose output libtest keeps for itself.
        std::io::stdout().write_all(format!("\nid {}\n", container.id()).as_bytes()).unwrap();
        return std::future::pending().await;
    }
    let session = format!("{OWNER}{}", std::process::id());
    let mut foreign = Command::new("sleep").arg("60").spawn().unwrap();
    let mut owner = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "--nocapture", "orphans::kill_9_of_the_owner"])
        .env(SESSION_VARIABLE, &session)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(owner.stdout.take().unwrap()).lines();
    let id =
        lines.map(|line| line.unwrap()).find_map(|line| line.strip_prefix("id ").map(str::to_owned)).unwrap();
    let engine = Local::open();
    let of_session = Filter::Session(session);
    let found = engine.leftovers(&of_session).await.unwrap();
    assert_eq!(found.iter().map(|left| left.name.as_str()).collect::<Vec<_>>(), [id.as_str()]);
    assert!(!engine.leftovers(&Filter::DeadOwner).await.unwrap().contains(&found[0]));
    assert!(members(&id).len() >= 2);

    owner.kill().unwrap();
    owner.wait().unwrap();
    let begin = Instant::now();
    while !members(&id).is_empty() || !engine.leftovers(&of_session).await.unwrap().is_empty() {
        assert!(
            begin.elapsed() < GONE_WITHIN,
            "{:?} {:?}",
            members(&id),
            engine.leftovers(&of_session).await
        );
        tokio::task::yield_now().await;
    }
    assert!(foreign.try_wait().unwrap().is_none(), "somebody else's process");
    foreign.kill().unwrap();
    foreign.wait().unwrap();
}

#[tokio::test]
async fn another_process_can_remove_what_there_is() {
    let engine = Local::open();
    let other = Local::open();
    let container = started(&engine, script("c", "exec sleep 60")).await;
    let all = other.leftovers(&Filter::All).await.unwrap();
    assert!(all.iter().any(|left| left.name == container.id() && left.kind == "container"));
    container.remove().await.unwrap();
    let all = other.leftovers(&Filter::All).await.unwrap();
    assert!(!all.iter().any(|left| left.name == container.id()));
}
