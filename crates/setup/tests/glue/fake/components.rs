//! Recipes whose servers nobody but the fakes of the client can speak to.

use std::sync::Arc;

use testcelery::api::{
    BackendComponent, BackendPlan, BrokerComponent, BrokerPlan, Component, ConnectionUrl, Container,
    ContainerSpec, FileTree, Image, PlanContext, Result, Secret, ServiceNode, Wait, Worker, WorkerComponent,
    WorkerContext, WorkerPlan,
};

/// A broker of a scheme that only [`FakeTransport`] speaks.
#[derive(Debug)]
pub(crate) struct FakeBroker;

impl Component for FakeBroker {
    fn kind(&self) -> &str {
        "fake"
    }
}

impl BrokerComponent for FakeBroker {
    fn plan(&self, context: &PlanContext) -> Result<BrokerPlan> {
        let url = ConnectionUrl::new("fake", &context.name).port(1);
        let spec = ContainerSpec::new(&context.name, Image::reference("fake")).wait(Wait::log("ready"));
        let of_node = url.clone();
        Ok(BrokerPlan::new(spec, move |container| ServiceNode::new("fake", container, of_node, 1)).url(url))
    }
}

/// A result backend with a password.
#[derive(Debug, Default)]
pub(crate) struct FakeBackend(pub(crate) Option<&'static str>);

impl Component for FakeBackend {
    fn kind(&self) -> &str {
        "fake"
    }

    fn name(&self) -> Option<&str> {
        self.0
    }
}

impl BackendComponent for FakeBackend {
    fn plan(&self, context: &PlanContext) -> Result<BackendPlan> {
        let url = ConnectionUrl::new("fake", &context.name)
            .port(2)
            .credentials("", Secret::new("hunter2"))
            .path("7");
        let spec = ContainerSpec::new(&context.name, Image::reference("fake")).wait(Wait::log("ready"));
        let of_node = url.clone();
        Ok(BackendPlan::new(spec, move |container| ServiceNode::new("fake", container, of_node, 2)).url(url))
    }
}

/// A worker that starts early and holds still.
#[derive(Debug, Default)]
pub(crate) struct FakeWorker(pub(crate) Option<&'static str>);

impl Component for FakeWorker {
    fn kind(&self) -> &str {
        "fake"
    }

    fn name(&self) -> Option<&str> {
        self.0
    }
}

impl WorkerComponent for FakeWorker {
    fn plan(&self, context: &WorkerContext) -> Result<WorkerPlan> {
        let spec = ContainerSpec::new(&context.name, Image::reference("fake")).wait(Wait::log("ready"));
        Ok(WorkerPlan::new(spec.go(FileTree::new()), FakeWorkerNode))
    }
}

#[derive(Debug)]
struct FakeWorkerNode(Arc<dyn Container>);

impl testcelery::Node for FakeWorkerNode {
    fn container(&self) -> &Arc<dyn Container> {
        &self.0
    }

    fn kind(&self) -> &str {
        "fake"
    }
}

impl Worker for FakeWorkerNode {
    fn hostname(&self) -> String {
        "worker@worker".to_owned()
    }

    fn queues(&self) -> &[String] {
        &[]
    }

    fn version(&self) -> &str {
        "0"
    }

    fn log_level(&self) -> &str {
        "INFO"
    }
}
