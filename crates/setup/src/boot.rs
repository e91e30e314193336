//! From plans to a running stack: images, containers, readiness, app.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use futures_util::future::{join, try_join, try_join_all};
use testcelery_api::{
    self as api, Backend, Broker, Cluster, Container, ContainerSpec, Logs, Network, Place, Worker,
    until_ready,
};
use testcelery_client::{App, Queues};

use crate::{
    AppConfig, Error, Result, Setup, SetupBuilder,
    address::{BackendAddress, BrokerAddress},
    app::app,
    hooks::AFTER_START,
    kept_errors::KeptErrors,
    plan::{Plans, plan},
    say::announce,
    setup::Inner,
    timing::Boots,
    watched::Watched,
};

/// A boot that failed, with the logs of the containers that it had started by then.
pub(crate) struct BootFailure {
    pub(crate) error: Error,
    pub(crate) logs: Vec<Logs>,
}

impl<E: Into<Error>> From<E> for BootFailure {
    fn from(error: E) -> Self {
        Self { error: error.into(), logs: Vec::new() }
    }
}

pub(crate) async fn boot(builder: &mut SetupBuilder) -> Result<Setup, BootFailure> {
    let plans = plan(builder)?;
    let engine = builder.chosen_engine().await?;
    let specs = plans.specs();
    for need in specs.iter().flat_map(|spec| spec.needs()) {
        engine.require(need)?;
    }
    ensure_images(engine.as_ref(), &specs).await?;

    let network = engine.create_network(&specs).await?;
    let boots = Boots::default();
    let errors = KeptErrors::default();
    let yard = Yard { engine: engine.as_ref(), boots, network: &network, errors, created: Mutex::default() };
    let booted = boot_nodes(&yard, builder, plans).await;
    let Yard { boots, errors, created, .. } = yard;
    let components = boots.total();
    let created = created.into_inner().unwrap_or_else(PoisonError::into_inner);
    match booted {
        Ok((app, brokers, backends, workers)) => {
            let before_down = std::mem::take(&mut builder.hooks.before_down);
            let inner = Inner::new(app, brokers, backends, workers, network, components, before_down);
            let setup = Setup::new(inner.errors(errors));
            after_start(builder, &setup).await?;
            Ok(setup)
        }
        Err(error) => {
            let logs = created.iter().map(|container| container.logs().clone()).collect();
            take_away(&created, network.as_ref()).await;
            Err(BootFailure { error, logs })
        }
    }
}

/// Runs the hooks for a stack that is up. Where one fails the stack goes as after a failed test.
async fn after_start(builder: &SetupBuilder, setup: &Setup) -> Result<(), BootFailure> {
    match builder.hooks.after_start.run(AFTER_START, setup).await {
        Ok(()) => Ok(()),
        Err(error) => {
            let logs = setup.all_logs();
            if let Err(error) = setup.down().await {
                tracing::warn!(?error, "a setup whose hook failed was not taken down completely");
            }
            Err(BootFailure { error, logs })
        }
    }
}

/// Removes what a failed boot has started. What cannot be removed is left to the guards: the failure itself is the news.
async fn take_away(containers: &[Arc<dyn Container>], network: &dyn Network) {
    let removals = containers.iter().map(|container| container.remove());
    for removed in futures_util::future::join_all(removals).await {
        if let Err(error) = removed {
            tracing::warn!(%error, "a container of a failed boot could not be removed");
        }
    }
    if let Err(error) = network.remove().await {
        tracing::warn!(%error, "the network of a failed boot could not be removed");
    }
}

async fn ensure_images(engine: &dyn api::Engine, specs: &[&ContainerSpec]) -> Result<()> {
    let mut images: Vec<_> = Vec::new();
    for spec in specs {
        if !images.contains(&&spec.image) {
            images.push(&spec.image);
        }
    }
    try_join_all(images.into_iter().map(|image| engine.ensure_image(image))).await?;
    Ok(())
}

type Booted = (App, Cluster<dyn Broker>, Cluster<dyn Backend>, Cluster<dyn Worker>);

async fn boot_nodes(yard: &Yard<'_>, builder: &SetupBuilder, plans: Plans) -> Result<Booted> {
    let Plans { config, queues, brokers, backends, workers } = plans;
    let (services_ready, go) = tokio::sync::watch::channel(false);
    let watched = Watched::default();
    let brokers = try_join_all(brokers.into_iter().map(|plan| {
        let (spec, make) = plan.into_parts();
        yard.service(spec, make)
    }));
    let (mut own, mut guests) = (Vec::new(), Vec::new());
    for (at, plan) in backends.into_iter().enumerate() {
        match plan.into_parts() {
            (Place::Own(spec), make) => own.push(yard.service(*spec, make)),
            (Place::Inside(host), make) => guests.push((at, host, make)),
        }
    }
    let workers = try_join_all(workers.into_iter().map(|plan| {
        let (spec, make) = plan.into_parts();
        yard.worker(spec, make, go.clone())
    }));
    drop(go);
    let services = async {
        let (brokers, mut backends) = try_join(brokers, try_join_all(own)).await?;
        for (at, host, make) in guests {
            backends.insert(at, make(yard.container(&host)?));
        }
        services_ready.send_replace(true);
        // The app connects while they boot, and not before all of them are told: it keeps this task busy for a while.
        services_ready.closed().await;
        let (brokers, backends) = (Cluster::new(brokers), Cluster::new(backends));
        let errors = yard.errors.clone();
        let app = connect(builder, (&config, queues), &brokers, &backends, watched.clone(), errors).await?;
        Ok((app, brokers, backends))
    };
    let ((app, brokers, backends), workers) = try_join(services, workers).await?;
    let workers = Cluster::new(workers);
    watched.add(&workers);
    Ok((app, brokers, backends, workers))
}

/// Connects the app. Nodes are asked for their address at every new connection, so that the app survives their restarts.
async fn connect(
    builder: &SetupBuilder,
    (config, queues): (&AppConfig, Queues),
    brokers: &Cluster<dyn Broker>,
    backends: &Cluster<dyn Backend>,
    workers: Watched,
    errors: KeptErrors,
) -> Result<App> {
    let evidence = workers.clone();
    let mut app = app(&config.name)
        .default_queue(config.default_queue()?)
        .queues(queues)
        .result_timeout(config.result_timeout)
        .on_timeout(move || evidence.last_lines())
        .on_workers_gone(move |queue| workers.gone(queue))
        .on_error(move |error| errors.keep(error));
    if let Some(exchange) = config.control_exchange()? {
        app = app.control_exchange(exchange);
    }
    for factory in &builder.transports {
        app = app.transport_factory(Arc::clone(factory));
    }
    for factory in &builder.stores {
        app = app.store_factory(Arc::clone(factory));
    }
    for broker in brokers {
        app = app.broker(Arc::new(BrokerAddress(Arc::clone(broker))));
    }
    if let Some(backend) = backends.first() {
        app = app.backend(Arc::new(BackendAddress(Arc::clone(backend))));
    } else if builder.rpc {
        app = app.rpc();
    }
    Ok(app.connect().await?)
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Where containers are made, and remembered in case something fails.
struct Yard<'a> {
    engine: &'a dyn api::Engine,
    boots: Boots,
    network: &'a Arc<dyn Network>,
    errors: KeptErrors,
    created: Mutex<Vec<Arc<dyn Container>>>,
}

impl Yard<'_> {
    async fn start(&self, spec: ContainerSpec) -> Result<Arc<dyn Container>> {
        let container = self.engine.create(spec.network(Arc::clone(self.network))).await?;
        lock(&self.created).push(Arc::clone(&container));
        container.start().await?;
        announce(container.as_ref());
        Ok(container)
    }

    /// The container of a node that was started here.
    fn container(&self, name: &str) -> Result<Arc<dyn Container>> {
        let created = lock(&self.created);
        let found = created.iter().find(|container| container.spec().name == name);
        found.cloned().ok_or_else(|| Error::Setup(format!("there is no container `{name}` to share")))
    }

    async fn until_ready(&self, container: &dyn Container, started: Instant) -> Result<()> {
        // Side by side: the container has one time to become ready, not one for each of them.
        join(self.boots.watch(container, started), until_ready(container)).await.1?;
        Ok(())
    }

    /// A broker or a backend: it needs nobody else.
    async fn service<N: ?Sized>(
        &self,
        spec: ContainerSpec,
        make: impl FnOnce(Arc<dyn Container>) -> Arc<N>,
    ) -> Result<Arc<N>> {
        let container = self.start(spec).await?;
        self.until_ready(container.as_ref(), Instant::now()).await?;
        Ok(make(container))
    }

    /// A worker: started early where it can hold still, and told to go when brokers and backends are ready. It lets go of the receiver when it
    /// needs nobody any more.
    async fn worker<N: ?Sized>(
        &self,
        spec: ContainerSpec,
        make: impl FnOnce(Arc<dyn Container>) -> Arc<N>,
        mut services_ready: tokio::sync::watch::Receiver<bool>,
    ) -> Result<Arc<N>> {
        let go = spec.go.clone();
        // The sender outlives this future: both belong to one boot. The value it lends is given back at once; it keeps to its thread.
        let services_are_ready = async { drop(services_ready.wait_for(|ready| *ready).await) };
        let container = if let Some(go) = go {
            let container = self.start(spec).await?;
            tokio::select! {
                () = services_are_ready => container.upload(&go).await?,
                // It ended before it was told to go: the reason is in its log, and the wait below reports it.
                _ = container.wait_exit() => {}
            }
            drop(services_ready);
            container
        } else {
            services_are_ready.await;
            drop(services_ready);
            self.start(spec).await?
        };
        // Its boot counts from here on. What it imported before it was told to go hides none of what is done meanwhile.
        self.until_ready(container.as_ref(), Instant::now()).await?;
        Ok(make(container))
    }
}
