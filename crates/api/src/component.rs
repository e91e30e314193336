//! Recipes for the parts of a stack, before they run.

use std::fmt;

use crate::{BackendPlan, BrokerPlan, PlanContext, Result, WorkerContext, WorkerPlan};

/// What every recipe has.
pub trait Component: Send + Sync + fmt::Debug {
    /// What kind it is, as `rabbitmq`; the node reports the same.
    fn kind(&self) -> &str;

    /// The name that was asked for; `None` lets the setup choose `broker`, `backend-2`, `worker-1` and so on.
    fn name(&self) -> Option<&str> {
        None
    }
}

/// A recipe for a message broker.
///
/// ```
/// use testcelery_api::{
///     BrokerComponent, BrokerPlan, Component, ConnectionUrl, ContainerSpec, Image, PlanContext, Result, ServiceNode, Wait,
/// };
///
/// #[derive(Debug)]
/// struct Valkey;
///
/// impl Component for Valkey {
///     fn kind(&self) -> &str {
///         "valkey"
///     }
/// }
///
/// impl BrokerComponent for Valkey {
///     fn plan(&self, context: &PlanContext) -> Result<BrokerPlan> {
///         let url = ConnectionUrl::new("redis", &context.name).port(6379).path("0");
///         let spec = ContainerSpec::new(&context.name, Image::reference("valkey/valkey:8.1"))
///             .port(6379)
///             .wait(Wait::log("Ready to accept connections"));
///         let node_url = url.clone();
///         Ok(BrokerPlan::new(spec, move |container| ServiceNode::new("valkey", container, node_url, 6379)).url(url))
///     }
/// }
/// ```
pub trait BrokerComponent: Component {
    /// Decides everything about the container, without any I/O.
    ///
    /// # Errors
    /// When the recipe cannot work; nothing has been started then.
    fn plan(&self, context: &PlanContext) -> Result<BrokerPlan>;
}

/// A recipe for a result backend.
pub trait BackendComponent: Component {
    /// Decides everything about the container, without any I/O.
    ///
    /// # Errors
    /// When the recipe cannot work; nothing has been started then.
    fn plan(&self, context: &PlanContext) -> Result<BackendPlan>;
}

/// A recipe for a worker.
pub trait WorkerComponent: Component {
    /// Decides everything about the container. Reads the sources that go into it; starts nothing.
    ///
    /// # Errors
    /// When the recipe cannot work; nothing has been started then.
    fn plan(&self, context: &WorkerContext) -> Result<WorkerPlan>;
}

/// A box is what is in it, so that components of several types fit into one list.
impl<T: Component + ?Sized> Component for Box<T> {
    fn kind(&self) -> &str {
        (**self).kind()
    }

    fn name(&self) -> Option<&str> {
        (**self).name()
    }
}

impl<T: BrokerComponent + ?Sized> BrokerComponent for Box<T> {
    fn plan(&self, context: &PlanContext) -> Result<BrokerPlan> {
        (**self).plan(context)
    }
}

impl<T: BackendComponent + ?Sized> BackendComponent for Box<T> {
    fn plan(&self, context: &PlanContext) -> Result<BackendPlan> {
        (**self).plan(context)
    }
}

impl<T: WorkerComponent + ?Sized> WorkerComponent for Box<T> {
    fn plan(&self, context: &WorkerContext) -> Result<WorkerPlan> {
        (**self).plan(context)
    }
}
