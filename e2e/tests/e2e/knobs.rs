//! What can be set of a worker and asked of one.

use std::time::{Duration, SystemTime};

use testcelery::{
    ConnectionUrl,
    api::{BoxError, Container, Mount, Probe, Wait, WorkerContext, until_ready},
    prelude::*,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

fn one(worker: Worker) -> SetupBuilder {
    Setup::builder().broker(Redis::default()).backend(Redis::default()).worker(worker)
}

fn two_processes() -> SetupBuilder {
    one(Worker::default().named("letters").concurrency(2))
}

#[testcelery::test(setup = two_processes)]
async fn processes_of_a_worker(setup: Setup) -> Result<()> {
    let worker = &setup.workers()[0];
    let processes = worker.processes().await?;
    let ours = processes.containing("--hostname=letters@letters");
    let pids = ours.pids();
    let main = ours.matching(|process| !pids.contains(&process.parent));
    assert_eq!(main.len(), 1, "{processes:?}");
    let children = processes.children_of(main[0].pid).matching(|process| pids.contains(&process.pid));
    assert_eq!(children.len(), 2, "{processes:?}");
    let user: String = worker.python("import getpass; getpass.getuser()").await?;
    let age = SystemTime::now().duration_since(main[0].started).expect("it has begun");
    assert!(age < Duration::from_secs(60), "{age:?}");
    assert!(
        ours.iter().all(|it| it.user == user && it.memory_percent > 0.0 && it.cpu_percent >= 0.0),
        "{ours:?}"
    );

    // A child that dies is followed by another one.
    worker.python::<()>(&format!("import os; os.kill({}, 9)", children[0].pid)).await?;
    worker.logs().wait_for("exited with 'signal 9 (SIGKILL)'").await?;
    let now = worker.processes().await?;
    assert!(!now.pids().contains(&children[0].pid) && now.pids().contains(&main[0].pid));
    Ok(())
}

#[testcelery::test(setup = two_processes)]
async fn python_in_a_worker(setup: Setup) -> Result<()> {
    let worker = &setup.workers()[0];
    // Neither warnings nor prints get between the value and the test.
    let code = "import os, sys, warnings; warnings.warn('mind'); print('noise'); os.system('echo noise'); {'n': [1, 2.5, None, 'ü']}";
    let value: serde_json::Value = worker.python(code).await?;
    assert_eq!(value, serde_json::json!({"n": [1, 2.5, null, "ü"]}));
    assert_eq!(worker.python::<String>("app.main").await?, "celery_test_app");

    let error = worker.python::<i64>("print('on the way')\n1 // 0").await.expect_err("it fails").to_string();
    assert!(
        error.starts_with(
            "worker `letters`: the code `print('on the way')\n1 // 0` failed: ZeroDivisionError: "
        ),
        "{error}"
    );
    assert!(error.contains("  | on the way") && error.contains("line 2, in <module>"), "{error}");
    let error = worker.python::<i64>("'text'").await.expect_err("it is text").to_string();
    assert!(error.ends_with("has the value \"text\", which is no `i64`"), "{error}");
    let error = worker.python::<i64>("object()").await.expect_err("it is no JSON").to_string();
    assert!(error.contains("TypeError: a value of type object is no JSON"), "{error}");

    worker.kill(Signal::KILL).await?;
    let error = worker.python::<i64>("1").await.expect_err("it does not run").to_string();
    assert!(error.starts_with("worker `letters`: could not run the code `1`"), "{error}");
    Ok(())
}

fn limited() -> SetupBuilder {
    one(Worker::default().user("4711:4711").memory_limit(300 << 20).init(true).concurrency(1))
}

/// Who it runs as, what it may have, and what its first process is.
#[testcelery::test(setup = limited, needs(users, memory_limit))]
async fn user_memory_and_init(setup: Setup) -> Result<()> {
    let worker = &setup.workers()[0];
    let code =
        "import os; [os.getuid(), os.getgid(), os.stat('app.py').st_uid, os.stat('testcelery/go').st_uid]";
    assert_eq!(worker.python::<[u32; 4]>(code).await?, [4711; 4]);
    let limits = "['/sys/fs/cgroup/memory.max', '/sys/fs/cgroup/memory/memory.limit_in_bytes']";
    let code = format!("import os; [int(open(path).read()) for path in {limits} if os.path.exists(path)][0]");
    assert_eq!(worker.python::<u64>(&code).await?, 300 << 20);
    let first = worker.processes().await?.matching(|process| process.pid == 1);
    assert!(first[0].name.contains("init"), "{first:?}");
    assert_eq!(setup.ping().await?, "pong");
    Ok(())
}

fn source() -> SetupBuilder {
    one(Worker::default().source("tests/data/proj").app(PyModule::installed("proj")).concurrency(1))
}

/// A project is run from where it is, and cannot be written to.
#[testcelery::test(setup = source, needs(read_only_mounts))]
async fn source_of_a_project(setup: Setup) -> Result<()> {
    let sum = setup.app().task("proj.tasks.add").args((2, 3)).send().await?;
    assert_eq!(sum.get::<i64>().await?, 5);
    let worker = &setup.workers()[0];
    assert_eq!(worker.python::<String>("import proj; proj.__file__").await?, "/src/proj/__init__.py");
    let error =
        worker.python::<i64>("open('/src/new', 'w').write('x')").await.expect_err("read-only").to_string();
    assert!(error.contains("failed: OSError: [Errno 30] Read-only file system: '/src/new'"), "{error}");
    Ok(())
}

/// What the worker writes into a writable mount is on the host, on every engine.
#[tokio::test]
async fn source_that_may_be_written() -> anyhow::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;

    let folder = tempfile::tempdir()?;
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o777))?;
    std::fs::write(folder.path().join("mine.py"), "NAME = 'from the host'\n")?;
    let notes = tempfile::tempdir()?;
    std::fs::write(notes.path().join("note"), "a note")?;
    let worker = Worker::default()
        .concurrency(1)
        .source_writable(folder.path())
        .mount(Mount::bind(notes.path(), "/notes"));
    let setup = one(worker).start().await?;
    let worker = &setup.workers()[0];
    assert_eq!(worker.python::<String>("import mine; mine.NAME").await?, "from the host");
    worker
        .python::<i64>(
            "import mine, os; open(os.path.join(os.path.dirname(mine.__file__), 'new'), 'w').write('x')",
        )
        .await?;
    assert_eq!(std::fs::read_to_string(folder.path().join("new"))?, "x");
    let exec = testcelery::Exec::new(["cat", "/notes/note"]);
    assert_eq!(worker.container().exec(exec).await?.stdout_text()?, "a note");
    setup.down().await?;
    Ok(())
}

fn debugged() -> SetupBuilder {
    let debugged = || Worker::default().concurrency(1).debugpy(Debugpy::default());
    one(debugged()).worker(debugged().queue("other"))
}

/// An editor's first request is answered at each worker's own port.
#[testcelery::test(setup = debugged)]
async fn debuggers(setup: Setup) -> Result<()> {
    let mut ports = Vec::new();
    for worker in setup.workers() {
        let endpoint = worker.container().endpoint(5678)?;
        let mut client = Client::connect(&endpoint.host, endpoint.host_port).await.expect("it listens");
        let asked = client.ask("initialize", INITIALIZE).await;
        asked.expect("it answers");
        ports.push((endpoint.host, endpoint.host_port));
    }
    assert_ne!(ports[0], ports[1]);
    setup.ready().await
}

/// A worker that waits for a debugger goes on when one has attached, however long that takes.
#[tokio::test]
async fn debugger_that_is_waited_for() -> anyhow::Result<()> {
    let debugpy = Debugpy::default().wait_for_client(true);
    let worker = Worker::default().concurrency(1).ready_timeout(Duration::ZERO).debugpy(debugpy);
    let mut context = WorkerContext::new("worker", "app");
    context.broker_urls = vec![ConnectionUrl::new("memory", "localhost")];
    let mut spec = worker.plan(&context)?.spec;
    spec.waits.insert(0, Wait::probe(Attach));

    let engine = testcelery::Engine::auto().await?;
    engine.ensure_image(&spec.image).await?;
    let go = spec.go.clone().expect("it holds still");
    let container = engine.create(spec).await?;
    container.start().await?;
    container.upload(&go).await?;
    until_ready(container.as_ref()).await?;
    container.remove().await?;
    Ok(())
}

/// Attaches a debugger, in front of which nothing may have run.
#[derive(Debug)]
struct Attach;

#[async_trait::async_trait]
impl Probe for Attach {
    fn description(&self) -> String {
        "a debugger that attaches".to_owned()
    }

    async fn probe(&self, container: &dyn Container) -> Result<(), BoxError> {
        let endpoint = container.endpoint(5678)?;
        let mut client = Client::connect(&endpoint.host, endpoint.host_port).await?;
        client.ask("initialize", INITIALIZE).await?;
        assert!(!container.logs().contains("testcelery: worker ready"), "it did not wait");
        client.send("attach", r#"{"justMyCode":true}"#).await?;
        client.until("\"event\": \"initialized\"").await?;
        client.ask("configurationDone", "{}").await?;
        Ok(())
    }
}

/// What an editor says of itself.
const INITIALIZE: &str = r#"{"adapterID":"testcelery","pathFormat":"path"}"#;

/// A client of the Debug Adapter Protocol, as far as an editor begins.
struct Client {
    stream: TcpStream,
    seen: String,
    requests: usize,
}

impl Client {
    async fn connect(host: &str, port: u16) -> std::io::Result<Self> {
        let stream = TcpStream::connect((host, port)).await?;
        Ok(Self { stream, seen: String::new(), requests: 0 })
    }

    async fn send(&mut self, command: &str, arguments: &str) -> std::io::Result<()> {
        self.requests += 1;
        let request = format!(
            r#"{{"seq":{},"type":"request","command":"{command}","arguments":{arguments}}}"#,
            self.requests
        );
        let message = format!("Content-Length: {}\r\n\r\n{request}", request.len());
        self.stream.write_all(message.as_bytes()).await
    }

    /// Reads until a text has come.
    async fn until(&mut self, text: &str) -> std::io::Result<()> {
        while !self.seen.contains(text) {
            let mut part = [0; 4096];
            let read = self.stream.read(&mut part).await?;
            if read == 0 {
                return Err(std::io::Error::other(format!("no {text} in {:?}", self.seen)));
            }
            self.seen.push_str(&String::from_utf8_lossy(&part[..read]));
        }
        Ok(())
    }

    /// Sends a request, which has to succeed.
    async fn ask(&mut self, command: &str, arguments: &str) -> std::io::Result<()> {
        self.send(command, arguments).await?;
        self.until(&format!(r#""success": true, "command": "{command}""#)).await
    }
}
