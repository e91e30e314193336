//! Programs out of the network, into an empty cache. `cargo xtask e2e` runs it.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![cfg(target_os = "linux")]

use std::{
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use testcelery_api::{ContainerSpec, Engine, Image, Program, PythonEnvironment, Software};
use testcelery_local::Local;

/// Set in the processes that fetch.
const FETCH: &str = "TESTCELERY_TEST_FETCH";

fn memcached() -> Software {
    Software::program(Program::new("memcached").debian("memcached"))
}

fn python() -> Software {
    Software::python(PythonEnvironment::new("six 1.17.0", "six==1.17.0\n", (3, 8)))
}

/// Starts this test once more, with a cache and a search path that has none of the servers.
fn fetch(cache: &Path, path: &Path) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--ignored", "--exact", "--nocapture", "fetched_by_many_and_killed_halfway"]);
    command
        .env(FETCH, "1")
        .env("TESTCELERY_CACHE", cache)
        .env("PATH", path)
        .env_remove("TESTCELERY_MEMCACHED");
    command.stdout(Stdio::null()).spawn().unwrap()
}

/// A folder with every program of the machine but one.
fn path_without(folder: &Path, left_out: &str) {
    for bin in ["/usr/sbin", "/usr/bin", "/bin"] {
        for entry in std::fs::read_dir(bin).unwrap().flatten() {
            if entry.file_name() != left_out {
                // The first one wins, and some are in two folders.
                let _ = std::os::unix::fs::symlink(entry.path(), folder.join(entry.file_name()));
            }
        }
    }
}

async fn runs(engine: &Local, software: Software, command: [&str; 3], says: &str) {
    let image = Image::reference("none").software(software);
    engine.ensure_image(&image).await.unwrap();
    let container = engine.create(ContainerSpec::new("c", image).command(command)).await.unwrap();
    container.start().await.unwrap();
    container.logs().wait_for(says).await.unwrap();
}

/// A process that has a folder in its command.
fn works_on(folder: &Path) -> Option<String> {
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let commands = processes.filter_map(|process| std::fs::read(process.path().join("cmdline")).ok());
    let mut commands = commands.map(|command| String::from_utf8_lossy(&command).replace('\0', " "));
    commands.find(|command| command.contains(&*folder.to_string_lossy()))
}

#[tokio::test]
#[ignore = "needs the network: cargo xtask e2e --engine local runs it"]
async fn fetched_by_many_and_killed_halfway() {
    if std::env::var_os(FETCH).is_some() {
        let engine = Local::open();
        let version = ["sh", "-c", "exec memcached --version"];
        let import = ["python", "-c", "import six, sys; print(six.__version__, sys.prefix)"];
        let (one, other) =
            (runs(&engine, memcached(), version, "memcached 1."), runs(&engine, python(), import, "1.17.0 "));
        futures_util::join!(one, other);
        assert!(engine.origin(&memcached()).await.unwrap().contains("Debian packages in the cache"));
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (cache, path) = (folder.path().join("cache"), folder.path().join("bin"));
    std::fs::create_dir(&path).unwrap();
    path_without(&path, "memcached");
    for after in [20, 200, 600] {
        let mut victim = fetch(&cache, &path);
        tokio::time::sleep(Duration::from_millis(after)).await;
        victim.kill().unwrap();
        victim.wait().unwrap();
        // Its tools go with it.
        let begin = Instant::now();
        while let Some(tool) = works_on(&cache) {
            assert!(begin.elapsed() < Duration::from_secs(10), "it outlives its owner: {tool}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    let all: Vec<Child> = (0..3).map(|_| fetch(&cache, &path)).collect();
    for mut child in all {
        assert!(child.wait().unwrap().success());
    }
}
