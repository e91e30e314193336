//! From recipes to plans: names, the app's configuration, containers. Pure, so that a mistake ends here with nothing started.

use testcelery_api::{
    BackendPlan, BrokerPlan, Component, ContainerSpec, PlanContext, Secret, WorkerContext, WorkerPlan,
};
use testcelery_client::DEFAULT_RESULT_TIMEOUT;

use crate::{AppConfig, Error, Result, SetupBuilder, StartPlan, names::Names};

/// The value of Celery's `result_backend` for results through the broker.
const RPC: &str = "rpc://";

/// Everything that is going to be started, and the configuration of the app.
pub(crate) struct Plans {
    pub(crate) config: AppConfig,
    pub(crate) brokers: Vec<BrokerPlan>,
    pub(crate) backends: Vec<BackendPlan>,
    pub(crate) workers: Vec<WorkerPlan>,
}

impl Plans {
    /// What of it is a container.
    pub(crate) fn specs(&self) -> Vec<&ContainerSpec> {
        let specs = self.brokers.iter().map(|plan| &plan.spec);
        let specs = specs.chain(self.backends.iter().map(|plan| &plan.spec));
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

    let brokers = builder.brokers.iter().zip(&broker_names);
    let mut brokers =
        brokers.map(|(it, name)| it.plan(&PlanContext::new(name))).collect::<Result<Vec<_>, _>>()?;
    let backends = builder.backends.iter().zip(&backend_names);
    let mut backends =
        backends.map(|(it, name)| it.plan(&PlanContext::new(name))).collect::<Result<Vec<_>, _>>()?;

    let config = configure(builder, &brokers, &backends)?;
    let mut context = WorkerContext::new("", &config.name).with(config.settings.clone());
    context.broker_urls = brokers.iter().filter_map(BrokerPlan::planned_url).cloned().collect();
    context.backend_urls = backend_names.iter().zip(&backends).filter_map(named_url).collect();
    context.backend_url = match backends.first().and_then(BackendPlan::planned_url) {
        Some(url) => Some(Secret::new(url.reveal())),
        None => builder.rpc.then(|| Secret::new(RPC)),
    };
    let workers = builder.workers.iter().zip(&worker_names);
    let workers = workers.map(|(it, name)| {
        context.name.clone_from(name);
        it.plan(&context)
    });
    let mut workers = workers.collect::<Result<Vec<_>, _>>()?;

    let specs = brokers.iter_mut().map(|plan| &mut plan.spec);
    let specs = specs.chain(backends.iter_mut().map(|plan| &mut plan.spec));
    let specs = specs.chain(workers.iter_mut().map(|plan| &mut plan.spec));
    let names = broker_names.into_iter().chain(backend_names).chain(worker_names);
    builder.hooks.before_start(&mut StartPlan::new(names.zip(specs)))?;
    Ok(Plans { config, brokers, backends, workers })
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
