//! Stacks of local processes in surroundings that are unusual, and not wrong. Each runs in a process of its own.

use std::{
    ffi::OsStr,
    net::TcpListener,
    os::unix::{ffi::OsStrExt, fs::PermissionsExt, process::CommandExt},
    path::Path,
    process::{Command, Output},
};

use testcelery::{ENGINE_VARIABLE, api::SESSION_VARIABLE};

/// The brokers and result backends that there are.
const ROWS: [&str; 3] = ["rabbitmq_redis", "redis_redis", "redis_memcached"];

/// Set in a process that has a network of its own.
const ISOLATED: &str = "TESTCELERY_E2E_ISOLATED";

/// A test of this program, to be run by a process of its own on the local engine.
fn test(name: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command.args([name, "--exact", "--nocapture", "--test-threads=1"]);
    command
        .env(ENGINE_VARIABLE, "local")
        .env(SESSION_VARIABLE, format!("surroundings-{}", std::process::id()));
    command
        .env_remove("TESTCELERY_REPORT")
        .env_remove("TESTCELERY_BROKERS")
        .env_remove("TESTCELERY_BACKENDS");
    command
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn passes(command: &mut Command) {
    let output = command.output().expect("it runs");
    let text = text(&output);
    assert!(output.status.success() && text.contains("1 passed"), "{command:?}\n{text}");
}

#[test]
fn temporary_folder_with_an_awkward_path() {
    let folder = tempfile::tempdir().expect("a folder");
    for name in ["a b", "it's \"quoted\"", "line\nfeed", "a:b", "$HOME", "\u{e4}", "\\"] {
        let path = folder.path().join(name);
        std::fs::create_dir(&path).expect("a folder");
        passes(test("ping::ping::redis_redis").env("TMPDIR", path));
    }
    let rabbitmq = folder.path().join("a b");
    passes(test("ping::ping::rabbitmq_redis").env("TMPDIR", rabbitmq));
    let no_text = folder.path().join(OsStr::from_bytes(b"\xff"));
    std::fs::create_dir(&no_text).expect("a folder");
    passes(test("ping::ping::redis_redis").env("TMPDIR", no_text));
}

#[test]
fn temporary_folder_that_is_relative_or_empty() {
    for value in ["", ".", "target"] {
        passes(test("ping::ping::redis_memcached").env("TMPDIR", value));
    }
}

/// The machine's own servers listen on all addresses, which takes their ports on each loopback address.
#[test]
fn standard_ports_that_are_taken() {
    if std::env::var_os(ISOLATED).is_none() && can_isolate() {
        let name = "surroundings::standard_ports_that_are_taken";
        return passes(isolated(&test(name)).env(ISOLATED, "1"));
    }
    let take = |port: u16| TcpListener::bind(("0.0.0.0", port));
    // Without a network of its own: what is taken already serves as well.
    let _taken: Vec<TcpListener> =
        [6379, 5672, 11_211, 4369, 25_672].into_iter().filter_map(|port| take(port).ok()).collect();
    for row in ROWS {
        passes(&mut test(&format!("ping::ping::{row}")));
    }
}

/// A command in a network of its own, with nothing but its loopback addresses.
fn isolated(command: &Command) -> Command {
    let mut wrapped = Command::new("unshare");
    wrapped.args(["--map-root-user", "--net", "sh", "-c", "ip link set lo up && exec \"$0\" \"$@\""]);
    wrapped.arg(command.get_program()).args(command.get_args());
    for (key, value) in command.get_envs() {
        match value {
            Some(value) => wrapped.env(key, value),
            None => wrapped.env_remove(key),
        };
    }
    wrapped
}

fn can_isolate() -> bool {
    isolated(&Command::new("true")).output().is_ok_and(|output| output.status.success())
}

/// Threads of a user are counted, unless it is root.
#[test]
fn no_threads_at_all() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).expect("a mode");
    let output = limited(&test("ping::ping::redis_redis"), folder.path()).output().expect("it runs");
    let text = text(&output);
    assert_eq!(output.status.code(), Some(101), "{text}");
    for part in ["no stack can be started", "the system refuses another thread", "`ulimit -u`, 1", "raise it"]
    {
        assert!(text.contains(part), "no {part:?} in:\n{text}");
    }
    assert!(!text.contains("OS can't spawn") && !text.contains("panicked"), "{text}");
}

/// A command that has one thread and gets no other. `folder` is for a copy of the program that every user can read.
fn limited(command: &Command, folder: &Path) -> Command {
    let program = folder.join("tests");
    std::fs::copy(command.get_program(), &program).expect("a copy");
    let mut wrapped = Command::new("prlimit");
    wrapped.arg("--nproc=1").arg(program).args(command.get_args());
    for (key, value) in command.get_envs() {
        match value {
            Some(value) => wrapped.env(key, value),
            None => wrapped.env_remove(key),
        };
    }
    wrapped.current_dir(folder);
    // Of any number: refused where this is not root, whose threads nobody counts.
    let is_root =
        std::fs::metadata("/proc/self").is_ok_and(|it| std::os::unix::fs::MetadataExt::uid(&it) == 0);
    if is_root {
        wrapped.uid(61_000 + std::process::id() % 1000);
    }
    wrapped
}
