use std::{fs, os::unix::fs as unix, path::Path};

use tempfile::TempDir;
use testcelery_api::{FileTree, ImageSource};

use super::*;
use crate::Worker;

/// A folder with files: their paths and what they hold.
fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    folder
}

fn build_of(dockerfile: &Dockerfile, worker: &Worker) -> Result<Build, String> {
    match dockerfile.image(&Answers::of(worker))?.source {
        ImageSource::Build(build) => Ok(*build),
        other => panic!("{other:?}"),
    }
}

fn build(folder: &TempDir) -> Result<Build, String> {
    build_of(&Dockerfile::folder(folder.path()), &Worker::default())
}

fn names(tree: &FileTree) -> Vec<&str> {
    tree.iter().map(|(name, _)| name).collect()
}

#[test]
fn all_but_what_is_ignored_goes_in_with_its_mode() {
    let folder = folder(&[
        ("Dockerfile", "FROM x\n"),
        (".dockerignore", "**\n!src/**/*.py\n!run.sh\nsrc/secret.py\n"),
        ("src/a.py", "a"),
        ("src/deep/b.py", "b"),
        ("src/secret.py", "s"),
        ("run.sh", "r"),
        ("target/huge", "h"),
    ]);
    let script = folder.path().join("run.sh");
    fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o750)).unwrap();
    let context = build(&folder).unwrap().context;
    assert_eq!(names(&context), [".dockerignore", "Dockerfile", "run.sh", "src/a.py", "src/deep/b.py"]);
    assert_eq!(context.get("run.sh").unwrap().mode, 0o750);
}

#[test]
fn another_file_may_have_a_list_of_its_own() {
    let files = [
        ("docker/dev", "FROM x\n"),
        ("docker/dev.dockerignore", "a\n"),
        (".dockerignore", "b\n"),
        ("a", ""),
        ("b", ""),
    ];
    let folder = folder(&files);
    let dockerfile = Dockerfile::folder(folder.path()).file("./docker/dev").target("worker");
    let build = build_of(&dockerfile, &Worker::default()).unwrap();
    assert_eq!((build.dockerfile.as_str(), build.target.as_deref()), ("docker/dev", Some("worker")));
    assert_eq!(names(&build.context), [".dockerignore", "b", "docker/dev", "docker/dev.dockerignore"]);
}

#[test]
fn what_is_ignored_is_not_looked_into() {
    let folder =
        folder(&[("Dockerfile", "FROM x\n"), (".dockerignore", "links\nout\n!kept\n"), ("links/a", "a")]);
    // They would be errors, if anybody saw them.
    unix::symlink("/", folder.path().join("links/out")).unwrap();
    unix::symlink("/", folder.path().join("out")).unwrap();
    assert_eq!(names(&build(&folder).unwrap().context), [".dockerignore", "Dockerfile"]);
    fs::write(folder.path().join(".dockerignore"), "links\nout\n!**/*.py\n").unwrap();
    // Its folder is looked into, but nothing takes a link back that is out itself.
    assert_eq!(build(&folder).unwrap().context.len(), 2);
}

#[test]
fn links_inside_are_followed() {
    let folder = folder(&[("Dockerfile", "FROM x\n"), ("real/a.py", "a")]);
    let path = |name: &str| folder.path().join(name);
    unix::symlink("real", path("folder")).unwrap();
    unix::symlink("real/a.py", path("file.py")).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(path("socket")).unwrap();
    let context = build(&folder).unwrap().context;
    assert_eq!(names(&context), ["Dockerfile", "file.py", "folder/a.py", "real/a.py"]);
    assert_eq!(context.text("file.py"), Some("a"));
}

#[test]
fn other_links_are_refused_with_both_ends() {
    for (target, problem) in [
        ("/etc/hostname", "which is outside of the build's folder"),
        ("nowhere", "leads to `nowhere`, which is not there"),
        ("..", "in which it is itself"),
    ] {
        let folder = folder(&[("Dockerfile", "FROM x\n"), ("sub/a", "")]);
        unix::symlink(target, folder.path().join("sub/link")).unwrap();
        let error = build(&folder).unwrap_err();
        assert!(error.contains(problem) && error.contains("sub/link` leads to `"), "{error}");
        assert!(error.contains("/.dockerignore`"), "{error}");
    }
}

fn fifo(path: &Path) {
    assert!(std::process::Command::new("mkfifo").arg(path).status().unwrap().success());
}

#[test]
fn what_has_no_end_is_not_read() {
    let folder = folder(&[("Dockerfile", "FROM x\n"), ("a", "")]);
    let path = |name: &str| folder.path().join(name);
    fifo(&path("pipe"));
    assert_eq!(names(&build(&folder).unwrap().context), ["Dockerfile", "a"]);
    fifo(&path(".dockerignore"));
    let error = build(&folder).unwrap_err();
    assert!(error.ends_with("/.dockerignore` is no regular file, and only such a list is read"), "{error}");
    fs::remove_file(path(".dockerignore")).unwrap();
    fs::remove_file(path("Dockerfile")).unwrap();
    fifo(&path("Dockerfile"));
    assert!(build(&folder).unwrap_err().starts_with("there is no `Dockerfile` in `"));
}

#[test]
fn folders_may_be_deep_and_links_may_not_multiply() {
    let folder = folder(&[("Dockerfile", "FROM x\n"), (&format!("{}a", "d/".repeat(1_500)), "")]);
    assert_eq!(build(&folder).unwrap().context.len(), 2);
    fs::remove_dir_all(folder.path().join("d")).unwrap();
    // Each folder has ten links to the next one: 10^9 paths.
    for level in 0..10 {
        fs::create_dir(folder.path().join(format!("d{level}"))).unwrap();
        for link in 0..10 {
            let link = folder.path().join(format!("d{level}/l{link}"));
            if level < 9 {
                unix::symlink(folder.path().join(format!("d{}", level + 1)), link).unwrap();
            }
        }
    }
    let error = build(&folder).unwrap_err();
    assert!(
        error.contains("has more than 200000 files and folders; list what the build does not need in `"),
        "{error}"
    );
}

#[test]
fn a_folder_that_is_too_large_names_what_is() {
    let big = "x".repeat(3 << 20);
    let folder = folder(&[("Dockerfile", "FROM x\n"), ("target/a", &big), ("target/b", &big), ("small", "")]);
    let dockerfile = Dockerfile::folder(folder.path()).size_limit(1 << 20);
    let error = build_of(&dockerfile, &Worker::default()).unwrap_err();
    assert!(
        error.contains("has 6.0 MiB, and 1.0 MiB is the limit; the largest in it are `target` (6.0 MiB), "),
        "{error}"
    );
    fs::write(folder.path().join(".dockerignore"), "target\n").unwrap();
    build_of(&dockerfile, &Worker::default()).unwrap();
}

#[test]
fn folders_and_files_that_cannot_be() {
    let error = |dockerfile: Dockerfile| build_of(&dockerfile, &Worker::default()).unwrap_err();
    assert!(error(Dockerfile::folder("nowhere")).starts_with("could not read `nowhere`: "));
    let folder = folder(&[("a", "")]);
    let of = || Dockerfile::folder(folder.path());
    assert!(error(of()).starts_with("there is no `Dockerfile` in `"));
    assert!(error(of().file("../a")).contains("is not below `"));
    assert!(error(of().file("/etc/hostname")).contains("is not below `"));
    fs::write(folder.path().join("Dockerfile"), b"\xff").unwrap();
    assert!(error(of()).ends_with("Dockerfile` is not UTF-8"));
    fs::write(folder.path().join(".dockerignore"), "ok\n[").unwrap();
    assert!(error(of()).ends_with(".dockerignore:2: `[` is no pattern"));
}

#[test]
fn only_what_is_declared_is_passed() {
    let args = |text: &str| build(&folder(&[("Dockerfile", text)])).unwrap().args;
    assert!(args("FROM x\n").is_empty());
    let declared = "ARG CELERY_VERSION=5.0\nARG CELERY_LOG_LEVEL\nARG CELERY_WORKER_NAME=mine\nARG CELERY_WORKER_QUEUE\n";
    let seen: Vec<(String, String)> = args(declared).into_iter().collect();
    let seen: Vec<(&str, &str)> = seen.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let expected = [
        ("CELERY_LOG_LEVEL", "INFO"),
        ("CELERY_VERSION", crate::DEFAULT_CELERY),
        ("CELERY_WORKER_QUEUE", "celery"),
    ];
    assert_eq!(seen, expected);
}

#[test]
fn arguments_of_ones_own() {
    let folder = folder(&[("Dockerfile", "ARG CELERY_VERSION\nFROM x\nARG MORE\n")]);
    let of =
        || Dockerfile::folder(folder.path()).arg("CELERY_VERSION", "main").arg("HTTPS_PROXY", "http://x");
    let build = build_of(&of().arg("MORE", "1"), &Worker::default()).unwrap();
    assert_eq!(build.args.len(), 3);
    assert_eq!(build.args["CELERY_VERSION"], "main");
    let error = build_of(&of().arg("MOER", "1"), &Worker::default()).unwrap_err();
    assert!(error.ends_with("Dockerfile` has no `ARG MOER`, which it is given"), "{error}");
}

#[test]
fn the_base_is_for_who_asks_for_it() {
    let base = |text: &str, worker: &Worker| {
        let folder = folder(&[("Dockerfile", text)]);
        build_of(&Dockerfile::folder(folder.path()), worker).map(|build| build.base.map(|base| *base))
    };
    let own = Worker::default().base(Image::reference("mine:1"));
    let declared = "ARG BASE_IMAGE\nFROM ${BASE_IMAGE}\n";
    let python = base(declared, &Worker::default()).unwrap().unwrap();
    assert!(python.name().starts_with("python:") && python.substitute.is_some(), "{python:?}");
    assert_eq!(base(declared, &own).unwrap().unwrap().name(), "mine:1");
    let with_default = "ARG BASE_IMAGE=python:3.12\nFROM ${BASE_IMAGE}\n";
    assert_eq!(base(with_default, &Worker::default()).unwrap(), None);
    assert_eq!(base(with_default, &own).unwrap().unwrap().name(), "mine:1");
    let with_ours = format!("ARG BASE_IMAGE={}\nFROM ${{BASE_IMAGE}}\n", python.name());
    assert_eq!(base(&with_ours, &Worker::default()).unwrap(), Some(python), "its substitute comes along");
    assert_eq!(base("FROM x\n", &Worker::default()).unwrap(), None);
    let error = base("FROM x\n", &own).unwrap_err();
    assert!(error.contains("has no `ARG BASE_IMAGE`"), "{error}");
}

#[test]
fn the_tag_is_a_hash_of_what_goes_in() {
    let dockerfile = "ARG BASE_IMAGE\nFROM ${BASE_IMAGE}\nARG A=1\nARG CELERY_VERSION\n";
    let folder = folder(&[("Dockerfile", dockerfile), ("other", dockerfile), ("a", "a")]);
    let of = || Dockerfile::folder(folder.path());
    let tag = |dockerfile: Dockerfile, worker: Worker| build_of(&dockerfile, &worker).unwrap().tag;
    let first = tag(of(), Worker::default());
    assert_eq!(tag(of(), Worker::default().queue("fast").log_level("DEBUG").named("x").pool("solo")), first);
    let mut all = vec![
        first,
        tag(of().arg("A", "2"), Worker::default()),
        tag(of().file("other"), Worker::default()),
        tag(of().target("stage"), Worker::default()),
        tag(of(), Worker::default().celery("5.6.2")),
        tag(of(), Worker::default().python("3.12")),
    ];
    let change = |path: &Path| fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o755));
    change(&folder.path().join("a")).unwrap();
    all.push(tag(of(), Worker::default()));
    fs::write(folder.path().join("a"), "b").unwrap();
    all.push(tag(of(), Worker::default()));
    let different: std::collections::BTreeSet<&String> = all.iter().collect();
    assert_eq!(different.len(), all.len(), "{all:?}");
}
