use std::{
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use testcelery_api::ConnectionUrl;
use testcelery_codegen::PyModule;

use super::*;
use crate::{Debugpy, Worker, fake::FakeContainer};

const TASKS: &str = "from celery import shared_task\n\n@shared_task\ndef pay(): ...\n";

fn context() -> WorkerContext {
    let mut context = WorkerContext::new("worker-1", "shop");
    let url =
        |host: &str| ConnectionUrl::new("amqp", host).port(5672).credentials("me", Secret::new("hunter2"));
    context.broker_urls = vec![url("broker-1"), url("broker-2")];
    context.backend_url = Some(Secret::new("redis://:hunter2@backend:6379/0"));
    context
}

#[test]
fn the_whole_spec() {
    let worker = Worker::default()
        .queues(["fast", "slow"])
        .log_level("debug")
        .concurrency(2)
        .pool("threads")
        .mingle(true)
        .arg("--without-heartbeat")
        .env("TOKEN", "hunter2")
        .env("PYTHONPATH", "/opt/lib")
        .user("1000")
        .source("src")
        .mount(Mount::tmpfs("/scratch"))
        .port(8000)
        .memory_limit(1 << 28)
        .init(true)
        .ready_timeout(Duration::from_secs(5))
        .tasks(PyModule::source("tests.tasks", TASKS))
        .utils(PyModule::source("tests.helpers", ""))
        .configure(Config::new().task_acks_late(true))
        .signals(PyModule::source("tests.signals", ""));
    let spec = worker.plan(&context()).unwrap().spec;
    let files: Vec<&str> = spec.files.iter().flat_map(|tree| tree.iter().map(|(path, _)| path)).collect();
    let go: Vec<&str> = spec.go.iter().flat_map(|tree| tree.iter().map(|(path, _)| path)).collect();
    let owners: Vec<_> = spec.files.iter().chain(&spec.go).map(FileTree::owner).collect();
    let here = env::current_dir().unwrap();
    let rest = format!(
        "{:?} {:?} {:?} {:?} {} {:?}\n{:?}",
        spec.user, spec.mounts, spec.ports, spec.memory_limit, spec.init, spec.ready_timeout, spec.waits
    );
    insta::assert_snapshot!(format!(
        "{}\n{:#?}\n{:#?}\n{files:#?}\n{go:?} {owners:?}\n{}",
        spec.hostname,
        spec.command.as_ref().unwrap(),
        spec.env,
        rest.replace(here.to_str().unwrap(), "HERE"),
    ));
    let settings = spec.files[1].text("/app/testcelery/settings.py").unwrap();
    assert!(settings.contains("APP_NAME = 'shop'"), "{settings}");
    assert!(settings.contains("'signals': ['tests.signals']"), "{settings}");
    assert!(settings.contains("'task_acks_late': True"), "{settings}");
}

/// A recipe that makes up its queue each time, and changes all that it is given.
#[derive(Debug)]
struct MyWorker(AtomicU32);

impl WorkerRecipe for MyWorker {
    fn kind(&self) -> String {
        "mine".to_owned()
    }

    fn version(&self) -> String {
        "5.6.2".to_owned()
    }

    fn log_level(&self) -> String {
        "debug".to_owned()
    }

    fn queues(&self) -> Vec<String> {
        vec![format!("queue-{}", self.0.fetch_add(1, Ordering::SeqCst))]
    }

    fn command(&self, default: Vec<String>) -> Vec<String> {
        // Without what starts it early.
        default[4..].to_vec()
    }

    fn content(&self, content: InitialContent) -> InitialContent {
        content.module("more", PyModule::source("more", ""))
    }

    fn waits(&self, mut default: Vec<Wait>) -> Vec<Wait> {
        default.push(Wait::log("more"));
        default
    }
}

#[test]
fn what_a_recipe_says_is_what_runs_and_what_the_node_reports() {
    let plan = MyWorker(AtomicU32::new(1)).plan(&context()).unwrap();
    let command = plan.spec.command.clone().unwrap();
    assert_eq!(command[..4], ["celery", "-A", "app", "worker"]);
    assert!(command.contains(&"--queues=queue-1".to_owned()), "{command:?}");
    assert_eq!(plan.spec.go, None, "it does not hold still");
    assert_eq!(plan.spec.waits.len(), 2);
    assert!(plan.spec.files[0].get("/app/more.py").is_some());
    let default = WorkerRecipe::plan(&Worker::default().celery("5.6.2"), &context()).unwrap();
    assert_eq!(plan.spec.image, default.spec.image);

    let node = plan.into_node(FakeContainer::answering(0, "", ""));
    assert_eq!((node.kind(), node.queues()), ("mine", &["queue-1".to_owned()][..]));
    assert_eq!((node.version(), node.log_level()), ("5.6.2", "DEBUG"));
    assert_eq!(node.hostname(), "worker-1@worker-1");
}

#[test]
fn settings_of_its_own_win() {
    let of_setup = Config::new().task_acks_late(true).task_track_started(true);
    let context = context().with(of_setup);
    let spec = Worker::default().config("task_acks_late", false).plan(&context).unwrap().spec;
    let settings = spec.files[1].text("/app/testcelery/settings.py").unwrap();
    assert!(settings.contains("'task_acks_late': False") && settings.contains("'task_track_started': True"));
}

#[test]
fn one_backend_of_several() {
    let mut context = context();
    let url = |host: &str| (host.to_owned(), Secret::new(format!("redis://{host}/0")));
    context.backend_urls = vec![url("first"), url("second")];
    let plan = Worker::default().backend("second").plan(&context).unwrap();
    assert_eq!(spec_env(&plan, "CELERY_RESULT_BACKEND").as_deref(), Some("redis://second/0"));
    let error = Worker::default().backend("third").plan(&context).unwrap_err().to_string();
    assert!(error.ends_with("`third`, which the setup does not have; it has `first`, `second`"), "{error}");
}

#[test]
fn a_debugger_has_a_port_and_time() {
    let spec = |debugpy| {
        let worker = Worker::default().pool("gevent").ready_timeout(Duration::from_secs(5)).debugpy(debugpy);
        worker.plan(&context()).unwrap().spec
    };
    let attached = spec(Debugpy::default());
    // No port of the host is fixed.
    assert_eq!(attached.ports, [testcelery_api::Port { container: 5678, host: None }]);
    assert_eq!(attached.announced, [(5678, "debugpy".to_owned())]);
    assert_eq!(attached.ready_timeout, Duration::from_secs(5));
    assert!(attached.env.contains(&("GEVENT_SUPPORT".to_owned(), "True".to_owned())));
    assert_eq!(spec(Debugpy::default().wait_for_client(true)).ready_timeout, debugpy::PATIENCE);
}

#[test]
fn an_app_of_ones_own_is_what_runs() {
    let app = PyModule::source("shop.main", "from celery import Celery\n\nshop = Celery('shop')\n");
    let spec = Worker::default().app(app).plan(&context()).unwrap().spec;
    let command = spec.command.unwrap();
    assert!(command.windows(2).any(|words| words == ["-A", "testcelery.entry"]), "{command:?}");
    assert!(spec.files[0].get("/app/shop/main.py").is_some() && spec.files[0].get("/app/app.py").is_none());
}

#[test]
fn paths_of_the_host_are_whole() {
    let plan = Worker::default().source_writable("src").plan(&context()).unwrap();
    let full = env::current_dir().unwrap().join("src").canonicalize().unwrap();
    assert_eq!(plan.spec.mounts, [Mount::bind(full, "/src")]);
    assert_eq!(spec_env(&plan, "PYTHONPATH").as_deref(), Some("/app:/src"));
    let error = Worker::default().source("nowhere").plan(&context()).unwrap_err().to_string();
    assert!(error.contains("`worker-1`: cannot mount `nowhere` (looked for in "), "{error}");
}

#[test]
fn secrets_are_not_shown() {
    let worker = Worker::default().env("TOKEN", "hunter2");
    let plan = worker.plan(&context()).unwrap();
    assert!(!format!("{worker:?} {plan:?}").contains("hunter2"));
    assert!(spec_env(&plan, "CELERY_BROKER_URL").unwrap().contains("hunter2"));
}

fn spec_env(plan: &WorkerPlan, key: &str) -> Option<String> {
    plan.spec.env.iter().find(|(name, _)| name == key).map(|(_, value)| value.clone())
}

#[test]
fn no_backend_is_said_aloud() {
    let mut context = context();
    context.backend_url = None;
    let plan = Worker::default().plan(&context).unwrap();
    assert_eq!(spec_env(&plan, "CELERY_RESULT_BACKEND").as_deref(), Some("disabled://"));
}

#[test]
fn mistakes_name_the_worker() {
    let error = |worker: Worker| {
        let error = worker.plan(&context()).unwrap_err();
        let source =
            std::error::Error::source(&error).map(|source| format!(": {source}")).unwrap_or_default();
        format!("{error}{source}")
    };
    assert_eq!(
        error(Worker::default().queue("a,b")),
        "component `worker-1`: \"a,b\" cannot be the name of a queue: the comma separates queues on Celery's command line; \
         name each one with `.queue(..)`"
    );
    let text = error(Worker::default().tasks(PyModule::source("broken", "def f(:\n    pass\n")));
    assert!(
        text.starts_with("component `worker-1`: its modules or settings cannot be used: broken.py:1:7: "),
        "{text}"
    );
    let text = error(Worker::default().tasks(PyModule::file("tests/nowhere/tasks.py")));
    assert!(text.contains("`tests/nowhere/tasks.py`"), "{text}");
}

#[test]
fn what_a_mount_would_hide() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("shop")).unwrap();
    let tasks = |name: &str| PyModule::source(name, "@app.task\ndef f(): ...\n");
    let plan = |name: &str| Worker::default().source(folder.path()).tasks(tasks(name)).plan(&context());
    let error = plan("shop.tasks").unwrap_err().to_string();
    assert!(error.contains("the package `shop`") && error.contains("PyModule::installed"), "{error}");
    plan("other.tasks").unwrap();
}
