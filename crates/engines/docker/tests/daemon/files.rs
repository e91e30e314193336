//! Files into containers and out of them.

use testcelery_api::{
    Build, Container, ContainerSpec, Engine, Exec, File, FileOwner, FileTree, Image, Mount,
};

use testcelery_docker::Docker;

use crate::{docker, redis_image, script, started, unique};

async fn stat(container: &dyn Container, paths: &[&str]) -> Vec<String> {
    let mut command = vec!["stat", "-c", "%n %u:%g %a"];
    command.extend(paths);
    let output = container.exec(Exec::new(command)).await.unwrap();
    assert!(output.success(), "{}", output.stderr_text());
    let text = output.stdout_text().unwrap();
    text.lines().map(str::to_owned).collect()
}

#[tokio::test]
#[ignore = "needs Docker and the images: cargo xtask e2e runs it"]
async fn each_tree_has_its_owner_and_the_system_keeps_its_own() {
    let docker = docker().await;
    // As the image of a worker: a user of its own, and a folder that belongs to it.
    let dockerfile = "ARG BASE_IMAGE\nFROM ${BASE_IMAGE}\nUSER root\nRUN mkdir /app && chown 10001:10001 /app\nUSER 10001:10001\nWORKDIR /app\n";
    let mut context = FileTree::new();
    context.insert("Dockerfile", dockerfile);
    let tag = format!("testcelery-test/{}:1", unique("owned"));
    let image = Image::build(Build::new(&tag, context).base(redis_image()));
    docker.ensure_image(&image).await.unwrap();
    let mut app = FileTree::owned_by(10001, 10001);
    app.insert("/app/app.py", "app = None\n");
    app.insert("/app/pkg/sub/tasks.py", "");
    app.insert("/var/lib/x/new/dir/file", "x");
    app.insert("/tmp/go", "go");
    let mut config = FileTree::new();
    config.insert("/etc/rabbitmq/rabbitmq.conf", "a = b\n");
    let file = File { content: b"#!/bin/sh\n".to_vec(), mode: 0o755 };
    config.insert_file("/usr/local/bin/tool", file);
    let spec = ContainerSpec::new("worker", image).command(["sleep", "60"]).files(app).files(config);
    let container = started(&docker, spec).await;
    let paths = [
        "/app",
        "/app/app.py",
        "/app/pkg",
        "/app/pkg/sub",
        "/app/pkg/sub/tasks.py",
        "/var/lib",
        "/var/lib/x",
        "/var/lib/x/new/dir",
        "/var/lib/x/new/dir/file",
        "/tmp",
        "/tmp/go",
        "/etc",
        "/etc/rabbitmq",
        "/etc/rabbitmq/rabbitmq.conf",
        "/usr/local/bin/tool",
    ];
    assert_eq!(
        stat(&*container, &paths).await,
        [
            "/app 10001:10001 755",
            "/app/app.py 10001:10001 644",
            "/app/pkg 10001:10001 755",
            "/app/pkg/sub 10001:10001 755",
            "/app/pkg/sub/tasks.py 10001:10001 644",
            "/var/lib 0:0 755",
            "/var/lib/x 10001:10001 755",
            "/var/lib/x/new/dir 10001:10001 755",
            "/var/lib/x/new/dir/file 10001:10001 644",
            "/tmp 0:0 1777",
            "/tmp/go 10001:10001 644",
            "/etc 0:0 755",
            "/etc/rabbitmq 0:0 755",
            "/etc/rabbitmq/rabbitmq.conf 0:0 644",
            "/usr/local/bin/tool 0:0 755",
        ]
    );
    container.remove().await.unwrap();
    docker.remove_image(&tag).await.unwrap();
}

/// An image whose user has a name, a group of another number, and nothing else to say.
async fn image_with_a_user(docker: &Docker) -> (String, Image) {
    let dockerfile = "ARG BASE_IMAGE\nFROM ${BASE_IMAGE}\nUSER root\n\
        RUN groupadd --gid 4321 crew && useradd --uid 1234 --gid crew sailor && useradd --uid 77 --no-user-group guest\n\
        USER sailor\n";
    let mut context = FileTree::new();
    context.insert("Dockerfile", dockerfile);
    let tag = format!("testcelery-test/{}:1", unique("user"));
    let image = Image::build(Build::new(&tag, context).base(redis_image()));
    docker.ensure_image(&image).await.unwrap();
    (tag, image)
}

#[tokio::test]
#[ignore = "needs Docker and the images: cargo xtask e2e runs it"]
async fn files_of_the_containers_user_belong_to_whoever_that_is() {
    let docker = docker().await;
    let (tag, image) = image_with_a_user(&docker).await;
    let mut files = FileTree::owned_by_container_user();
    files.insert("/app/pkg/tasks.py", "");
    files.insert("/tmp/go", "");
    let mut later = FileTree::owned_by_container_user();
    later.insert("/app/pkg/late.py", "");
    for (user, owner) in [
        (None, "1234:4321"),
        (Some("guest:crew"), "77:4321"),
        (Some("1234"), "1234:4321"),
        (Some("5555"), "5555:0"),
        (Some("root"), "0:0"),
        (Some("8:9"), "8:9"),
    ] {
        let spec = ContainerSpec::new("c", image.clone()).command(["sleep", "60"]).files(files.clone());
        let spec = user.into_iter().fold(spec, ContainerSpec::user);
        let container = started(&docker, spec).await;
        container.upload(&later).await.unwrap();
        let paths = ["/app", "/app/pkg", "/app/pkg/tasks.py", "/app/pkg/late.py", "/tmp/go"];
        let seen = stat(&*container, &paths).await;
        let modes = ["755", "755", "644", "644", "644"];
        let expected: Vec<String> =
            paths.iter().zip(modes).map(|(path, mode)| format!("{path} {owner} {mode}")).collect();
        assert_eq!(seen, expected, "{user:?}");
        // The process itself agrees, which is what it is for.
        let id = container.exec(Exec::new(["sh", "-c", "echo $(id -u):$(id -g)"])).await.unwrap();
        assert_eq!(id.stdout_text().unwrap().trim(), owner, "{user:?}");
        container.remove().await.unwrap();
    }
    docker.remove_image(&tag).await.unwrap();
    let spec = script("c", "").user("nobody-knows-me").files(files);
    let error = docker.create(spec).await.unwrap_err();
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert!(source.contains("there is no user `nobody-knows-me`"), "{error}: {source}");
}

#[tokio::test]
#[ignore = "needs Docker and the images: cargo xtask e2e runs it"]
async fn a_folder_that_exists_keeps_its_owner() {
    let docker = docker().await;
    let container =
        started(&docker, script("c", "install -d -m 700 -o 5 -g 6 /srv/data; echo ready; exec sleep 60"))
            .await;
    container.logs().wait_for("ready").await.unwrap();
    let mut files = FileTree::owned_by(7, 8);
    files.insert("/srv/data/new/a", "1");
    container.upload(&files).await.unwrap();
    assert_eq!(
        stat(&*container, &["/srv/data", "/srv/data/new", "/srv/data/new/a"]).await,
        ["/srv/data 5:6 700", "/srv/data/new 7:8 755", "/srv/data/new/a 7:8 644"]
    );
    container.remove().await.unwrap();
}

#[tokio::test]
#[ignore = "needs Docker and the images: cargo xtask e2e runs it"]
async fn what_a_container_waits_for_arrives() {
    let docker = docker().await;
    let wait = "while [ ! -f /tmp/go ]; do sleep 0.02; done; cat /tmp/go";
    let container = started(&docker, script("c", wait)).await;
    let mut go = FileTree::owned_by(10001, 10001);
    go.insert("/tmp/go", "on your marks\n");
    container.upload(&go).await.unwrap();
    container.logs().wait_for("on your marks").await.unwrap();
    container.remove().await.unwrap();
}

#[tokio::test]
#[ignore = "needs Docker and the images: cargo xtask e2e runs it"]
async fn files_and_folders_come_back() {
    let docker = docker().await;
    let mut files = FileTree::owned_by(7, 8);
    files.insert("/srv/data/a.txt", "alpha");
    files.insert("/srv/data/sub/b.bin", vec![0, 159, 146, 150]);
    let spec = script("c", "ln -s /srv/data /srv/link; exec sleep 60").files(files.clone());
    let container = docker.create(spec).await.unwrap();
    // Before the start too.
    assert_eq!(container.download("/srv/data").await.unwrap(), files);
    container.start().await.unwrap();
    assert_eq!(container.download("/srv/data/").await.unwrap(), files);
    let one = container.download("/srv/data/a.txt").await.unwrap();
    assert_eq!(
        (one.len(), one.text("/srv/data/a.txt"), one.owner()),
        (1, Some("alpha"), FileOwner::Ids(7, 8))
    );
    for path in ["/srv/nothing", "srv/data"] {
        let error = container.download(path).await.unwrap_err().to_string();
        assert!(error.contains(path), "{error}");
    }
    container.remove().await.unwrap();
}

#[tokio::test]
#[ignore = "needs Docker and the images: cargo xtask e2e runs it"]
async fn mounts() {
    let docker = docker().await;
    let source = tempfile::tempdir().unwrap();
    std::fs::write(source.path().join("hello"), "from the host\n").unwrap();
    let spec = script("c", "cat /src/hello; touch /src/x 2>&1; touch /cache/y && grep -c ' /cache tmpfs' /proc/mounts; exec sleep 60")
        .mount(Mount::bind(source.path(), "/src").read_only())
        .mount(Mount::tmpfs("/cache"));
    let container = started(&docker, spec).await;
    container.logs().wait("from the host").await.unwrap();
    container.logs().wait("Read-only file system").await.unwrap();
    container.logs().wait("1").await.unwrap();
    container.remove().await.unwrap();
}

#[tokio::test]
#[ignore = "needs Docker and the images: cargo xtask e2e runs it"]
async fn a_mount_that_the_daemon_does_not_find() {
    let docker = docker().await;
    let spec = script("c", "exec sleep 60").mount(Mount::bind("/nowhere/at/all", "/src"));
    let error = docker.create(spec).await.unwrap_err();
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert_eq!(
        source,
        "there is no `/nowhere/at/all` on the daemon's machine to be mounted at `/src`; it does not exist here either: create it, or mount \
         another folder"
    );
}
