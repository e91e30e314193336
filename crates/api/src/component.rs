//! Recipes for the parts of a stack, before they run.

use std::{any::Any, fmt, sync::Arc};

use crate::{
    Backend, Broker, ConnectionUrl, Container, ContainerSpec, Result, Secret, Worker, extensions::Extensions,
};

/// What every recipe has.
pub trait Component: Send + Sync + fmt::Debug {
    /// What kind it is, as `rabbitmq`; the node reports the same.
    fn kind(&self) -> &str;

    /// The name that was asked for; `None` lets the setup choose `broker`, `backend-2`, `worker-1` and so on.
    fn name(&self) -> Option<&str> {
        None
    }
}

/// What a component learns when it plans.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PlanContext {
    /// Its name in the setup, unique there: to be the name of its container and the host of its in-network URL.
    pub name: String,
}

impl PlanContext {
    /// A context for a node of that name.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into() }
    }
}

/// What a worker learns when it plans.
///
/// ```
/// use testcelery_api::WorkerContext;
///
/// #[derive(Debug, PartialEq)]
/// struct Region(&'static str);
///
/// let context = WorkerContext::new("worker-1", "shop").with(Region("eu"));
/// assert_eq!(context.get::<Region>(), Some(&Region("eu")));
/// assert_eq!(context.get::<String>(), None);
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct WorkerContext {
    /// Its name in the setup, unique there.
    pub name: String,
    /// The name of the Celery app.
    pub app_name: String,
    /// The brokers' in-network URLs; more than one is a failover list.
    pub broker_urls: Vec<ConnectionUrl>,
    /// The result backend's in-network URL as Celery spells it, password included; `None` disables results.
    pub backend_url: Option<Secret>,
    /// Every result backend of the setup: its name, and its in-network URL as Celery spells it. The first is the one of
    /// [`backend_url`](Self::backend_url); a worker may take another.
    pub backend_urls: Vec<(String, Secret)>,
    extensions: Extensions,
}

impl WorkerContext {
    /// A context for a worker of that name, with no broker and no backend.
    pub fn new(name: impl Into<String>, app_name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            app_name: app_name.into(),
            broker_urls: Vec::new(),
            backend_url: None,
            backend_urls: Vec::new(),
            extensions: Extensions::default(),
        }
    }

    /// Adds a value of any type, in the place of an earlier one of the same type: what a setup tells workers that know the type, as the
    /// settings of the app.
    #[must_use]
    pub fn with<T: Any + Send + Sync>(mut self, value: T) -> Self {
        self.extensions.insert(value);
        self
    }

    /// The value of a type; `None` where nobody said anything.
    pub fn get<T: Any>(&self) -> Option<&T> {
        self.extensions.get()
    }

    /// The value for Celery's `broker_url`: all URLs, joined by `;`, with their passwords.
    pub fn broker_url(&self) -> Option<String> {
        let urls: Vec<String> = self.broker_urls.iter().map(ConnectionUrl::reveal).collect();
        (!urls.is_empty()).then(|| urls.join(";"))
    }
}

type MakeNode<N> = Box<dyn FnOnce(Arc<dyn Container>) -> Arc<N> + Send>;

macro_rules! plan {
    ($(#[$doc:meta])* $name:ident, $node:ident) => {
        $(#[$doc])*
        pub struct $name {
            /// The container to create.
            pub spec: ContainerSpec,
            make: MakeNode<dyn $node>,
            url: Option<ConnectionUrl>,
        }

        impl $name {
            /// A plan: the container, and how to see it as a node once it exists.
            pub fn new<N: $node>(spec: ContainerSpec, node: impl FnOnce(Arc<dyn Container>) -> N + Send + 'static) -> Self {
                Self { spec, make: Box::new(|container| Arc::new(node(container))), url: None }
            }

            /// The node for the container that came of the spec.
            pub fn into_node(self, container: Arc<dyn Container>) -> Arc<dyn $node> {
                (self.make)(container)
            }

            /// Takes the plan apart: the container to create, and what makes the node of it.
            pub fn into_parts(self) -> (ContainerSpec, impl FnOnce(Arc<dyn Container>) -> Arc<dyn $node> + Send) {
                (self.spec, self.make)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($name)).field("spec", &self.spec).field("url", &self.url).finish_non_exhaustive()
            }
        }
    };
}

plan!(
    /// What a broker is going to be.
    BrokerPlan,
    Broker
);
plan!(
    /// What a result backend is going to be.
    BackendPlan,
    Backend
);
plan!(
    /// What a worker is going to be.
    WorkerPlan,
    Worker
);

macro_rules! planned_url {
    ($name:ident) => {
        impl $name {
            /// Sets the in-network URL that workers get; without one they get none.
            #[must_use]
            pub fn url(mut self, url: ConnectionUrl) -> Self {
                self.url = Some(url);
                self
            }

            /// The in-network URL that workers get.
            pub fn planned_url(&self) -> Option<&ConnectionUrl> {
                self.url.as_ref()
            }
        }
    };
}

planned_url!(BrokerPlan);
planned_url!(BackendPlan);

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_value_of_each_type() {
        let context = WorkerContext::new("worker", "app").with(1_u8).with("text").with(2_u8);
        assert_eq!((context.get::<u8>(), context.get::<&str>()), (Some(&2), Some(&"text")));
        assert_eq!(context.clone().with(3_u8).get::<u8>(), Some(&3));
        assert_eq!(context.get::<u8>(), Some(&2));
    }

    #[test]
    fn only_the_types_are_shown() {
        let mut context = WorkerContext::new("worker", "app").with("hunter2".to_owned());
        context.backend_urls.push(("store".to_owned(), Secret::new("redis://:hunter2@store/0")));
        let shown = format!("{context:?}");
        assert!(shown.contains("String") && shown.contains("store") && !shown.contains("hunter2"), "{shown}");
    }
}
