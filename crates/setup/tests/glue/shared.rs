//! One container that is two nodes.

use testcelery::{
    ConnectionUrl,
    api::{BackendComponent, BackendPlan, Component, PlanContext, Result, ServiceNode},
};

use crate::{
    fake::{FakeBackend, FakeStores, Fault},
    refused, stack,
};

/// A result backend in the container of another node.
#[derive(Debug)]
struct Guest {
    name: Option<&'static str>,
    host: &'static str,
}

impl Component for Guest {
    fn kind(&self) -> &str {
        "guest"
    }

    fn name(&self) -> Option<&str> {
        self.name
    }
}

impl BackendComponent for Guest {
    fn plan(&self, context: &PlanContext) -> Result<BackendPlan> {
        let known = context.nodes.iter().find(|node| node.name == self.host);
        let url =
            known.and_then(|node| node.url.clone()).unwrap_or_else(|| ConnectionUrl::new("fake", self.host));
        let url = url.path("7");
        let (name, of_node) = (context.name.clone(), url.clone());
        let plan = BackendPlan::inside(self.host, move |container| {
            ServiceNode::new("guest", container, of_node, 1).named(name)
        });
        Ok(plan.url(url))
    }
}

#[tokio::test(start_paused = true)]
async fn a_shared_container_is_started_and_removed_once() {
    let (builder, calls) = stack(Fault::None);
    let setup =
        builder.backend(Guest { name: None, host: "broker" }).store(FakeStores).start().await.unwrap();
    let (broker, backend) = (&setup.brokers()[0], &setup.backends()[0]);
    assert_eq!(broker.container().id(), backend.container().id());
    assert_eq!((broker.name(), backend.name(), backend.kind()), ("broker", "backend", "guest"));
    assert_eq!(backend.url().to_string(), "fake://broker:1/7");
    assert_eq!(setup.len(), 2);
    setup.down().await.unwrap();
    for once in ["create broker", "start broker", "remove broker"] {
        assert_eq!(calls.all().iter().filter(|call| *call == once).count(), 1, "{:?}", calls.all());
    }
    assert!(!calls.all().iter().any(|call| call.ends_with("backend")), "{:?}", calls.all());
}

#[tokio::test(start_paused = true)]
async fn guests_keep_their_places_among_the_others() {
    let (builder, _) = stack(Fault::None);
    let builder = builder
        .backend(Guest { name: None, host: "broker" })
        .backend(FakeBackend(Some("results")))
        .backend(Guest { name: Some("more"), host: "results" })
        .store(FakeStores)
        .before_start(|plan| {
            assert_eq!(plan.names().collect::<Vec<_>>(), ["broker", "results", "worker"]);
            Ok(())
        });
    let setup = builder.start().await.unwrap();
    let places: Vec<(&str, &str)> =
        setup.backends().iter().map(|node| (node.name(), node.container().id())).collect();
    assert_eq!(places, [("backend-1", "broker"), ("results", "results"), ("more", "results")]);
    assert_eq!(setup.len(), 3);
    setup.down().await.unwrap();
}

#[tokio::test]
async fn a_host_that_cannot_be_one_starts_nothing() {
    // Nobody, a worker, a guest, itself.
    for (host, known) in
        [("store", "broker"), ("worker", "broker"), ("first", "broker"), ("second", "broker")]
    {
        let (builder, calls) = stack(Fault::None);
        let builder = builder
            .backend(Guest { name: Some("first"), host: "broker" })
            .backend(Guest { name: Some("second"), host });
        let error = refused(builder).await;
        let expected =
            format!("`second`: it is to be inside `{host}`, which has no container of its own before it");
        assert!(error.contains(&expected) && error.contains(&format!("there is {known}")), "{error}");
        assert!(calls.all().is_empty(), "{:?}", calls.all());
    }
}
