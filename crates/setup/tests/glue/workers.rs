//! How workers get into a setup.

use std::{
    process::Command,
    sync::{Arc, Mutex},
};

use testcelery::{
    api::{Component, Result, WorkerComponent, WorkerContext, WorkerPlan},
    prelude::*,
};

use crate::{
    fake::{Calls, FakeBackend, FakeStores, FakeWorker, Fault},
    stack,
};

/// A worker of another type.
#[derive(Debug)]
struct Legacy;

impl Component for Legacy {
    fn kind(&self) -> &str {
        "legacy"
    }

    fn name(&self) -> Option<&str> {
        Some("legacy")
    }
}

impl WorkerComponent for Legacy {
    fn plan(&self, context: &WorkerContext) -> Result<WorkerPlan> {
        FakeWorker::default().plan(context)
    }
}

/// A worker that keeps what it was told.
#[derive(Debug, Clone, Default)]
pub(crate) struct Curious(Arc<Mutex<Option<WorkerContext>>>);

impl Curious {
    pub(crate) fn told(&self) -> WorkerContext {
        self.0.lock().unwrap().clone().unwrap()
    }
}

impl Component for Curious {
    fn kind(&self) -> &str {
        "curious"
    }
}

impl WorkerComponent for Curious {
    fn plan(&self, context: &WorkerContext) -> Result<WorkerPlan> {
        *self.0.lock().unwrap() = Some(context.clone());
        FakeWorker::default().plan(context)
    }
}

async fn names(builder: SetupBuilder) -> Vec<String> {
    let setup = builder.start().await.unwrap();
    let names = setup.workers().iter().map(|worker| worker.name().to_owned()).collect();
    setup.down().await.unwrap();
    names
}

fn without_workers() -> (SetupBuilder, Calls) {
    let (builder, calls) = stack(Fault::None);
    (builder.without_workers(), calls)
}

#[tokio::test(start_paused = true)]
async fn any_number_and_any_mixture() {
    let (builder, _) = without_workers();
    let builder =
        builder.workers((0..2).map(|_| FakeWorker(None))).worker(Legacy).workers([FakeWorker(Some("last"))]);
    assert_eq!(names(builder).await, ["worker-1", "worker-2", "legacy", "last"]);
}

#[tokio::test(start_paused = true)]
async fn boxes_of_several_types_in_one_list() {
    let (builder, _) = without_workers();
    let list: Vec<Box<dyn WorkerComponent>> = vec![Box::new(Legacy), Box::new(FakeWorker(None))];
    assert_eq!(names(builder.workers(list)).await, ["legacy", "worker-2"]);
}

#[tokio::test(start_paused = true)]
async fn no_workers_are_none() {
    let (builder, calls) = without_workers();
    assert!(names(builder.workers((0..0).map(|_| FakeWorker(None)))).await.is_empty());
    assert!(!calls.all().iter().any(|call| call.contains("worker")), "{:?}", calls.all());
}

#[tokio::test(start_paused = true)]
async fn a_worker_is_told_of_every_backend() {
    let (builder, _) = without_workers();
    let curious = Curious::default();
    let builder = builder
        .backend(FakeBackend(Some("results")))
        .backend(FakeBackend(None))
        .store(FakeStores)
        .worker(curious.clone());
    builder.start().await.unwrap().down().await.unwrap();
    let told = curious.told();
    let urls: Vec<(&str, &str)> =
        told.backend_urls.iter().map(|(name, url)| (name.as_str(), url.reveal())).collect();
    let [first, second] = ["fake://:hunter2@results:2/7", "fake://:hunter2@backend-2:2/7"];
    assert_eq!(urls, [("results", first), ("backend-2", second)]);
    assert_eq!(told.backend_url.as_ref().map(Secret::reveal), Some(first));
    assert!(!format!("{told:?}").contains("hunter2"));
}

/// Says what is announced as soon as the worker runs. In a process of its own, for its standard error.
#[test]
fn announced_ports_are_said_before_the_worker_is_ready() {
    const CHILD: &str = "TESTCELERY_TEST_ANNOUNCE";
    if std::env::var_os(CHILD).is_some() {
        let (builder, _) = stack(Fault::Exits("worker"));
        let builder =
            builder.before_start(|plan| plan.update("worker", |spec| spec.announce(5678, "debugpy")));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        assert!(runtime.block_on(builder.start()).is_err());
        return;
    }
    let test = "workers::announced_ports_are_said_before_the_worker_is_ready";
    let child =
        Command::new(std::env::current_exe().unwrap()).args([test, "--exact"]).env(CHILD, "1").output();
    let child = child.unwrap();
    let said = String::from_utf8_lossy(&child.stderr).into_owned();
    assert!(child.status.success(), "{said}");
    assert!(said.contains("testcelery: worker: debugpy listens on 127.0.0.1:5678\n"), "{said}");
}
