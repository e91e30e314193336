//! What a user sees who makes a mistake. Each is made by a process of its own, so that the exit code and what is left behind count.

use std::{
    fs,
    path::Path,
    process::{Command, Output},
    time::{Duration, Instant},
};

use testcelery::{
    ENGINE_VARIABLE, Engine,
    api::{Capability, SESSION_VARIABLE},
};

use crate::leftovers::assert_nothing_left;

/// The longest that a mistake may take which is found before anything starts, on a machine that does much else.
const AT_ONCE: Duration = Duration::from_secs(10);

struct Seen {
    session: String,
    code: Option<i32>,
    text: String,
    elapsed: Duration,
}

fn make(mistake: &str, env: &[(&str, &str)]) -> Seen {
    make_in(None, mistake, env)
}

/// Variables of Docker's own program. A row that names a daemon is not to get another one by them, nor TLS.
const OF_DOCKER: [&str; 6] = [
    "DOCKER_API_VERSION",
    "DOCKER_CERT_PATH",
    "DOCKER_CONFIG",
    "DOCKER_CONTEXT",
    "DOCKER_TLS",
    "DOCKER_TLS_VERIFY",
];

fn make_in(folder: Option<&Path>, mistake: &str, env: &[(&str, &str)]) -> Seen {
    let session = format!("bad-input-{mistake}-{}", std::process::id());
    let begin = Instant::now();
    let mut command = Command::new(env!("CARGO_BIN_EXE_bad_input"));
    if env.iter().any(|(name, _)| *name == "DOCKER_HOST") {
        for variable in OF_DOCKER {
            command.env_remove(variable);
        }
    }
    let Output { status, stdout, stderr } = command
        .arg(mistake)
        .args(folder)
        .env(SESSION_VARIABLE, &session)
        .env_remove("TESTCELERY_DOCKER_HOST")
        .envs(env.iter().copied())
        .output()
        .expect("the program runs");
    let text = format!("{}{}", String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    Seen { session, code: status.code(), text, elapsed: begin.elapsed() }
}

/// Checks what every row has in common, and the parts of the message.
fn expect(seen: &Seen, parts: &[&str]) {
    assert_eq!(seen.code, Some(1), "{}", seen.text);
    assert!(!seen.text.contains("panicked"), "{}", seen.text);
    for part in parts {
        assert!(seen.text.contains(part), "no {part:?} in:\n{}", seen.text);
    }
}

/// Writes a file of so many bytes, with the folder that it is in.
fn write(path: &Path, size: usize) {
    fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
    fs::write(path, vec![b'x'; size]).expect("a file");
}

async fn expect_clean(mistake: &str, parts: &[&str]) -> Seen {
    let seen = make(mistake, &[]);
    expect(&seen, parts);
    assert_nothing_left(&seen.session).await;
    seen
}

#[test]
fn no_docker_daemon() {
    let nowhere = [("DOCKER_HOST", "unix:///nowhere/docker.sock"), (ENGINE_VARIABLE, "docker")];
    let seen = make("no-daemon", &nowhere);
    expect(&seen, &["no docker daemon could be reached", "unix:///nowhere/docker.sock", "DOCKER_HOST"]);
}

/// A daemon that is asked for and cannot be reached is an error: local processes do not take its place.
#[test]
fn docker_daemon_that_is_asked_for() {
    let other = "TESTCELERY_ENGINE=local runs stacks as processes of this machine";
    let nowhere = ("DOCKER_HOST", "unix:///nowhere/docker.sock");
    for (settings, parts) in [
        (&[nowhere][..], &["there is no such socket", "start a daemon there"][..]),
        (&[("TESTCELERY_DOCKER_HOST", nowhere.1)], &["(TESTCELERY_DOCKER_HOST): there is no such socket"]),
        (&[("DOCKER_CONTEXT", "nobody-has-made-it")], &["there is no such context"]),
        (
            &[("DOCKER_HOST", "ssh://me@example.org")],
            &[
                "ssh:// is not supported",
                "TESTCELERY_DOCKER_PORTS_HOST=example.org",
                "change or unset that setting",
            ],
        ),
        (
            &[("DOCKER_HOST", "tcp://127.0.0.1:1"), ("DOCKER_TLS", "1")],
            &["DOCKER_TLS is set, and TLS is not supported", "change or unset that setting (DOCKER_HOST)"],
        ),
        (&[("DOCKER_HOST", "tcp://127.0.0.1:1")], &["refused", "start a daemon there"]),
        (
            &[("TESTCELERY_DOCKER_PORTS_HOST", "http://example.org")],
            &["(TESTCELERY_DOCKER_PORTS_HOST): it is no host name"],
        ),
    ] {
        let seen = make("no-daemon", &[&[("DOCKER_HOST", ""), (ENGINE_VARIABLE, "")], settings].concat());
        expect(&seen, &[&["no docker daemon could be reached", other], parts].concat());
    }
}

#[tokio::test]
async fn image_absent_and_no_registry() {
    let engine = Engine::auto().await.expect("an engine");
    let parts = match engine.supports(Capability::Images) {
        true => ["testcelery.invalid/nothing:1", "cargo xtask images"],
        // It has no images at all, and says what there is instead.
        false => ["cannot do images", "Image::software"],
    };
    expect_clean("no-image", &parts).await;
}

#[tokio::test]
async fn image_to_be_built() {
    let engine = Engine::auto().await.expect("an engine");
    let parts = match engine.supports(Capability::ImageBuild) {
        true => ["building image `testcelery-e2e/broken:1` failed", "no-such-command"],
        false => ["cannot do image builds", "Image::software"],
    };
    expect_clean("image-build", &parts).await;
}

#[tokio::test]
async fn dockerfile_that_fails() {
    let engine = Engine::auto().await.expect("an engine");
    if !engine.supports(Capability::ImageBuild) {
        let seen = expect_clean("broken-dockerfile", &["cannot do image builds", "Image::software"]).await;
        assert!(seen.elapsed < AT_ONCE, "nothing was to be started: {:?}", seen.elapsed);
        return;
    }
    let seen = expect_clean(
        "broken-dockerfile",
        &["failed at `Step 12/12 : RUN for number in", "`: it returned a non-zero code: 3"],
    )
    .await;
    let lines: Vec<&str> = seen.text.lines().filter_map(|line| line.trim().strip_prefix("| ")).collect();
    assert_eq!(lines.len(), 20, "{}", seen.text);
    assert!(lines.contains(&"line 23") && !lines.contains(&"line 3"), "{}", seen.text);
}

#[tokio::test]
async fn context_that_is_too_large() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path();
    fs::write(path.join("Dockerfile"), "ARG BASE_IMAGE\nFROM ${BASE_IMAGE}\n").expect("a file");
    write(&path.join("target/large"), 3 << 20);
    write(&path.join("small"), 1 << 10);
    let seen = make_in(Some(path), "huge-context", &[]);
    let shown = path.display();
    let parts = [
        format!("component `worker`: the build context `{shown}` has 3.0 MiB, and 1.0 MiB is the limit"),
        "the largest in it are `target` (3.0 MiB), `small` (0.0 MiB)".to_owned(),
        format!("`{shown}/.dockerignore`"),
    ];
    expect(&seen, &parts.each_ref().map(String::as_str));
    assert_nothing_left(&seen.session).await;
}

#[test]
fn engine_that_nobody_knows() {
    let seen = make("no-daemon", &[(ENGINE_VARIABLE, "podman")]);
    expect(&seen, &["TESTCELERY_ENGINE is \"podman\"", "`docker` and `local`"]);
}

/// Rows that only the local engine can get wrong.
mod local {
    use super::*;

    const LOCAL: (&str, &str) = (ENGINE_VARIABLE, "local");

    #[test]
    fn python_that_is_no_program() {
        let seen = make("no-daemon", &[LOCAL, ("TESTCELERY_PYTHON", "/nowhere/python3")]);
        expect(&seen, &["Celery", "TESTCELERY_PYTHON is /nowhere/python3, which is no program; set it"]);
    }

    #[test]
    fn server_at_a_relative_path() {
        let seen = make("no-daemon", &[LOCAL, ("TESTCELERY_REDIS_SERVER", "bin/redis-server")]);
        expect(&seen, &["TESTCELERY_REDIS_SERVER is bin/redis-server, which is no whole path", "unset it"]);
    }

    #[test]
    fn server_that_is_no_program() {
        let seen = make("no-daemon", &[LOCAL, ("TESTCELERY_REDIS_SERVER", "/nowhere/redis-server")]);
        expect(&seen, &["redis-server", "TESTCELERY_REDIS_SERVER is /nowhere/redis-server", "or unset it"]);
    }

    #[test]
    fn server_that_is_too_old() {
        let folder = tempfile::tempdir().expect("a folder");
        let server = program(folder.path(), "redis-server", "echo 'Redis server v=5.0.3 sha=00000000:0'");
        let path = format!("{}:{}", folder.path().display(), std::env::var("PATH").unwrap_or_default());
        for (explicit, path) in [(server.as_str(), None), ("", Some(("PATH", path.as_str())))] {
            let env = [LOCAL, ("TESTCELERY_REDIS_SERVER", explicit)].into_iter().chain(path);
            let seen = make("no-daemon", &env.collect::<Vec<_>>());
            expect(&seen, &["is version 5.0, and 6.0 or newer is needed", &server]);
        }
    }

    #[test]
    fn server_that_exits_at_once() {
        let folder = tempfile::tempdir().expect("a folder");
        let body =
            "[ \"$1\" = --version ] && echo 'Redis server v=7.0.15' && exit; echo 'out of luck' >&2; exit 3";
        let server = program(folder.path(), "redis-server", body);
        let seen = make("no-daemon", &[LOCAL, ("TESTCELERY_REDIS_SERVER", &server)]);
        expect(&seen, &["ended too early", "exited with code 3", "out of luck"]);
    }

    #[test]
    fn python_that_is_too_old() {
        let folder = tempfile::tempdir().expect("a folder");
        let python = program(folder.path(), "python3", "echo 3.8.1; echo /opt/old/python3");
        let seen = make("no-daemon", &[LOCAL, ("TESTCELERY_PYTHON", &python)]);
        expect(&seen, &["needs Python 3.10 or newer", "is Python 3.8.1"]);
    }

    #[test]
    fn no_python() {
        let folder = tempfile::tempdir().expect("a folder");
        let server = program(folder.path(), "redis-server", "echo 'Redis server v=7.0.15'");
        let nowhere = [("PATH", "/nowhere"), ("TESTCELERY_PYTHON", ""), ("TESTCELERY_REDIS_SERVER", &server)];
        let seen = make("no-daemon", &[&[LOCAL][..], &nowhere[..]].concat());
        expect(&seen, &["there is no Python on PATH", "install the packages `python3` and `python3-venv`"]);
    }

    /// A Python that tells its version, and fails to make an environment with these words.
    fn failing_python(folder: &Path, words: &str) -> String {
        let body =
            format!("[ \"$1\" = -I ] && echo 3.11.2 && echo \"$0\" && exit; echo '{words}' >&2; exit 1");
        program(folder, "python3", &body)
    }

    /// Debian's words, whose Python comes without the package that brings this module.
    #[test]
    fn python_that_cannot_make_environments() {
        let folder = tempfile::tempdir().expect("a folder");
        let python = failing_python(folder.path(), "created successfully because ensurepip is not available");
        let seen = make("no-daemon", &[LOCAL, ("TESTCELERY_PYTHON", &python)]);
        expect(
            &seen,
            &["install the package `python3.11-venv` of your system", "ensurepip is not available"],
        );
    }

    #[test]
    fn cache_that_is_full() {
        let folder = tempfile::tempdir().expect("a folder");
        let python = failing_python(folder.path(), "OSError: [Errno 28] No space left on device");
        let seen = make("no-daemon", &[LOCAL, ("TESTCELERY_PYTHON", &python)]);
        expect(
            &seen,
            &["make room, or name a folder elsewhere with TESTCELERY_CACHE", "No space left on device"],
        );
    }

    #[test]
    fn cache_that_cannot_be_written() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let seen = make("no-daemon", &[LOCAL, ("TESTCELERY_CACHE", &file.path().to_string_lossy())]);
        expect(&seen, &["TESTCELERY_CACHE", &file.path().to_string_lossy()]);
    }

    /// Plants a server in a cache: it is what the engine would run, if it trusted the folder.
    fn plant(cache: &std::path::Path) -> std::path::PathBuf {
        let release = std::fs::read_to_string("/etc/os-release").unwrap_or_default();
        let field = |name: &str| {
            let value = release.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
            value.unwrap_or("unknown").trim_matches('"').to_owned()
        };
        let key = format!("redis-server-{}-{}-{}", field("ID"), field("VERSION_ID"), std::env::consts::ARCH);
        let folder = cache.join("debian").join(key);
        let programs = folder.join("tree/usr/bin");
        std::fs::create_dir_all(&programs).expect("folders");
        let was_run = cache.join("was-run");
        program(&programs, "redis-server", &format!("echo run >{}", was_run.display()));
        std::fs::write(folder.join(".complete"), "").expect("it is written");
        was_run
    }

    #[test]
    fn cache_that_every_user_can_write_to() {
        use std::os::unix::fs::PermissionsExt as _;

        let folder = tempfile::tempdir().expect("a folder");
        let cache = folder.path().join("cache");
        let was_run = plant(&cache);
        std::fs::set_permissions(&cache, std::fs::Permissions::from_mode(0o777)).expect("a mode");
        let cache = cache.to_string_lossy();
        let seen = make("no-daemon", &[LOCAL, ("TESTCELERY_CACHE", &cache)]);
        expect(&seen, &["every user can change", "chmod go-w", "TESTCELERY_CACHE", &cache]);
        assert!(!was_run.exists());
    }

    /// Only root can give a folder away, and has most to lose.
    #[test]
    fn cache_of_another_user() {
        let folder = tempfile::tempdir().expect("a folder");
        let cache = folder.path().join("cache");
        let was_run = plant(&cache);
        if std::os::unix::fs::chown(&cache, Some(65_534), None).is_err() {
            return;
        }
        let cache = cache.to_string_lossy();
        let seen = make("no-daemon", &[LOCAL, ("TESTCELERY_CACHE", &cache)]);
        expect(&seen, &["belongs to user 65534", "TESTCELERY_CACHE", &cache]);
        assert!(!was_run.exists());
    }

    #[test]
    fn cache_at_a_relative_path() {
        let seen = make("no-daemon", &[LOCAL, ("TESTCELERY_CACHE", "cache")]);
        expect(&seen, &["\"cache/", "is relative; set it to a whole path", "TESTCELERY_CACHE"]);
    }

    /// Whoever else may write there would choose what runs.
    #[test]
    fn program_in_a_folder_that_every_user_can_write_to() {
        use std::os::unix::fs::PermissionsExt as _;

        let folder = tempfile::tempdir().expect("a folder");
        let was_run = folder.path().join("was-run");
        program(folder.path(), "redis-server", &format!("echo run >{}", was_run.display()));
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o1777)).expect("a mode");
        let path = format!("{}:{}", folder.path().display(), std::env::var("PATH").unwrap_or_default());
        let seen = make("no-daemon", &[LOCAL, ("PATH", &path)]);
        assert_eq!(seen.code, Some(0), "another one is taken: {}", seen.text);
        assert!(!was_run.exists());
    }

    #[test]
    fn temporary_folder_that_every_user_can_change() {
        use std::os::unix::fs::PermissionsExt as _;

        let folder = tempfile::tempdir().expect("a folder");
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o777)).expect("a mode");
        let temp = folder.path().to_string_lossy();
        let seen = make("no-daemon", &[LOCAL, ("TMPDIR", &temp)]);
        expect(&seen, &["every user can change", &temp, "or set TMPDIR to a folder of your own"]);
        let nowhere = folder.path().join("nowhere");
        let seen = make("no-daemon", &[LOCAL, ("TMPDIR", &nowhere.to_string_lossy())]);
        expect(&seen, &["there is no folder", &nowhere.to_string_lossy(), "set TMPDIR"]);
        assert!(!nowhere.exists());
    }

    /// A program that is a shell script.
    fn program(folder: &std::path::Path, name: &str, body: &str) -> String {
        use std::os::unix::fs::PermissionsExt as _;

        let path = folder.join(name);
        std::fs::write(&path, format!("#!/bin/sh\n{body}\n")).expect("it is written");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("it is a program");
        path.to_string_lossy().into_owned()
    }
}

/// PyPI's own words, without its list of a hundred versions.
#[tokio::test]
async fn celery_that_does_not_exist() {
    let begins = "ERROR: Could not find a version that satisfies the requirement celery";
    let parts = [
        begins,
        "==5.99.0 (from versions: 0.1.2, ",
        " .. ",
        "5.7.0",
        "ERROR: No matching distribution found for celery",
    ];
    let seen = expect_clean("no-such-celery", &parts).await;
    let longest = seen.text.lines().filter(|line| line.contains("from versions")).map(str::len).max();
    assert!(longest < Some(400), "{}", seen.text);
}

#[tokio::test]
async fn celery_and_python_that_do_not_go_together() {
    for (mistake, problem) in [
        ("celery-too-new", "Celery 5.7.0 cannot run on Python 3.9: it needs Python 3.10 or newer"),
        ("celery-too-old", "Celery 5.2.7 cannot run on Python 3.13: it needs Python 3.7 to 3.11"),
    ] {
        let seen = expect_clean(mistake, &["component `worker`: ", problem]).await;
        assert!(seen.elapsed < AT_ONCE, "nothing was to be started: {:?}", seen.elapsed);
    }
}

#[tokio::test]
async fn tasks_file_missing() {
    let seen = expect_clean("missing-tasks", &["tests/nowhere/tasks.py"]).await;
    assert!(seen.elapsed < AT_ONCE, "nothing was to be started: {:?}", seen.elapsed);
}

#[tokio::test]
async fn tasks_file_is_not_python() {
    let seen = expect_clean("broken-tasks", &["broken.py:1:7", "def f(:"]).await;
    assert!(seen.elapsed < AT_ONCE, "nothing was to be started: {:?}", seen.elapsed);
}

#[tokio::test]
async fn worker_crashes_on_import() {
    let seen = expect_clean(
        "crash-on-import",
        &[
            "ended too early",
            "exited with code 2",
            "Traceback (most recent call last)",
            "RuntimeError: boom while importing",
        ],
    )
    .await;
    assert!(seen.elapsed < Duration::from_secs(30), "an error at once, not at a timeout: {:?}", seen.elapsed);
}

#[tokio::test]
async fn unknown_task_name() {
    expect_clean("unknown-task", &["NotRegistered", "nobody.knows.me"]).await;
}

#[tokio::test]
async fn result_that_never_comes() {
    let parts = [
        "no result of task testcelery.tasks.ping",
        "within 1.0s",
        "last known state is PENDING",
        "worker is running; last lines of worker",
    ];
    expect_clean("no-result", &parts).await;
}

#[tokio::test]
async fn broker_url_that_nobody_speaks() {
    expect_clean("unknown-scheme", &["nobody speaks kafka:// as a broker", "known are amqp, pyamqp, redis"])
        .await;
}

#[tokio::test]
async fn broker_url_with_an_option_that_is_not_followed() {
    let parts =
        ["option `virtual_host` of the URL is not supported; write the database as in redis://host/3"];
    expect_clean("url-option", &parts).await;
}

#[tokio::test]
async fn broker_url_with_a_fragment() {
    let seen =
        expect_clean("url-fragment", &["the URL of the broker cannot be read", "it is written %23"]).await;
    assert!(!seen.text.contains("hunter2"), "{}", seen.text);
}

/// An error at once, and not a broker that takes no messages.
#[tokio::test]
async fn broker_without_room_on_its_disk() {
    let parts = [
        "container `broker` cannot become ready",
        "it blocks all publishers, because its disk is full",
        "disk resource limit alarm set on node",
        "Free bytes: ",
    ];
    expect_clean("full-disk", &parts).await;
}

/// Neither engine waits for ports that cannot be reached. Needs a kernel that lets users make network namespaces.
#[test]
fn loopback_interface_that_is_down() {
    let alone = |program: &str| {
        let mut command = Command::new("unshare");
        command.args(["--map-root-user", "--net", program]);
        command
    };
    if !alone("true").output().is_ok_and(|output| output.status.success()) {
        say("skipped: this machine has no network namespaces for users");
        return;
    }
    let output = alone(env!("CARGO_BIN_EXE_bad_input")).arg("no-daemon").output().expect("the program runs");
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{text}");
    for part in ["could not reach this machine itself by `127.0.0.1`", "turn it on with `ip link set lo up`"]
    {
        assert!(text.contains(part), "no {part:?} in:\n{text}");
    }
}

#[expect(clippy::print_stderr, reason = "a test that is skipped says so")]
fn say(text: &str) {
    eprintln!("{text}");
}

#[tokio::test]
async fn value_that_json_cannot_carry() {
    expect_clean("not-json", &["args[1] of task testcelery.tasks.add cannot be carried by JSON"]).await;
}

#[tokio::test]
async fn two_components_of_one_name() {
    let seen = expect_clean(
        "same-name",
        &["two components are named `store`", "broker 1 (redis)", "backend 1 (redis)"],
    )
    .await;
    assert!(seen.elapsed < AT_ONCE, "nothing was to be started: {:?}", seen.elapsed);
}
