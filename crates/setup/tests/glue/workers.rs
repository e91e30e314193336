//! How workers get into a setup.

use testcelery::{
    api::{Component, Result, WorkerComponent, WorkerContext, WorkerPlan},
    prelude::*,
};

use crate::{
    fake::{Calls, FakeWorker, Fault},
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
