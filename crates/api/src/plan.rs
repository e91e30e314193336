//! What a component is going to be.

use std::{fmt, sync::Arc};

use crate::{Backend, Broker, ConnectionUrl, Container, ContainerSpec, Worker};

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
    /// What a worker is going to be.
    WorkerPlan,
    Worker
);

/// What a result backend is going to be.
pub struct BackendPlan {
    place: Place,
    make: MakeNode<dyn Backend>,
    url: Option<ConnectionUrl>,
}

/// Where a node runs.
#[derive(Debug, Clone)]
pub enum Place {
    /// In a container of its own.
    Own(Box<ContainerSpec>),
    /// In the container of the node of this name: a broker, or a backend before this one.
    Inside(String),
}

impl BackendPlan {
    /// A plan: the container, and how to see it as a node once it exists.
    pub fn new<N: Backend>(
        spec: ContainerSpec,
        node: impl FnOnce(Arc<dyn Container>) -> N + Send + 'static,
    ) -> Self {
        Self::at(Place::Own(Box::new(spec)), node)
    }

    /// A plan without a container: a server that runs for another node does for this one too, as a Redis that is broker and result backend.
    /// The host is a node of [`PlanContext::nodes`](crate::PlanContext::nodes) that has a container of its own, and `node` sees that one as
    /// this backend. It has to say its own name ([`ServiceNode::named`](crate::ServiceNode::named)), because the container's is the host's.
    pub fn inside<N: Backend>(
        host: impl Into<String>,
        node: impl FnOnce(Arc<dyn Container>) -> N + Send + 'static,
    ) -> Self {
        Self::at(Place::Inside(host.into()), node)
    }

    fn at<N: Backend>(place: Place, node: impl FnOnce(Arc<dyn Container>) -> N + Send + 'static) -> Self {
        Self { place, make: Box::new(|container| Arc::new(node(container))), url: None }
    }

    /// The container to create; `None` where it is another node's.
    pub fn spec(&self) -> Option<&ContainerSpec> {
        match &self.place {
            Place::Own(spec) => Some(spec),
            Place::Inside(_) => None,
        }
    }

    /// The container to create, to be changed.
    pub fn spec_mut(&mut self) -> Option<&mut ContainerSpec> {
        match &mut self.place {
            Place::Own(spec) => Some(spec),
            Place::Inside(_) => None,
        }
    }

    /// The name of the node whose container it shares.
    pub fn host(&self) -> Option<&str> {
        match &self.place {
            Place::Own(_) => None,
            Place::Inside(host) => Some(host),
        }
    }

    /// The node for the container that came of the spec, or that is the host's.
    pub fn into_node(self, container: Arc<dyn Container>) -> Arc<dyn Backend> {
        (self.make)(container)
    }

    /// Takes the plan apart: where it runs, and what makes the node of the container there.
    pub fn into_parts(self) -> (Place, impl FnOnce(Arc<dyn Container>) -> Arc<dyn Backend> + Send) {
        (self.place, self.make)
    }
}

impl fmt::Debug for BackendPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BackendPlan")
            .field("place", &self.place)
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}

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
