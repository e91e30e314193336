//! A process that is killed leaves nothing, and nobody else's process is touched.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use testcelery_api::{Engine, Filter, Leftover, Owner, SESSION_VARIABLE, start_time};
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
            "(cd /; env -i LANGUAGE=C setsid sh -c 'echo stranger $$; exec sleep 600' &); setsid setsid sleep 600 & trap '' TERM HUP INT; echo up; while :; do sleep 0.01; done",
        );
        let container = started(&engine, spec).await;
        container.logs().wait_for("up").await.unwrap();
        let stranger = container.logs().wait_for("stranger ").await.unwrap().text;
        // One without a trace in its environment, as a program that sets its own title may be.
        let bare =
            script("bare", "exec /usr/bin/env -i /bin/sh -c 'echo pid $$; while :; do sleep 0.01; done'");
        let bare = started(&engine, bare).await;
        let pid = bare.logs().wait_for("pid ").await.unwrap().text;
        // Not `println!`, whose output libtest keeps for itself.
        std::io::stdout()
            .write_all(format!("\n{pid}\n{stranger}\nid {}\n", container.id()).as_bytes())
            .unwrap();
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
    let mut lines = BufReader::new(owner.stdout.take().unwrap()).lines().map(|line| line.unwrap());
    let mut told = |what: &str| lines.find_map(|line| line.strip_prefix(what).map(str::to_owned)).unwrap();
    let bare: u32 = told("pid ").parse().unwrap();
    let stranger: u32 = told("stranger ").parse().unwrap();
    let id = told("id ");
    assert!(start_time(bare).is_some());
    let engine = Local::open();
    let of_session = Filter::Session(session);
    let found = engine.leftovers(&of_session).await.unwrap();
    assert!(found.len() == 2 && found.iter().any(|left| left.name == id), "{found:?}");
    assert!(!engine.leftovers(&Filter::DeadOwner).await.unwrap().contains(&found[0]));
    assert!(members(&id).len() >= 2);

    owner.kill().unwrap();
    owner.wait().unwrap();
    let begin = Instant::now();
    while start_time(bare).is_some()
        || start_time(stranger).is_some()
        || !members(&id).is_empty()
        || !engine.leftovers(&of_session).await.unwrap().is_empty()
    {
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

/// Whose it was cannot be read, as after a disk that was full: only who removes everything removes it.
#[tokio::test]
async fn a_run_without_an_owner_is_found() {
    let mut dead = Command::new("true").spawn().unwrap();
    dead.wait().unwrap();
    // The folder of all runs is there as long as there is a run.
    let engine = Local::open();
    let container = started(&engine, script("c", "exec sleep 60")).await;
    let base = std::env::temp_dir().join(format!("testcelery-{}", rustix::process::getuid().as_raw()));
    let (lost, starting) = (format!("{}-lost", dead.id()), format!("{}-starting", std::process::id()));
    for run in [&lost, &starting] {
        fs::create_dir(base.join(run)).unwrap();
    }
    let has = |left: &[Leftover], name: &str| left.iter().any(|left| left.name == name);
    let all = engine.leftovers(&Filter::All).await.unwrap();
    assert!(has(&all, &lost) && !has(&all, &starting), "{all:?}");
    assert!(!has(&engine.leftovers(&Filter::DeadOwner).await.unwrap(), &lost));
    // Of all sessions that cannot be read.
    let removed = engine.remove_leftovers(&Filter::Session(String::new())).await.unwrap();
    assert!(has(&removed, &lost) && !base.join(&lost).exists());
    fs::remove_dir(base.join(starting)).unwrap();
    container.remove().await.unwrap();
}

/// Somebody who looks at a container's folder is not taken for one of its processes.
#[tokio::test]
async fn a_shell_in_the_folder_is_left_alone() {
    let engine = Local::open();
    let text = "echo at $PWD; (cd / && exec /usr/bin/env -i /bin/sleep 600) & exec sleep 600";
    let container = started(&engine, script("c", text)).await;
    let folder = container.logs().wait_for("at ").await.unwrap().text.replace("at ", "");
    let mut foreign = Command::new("sleep").arg("60").current_dir(folder).spawn().unwrap();
    container.pause().await.unwrap();
    container.unpause().await.unwrap();
    // The child that kept neither variable nor folder is in the group; if it stayed, the log would never end.
    container.remove().await.unwrap();
    assert!(foreign.try_wait().unwrap().is_none(), "somebody else's process");
    foreign.kill().unwrap();
    foreign.wait().unwrap();
}

/// The owner's process cannot be seen from here, for example in a container that shares the folder: its lock tells.
#[tokio::test]
async fn an_owner_elsewhere_has_ended_when_its_lock_is_free() {
    let engine = Local::open();
    let container = started(&engine, script("c", "exec sleep 60")).await;
    let base = std::env::temp_dir().join(format!("testcelery-{}", rustix::process::getuid().as_raw()));
    let run = base.join(format!("1-elsewhere{}", std::process::id()));
    fs::create_dir_all(run.join("testcelery-00000000-c")).unwrap();
    let owner = Owner { namespace: "1".to_owned(), ..Owner::of_this_process() };
    let mut whose = fs::File::create(run.join("owner.new")).unwrap();
    whose.lock().unwrap();
    writeln!(whose, "{owner}\nelsewhere").unwrap();
    fs::rename(run.join("owner.new"), run.join("owner")).unwrap();
    let of = |left: Vec<Leftover>| left.into_iter().filter(|left| left.session == "elsewhere").count();
    assert_eq!(of(engine.leftovers(&Filter::DeadOwner).await.unwrap()), 0);
    assert_eq!(of(engine.leftovers(&Filter::All).await.unwrap()), 1);
    drop(whose);
    // Any test of this file that begins a run removes it from now on.
    engine.remove_leftovers(&Filter::DeadOwner).await.unwrap();
    assert!(!run.exists());
    container.remove().await.unwrap();
}

/// The guardian is killed with its owner: the next run removes what is left.
#[tokio::test]
async fn kill_9_of_the_owner_and_its_guardian() {
    let session = std::env::var(SESSION_VARIABLE).unwrap_or_default();
    if session.starts_with(OWNER) {
        let container = started(&Local::open(), script("c", "echo up; exec sleep 600")).await;
        container.logs().wait_for("up").await.unwrap();
        std::io::stdout().write_all(format!("\nid {}\n", container.id()).as_bytes()).unwrap();
        return std::future::pending().await;
    }
    let session = format!("{OWNER}pair-{}", std::process::id());
    let mut owner = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "--nocapture", "orphans::kill_9_of_the_owner_and_its_guardian"])
        .env(SESSION_VARIABLE, &session)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(owner.stdout.take().unwrap()).lines().map(|line| line.unwrap());
    let id = lines.find_map(|line| line.strip_prefix("id ").map(str::to_owned)).unwrap();
    let guardian = child_of(owner.id(), "guardian");
    let pids = [guardian.to_string(), owner.id().to_string()];
    assert!(Command::new("kill").arg("-KILL").args(&pids).status().unwrap().success());
    owner.wait().unwrap();
    let next = Local::open();
    let container = started(&next, script("c", "exec sleep 60")).await;
    assert!(members(&id).is_empty());
    assert!(next.leftovers(&Filter::Session(session)).await.unwrap().is_empty());
    container.remove().await.unwrap();
}

/// The child of a process with a word in its command line.
fn child_of(parent: u32, word: &str) -> u32 {
    let is_it = |pid: &u32| {
        let read = |file: &str| fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
        let stat = String::from_utf8_lossy(&read("stat")).into_owned();
        let fields = stat
            .rsplit_once(')')
            .map(|(_, fields)| fields.split_whitespace().nth(1) == Some(&parent.to_string()));
        fields == Some(true) && read("cmdline").split(|byte| *byte == 0).any(|it| it == word.as_bytes())
    };
    let all = fs::read_dir("/proc").unwrap().flatten();
    all.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).find(is_it).unwrap()
}
