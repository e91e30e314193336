//! From recipes to plans: names, the app's configuration, containers. Pure, so that a mistake ends here with nothing started.

use testcelery_api::{
    self as api, BackendPlan, BrokerPlan, Component, ContainerSpec, PlanContext, PlannedNode, Secret,
    WorkerContext, WorkerPlan,
};
use testcelery_client::{DEFAULT_RESULT_TIMEOUT, Queues};

use crate::{AppConfig, Error, Result, SetupBuilder, StartPlan, names::Names, queues::queues};

/// The value of Celery's `result_backend` for results through the broker.
const RPC: &str = "rpc://";

/// Everything that is going to be started, and the configuration of the app.
pub(crate) struct Plans {
    pub(crate) config: AppConfig,
    /// The declarations of the app's task queues.
    pub(crate) queues: Queues,
    pub(crate) brokers: Vec<BrokerPlan>,
    pub(crate) backends: Vec<BackendPlan>,
    pub(crate) workers: Vec<WorkerPlan>,
}

impl Plans {
    /// What of it is a container.
    pub(crate) fn specs(&self) -> Vec<&ContainerSpec> {
        let specs = self.brokers.iter().map(|plan| &plan.spec);
        let specs = specs.chain(self.backends.iter().filter_map(BackendPlan::spec));
        specs.chain(self.workers.iter().map(|plan| &plan.spec)).collect()
    }
}

pub(crate) fn plan(builder: &SetupBuilder) -> Result<Plans> {
    if builder.brokers.is_empty() {
        return Err(Error::Setup("it has no broker: add one, as `.broker(RabbitMq::default())`".to_owned()));
    }
    if builder.rpc && !builder.backends.is_empty() {
        return Err(Error::Setup(
            "results go through the broker (`.rpc()`) or to a backend, not both".to_owned(),
        ));
    }
    let mut names = Names::default();
    let broker_names = names.assign("broker", builder.brokers.iter().map(|it| &**it as &dyn Component))?;
    let backend_names = names.assign("backend", builder.backends.iter().map(|it| &**it as &dyn Component))?;
    let worker_names = names.assign("worker", builder.workers.iter().map(|it| &**it as &dyn Component))?;

    let mut nodes = Vec::new();
    let mut brokers = Vec::new();
    for (it, name) in builder.brokers.iter().zip(&broker_names) {
        let plan = it.plan(&context(name, &nodes))?;
        nodes.push(PlannedNode::new(name, it.kind(), plan.planned_url().cloned()));
        brokers.push(plan);
    }
    let mut hosts = broker_names.clone();
    let mut backends = Vec::new();
    for (it, name) in builder.backends.iter().zip(&backend_names) {
        let plan = it.plan(&context(name, &nodes))?;
        nodes.push(PlannedNode::new(name, it.kind(), plan.planned_url().cloned()));
        match plan.host() {
            Some(host) => check_host(name, host, &hosts)?,
            None => hosts.push(name.clone()),
        }
        backends.push(plan);
    }

    let config = configure(builder, &brokers, &backends)?;
    let queues = queues(&config.settings)?;
    let mut told = WorkerContext::new("", &config.name).with(config.settings.clone());
    told.broker_urls = brokers.iter().filter_map(BrokerPlan::planned_url).cloned().collect();
    told.backend_urls = backend_names.iter().zip(&backends).filter_map(named_url).collect();
    told.backend_url = match backends.first().and_then(BackendPlan::planned_url) {
        Some(url) => Some(Secret::new(url.reveal())),
        None => builder.rpc.then(|| Secret::new(RPC)),
    };
    let workers = builder.workers.iter().zip(&worker_names);
    let workers = workers.map(|(it, name)| {
        told.name.clone_from(name);
        it.plan(&told)
    });
    let mut workers = workers.collect::<Result<Vec<_>, _>>()?;

    let specs = broker_names.into_iter().zip(brokers.iter_mut().map(|plan| &mut plan.spec));
    let own = backend_names.into_iter().zip(&mut backends);
    let specs = specs.chain(own.filter_map(|(name, plan)| Some((name, plan.spec_mut()?))));
    let specs = specs.chain(worker_names.into_iter().zip(workers.iter_mut().map(|plan| &mut plan.spec)));
    builder.hooks.before_start(&mut StartPlan::new(specs))?;
    Ok(Plans { config, queues, brokers, backends, workers })
}

fn context(name: &str, nodes: &[PlannedNode]) -> PlanContext {
    nodes.iter().cloned().fold(PlanContext::new(name), PlanContext::with_node)
}

/// A container can be shared with a node that has one of its own and that starts with it at the latest.
fn check_host(name: &str, host: &str, hosts: &[String]) -> Result<(), api::Error> {
    if hosts.iter().any(|known| known == host) {
        return Ok(());
    }
    let known = hosts.join(", ");
    let problem =
        format!("it is to be inside `{host}`, which has no container of its own before it; there is {known}");
    Err(api::Error::component(name, problem))
}

/// The app's configuration, as the builder and its hooks want it.
fn configure(builder: &SetupBuilder, brokers: &[BrokerPlan], backends: &[BackendPlan]) -> Result<AppConfig> {
    let mut config = AppConfig {
        name: builder.app_name.clone(),
        settings: builder.settings.clone(),
        result_timeout: builder.result_timeout.unwrap_or(DEFAULT_RESULT_TIMEOUT),
        broker_urls: brokers.iter().filter_map(BrokerPlan::planned_url).map(ToString::to_string).collect(),
        backend_url: match backends.first().and_then(BackendPlan::planned_url) {
            Some(url) => Some(url.to_string()),
            None => builder.rpc.then(|| RPC.to_owned()),
        },
    };
    builder.hooks.update_app_config(&mut config)?;
    // Whether it is a name is nobody else's to find out.
    config.default_queue()?;
    Ok(config)
}

fn named_url((name, plan): (&String, &BackendPlan)) -> Option<(String, Secret)> {
    Some((name.clone(), Secret::new(plan.planned_url()?.reveal())))
}
