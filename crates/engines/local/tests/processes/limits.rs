//! Threads and processes that the system refuses: an error each time, never a panic, and an end.

use std::{
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use testcelery_api::Engine;
use testcelery_local::Local;

use crate::script;

const LIMITED: &str = "TESTCELERY_TEST_LIMITED";

/// Much more than three containers need, also on a machine under load.
const PATIENCE: Duration = Duration::from_secs(60);

/// Up to here every kind of thread and process is refused once; with more all containers run.
const ENOUGH: usize = 40;

#[test]
fn a_limit_of_threads_is_an_error() {
    if std::env::var_os(LIMITED).is_some() {
        return three_containers();
    }
    let folder = tempfile::tempdir().unwrap();
    let mode =
        |path: &Path, mode| std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    mode(folder.path(), 0o1777);
    let program = folder.path().join("tests");
    std::fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    // Threads of other processes of this user count for one that is not root, and how many there are is not known.
    let is_root = rustix::process::getuid().is_root();
    let limits: Vec<usize> = if is_root { (1..ENOUGH).step_by(2).chain([500]).collect() } else { vec![1] };
    let mut outcomes = Vec::new();
    for limit in limits {
        let outcome = run(&program, folder.path(), limit);
        assert!(!outcome.contains("panicked") && !outcome.contains("thread '"), "limit {limit}: {outcome}");
        outcomes.push(outcome);
    }
    assert!(outcomes[0].contains("the system refuses another thread or process"), "{outcomes:?}");
    if is_root {
        assert!(outcomes.last().is_some_and(|outcome| outcome.contains("all are up")), "{outcomes:?}");
    }
}

/// Runs this test in a process that may have so many threads and processes. Returns what it says.
fn run(program: &Path, folder: &Path, limit: usize) -> String {
    let mut command = Command::new("prlimit");
    command.arg(format!("--nproc={limit}")).arg(program);
    command.args(["limits::a_limit_of_threads_is_an_error", "--exact", "--nocapture", "--test-threads=1"]);
    command
        .env(LIMITED, "1")
        .env("TMPDIR", folder)
        .env("TESTCELERY_CACHE", folder.join("cache"))
        .current_dir(folder);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    if rustix::process::getuid().is_root() {
        // A user that has no other process: one for each limit, since the ends of an earlier run may still count.
        command.uid(62_000 + u32::try_from(limit).unwrap() + 1000 * (std::process::id() % 1000));
    }
    let mut child = command.spawn().unwrap();
    let begin = Instant::now();
    while child.try_wait().unwrap().is_none() {
        let hangs = begin.elapsed() > PATIENCE;
        if hangs {
            child.kill().unwrap();
        }
        assert!(!hangs, "limit {limit}: it hangs");
        std::thread::yield_now();
    }
    let output = child.wait_with_output().unwrap();
    let text =
        [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
    assert!(output.status.success(), "limit {limit}: {text}");
    text
}

#[expect(clippy::print_stdout, reason = "read by the test that has started this process")]
fn three_containers() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let outcome = runtime.block_on(async {
        let engine = Local::open();
        let mut containers = Vec::new();
        for name in ["a", "b", "c"] {
            let container = engine.create(script(name, "echo up; exec sleep 60")).await?;
            container.start().await?;
            container.logs().wait_for("up").await?;
            containers.push(container);
        }
        for container in containers {
            container.remove().await?;
        }
        Ok::<_, testcelery_api::Error>(())
    });
    match outcome {
        Ok(()) => println!("all are up"),
        Err(error) => {
            println!("refused: {error}: {:?}", std::error::Error::source(&error).map(ToString::to_string))
        }
    }
}
