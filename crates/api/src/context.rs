//! What a component learns when it plans.

use std::any::Any;

use crate::{ConnectionUrl, Error, Result, Secret, extensions::Extensions};

/// What a component learns when it plans.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PlanContext {
    /// Its name in the setup, unique there: to be the name of its container and the host of its in-network URL.
    pub name: String,
    /// The nodes that are planned already: brokers first, and backends after all brokers.
    pub nodes: Vec<PlannedNode>,
}

impl PlanContext {
    /// A context for a node of that name, the first of its setup.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), nodes: Vec::new() }
    }

    /// Adds a node that is planned already.
    #[must_use]
    pub fn with_node(mut self, node: PlannedNode) -> Self {
        self.nodes.push(node);
        self
    }

    /// A node that is planned already, for a component that wants to be [inside](crate::BackendPlan::inside) its container.
    ///
    /// # Errors
    /// When there is none of that name so far.
    pub fn node(&self, name: &str) -> Result<&PlannedNode> {
        self.nodes.iter().find(|node| node.name == name).ok_or_else(|| {
            let known: Vec<String> = self.nodes.iter().map(|node| format!("`{}`", node.name)).collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            Error::component(&self.name, format!("there is no node `{name}` before it; there is {known}"))
        })
    }
}

/// A node that is planned and does not run yet.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PlannedNode {
    /// Its name in the setup.
    pub name: String,
    /// What kind it is, as `redis`.
    pub kind: String,
    /// Its in-network URL; `None` where workers get none.
    pub url: Option<ConnectionUrl>,
}

impl PlannedNode {
    /// A node of a name and a kind.
    pub fn new(name: impl Into<String>, kind: impl Into<String>, url: Option<ConnectionUrl>) -> Self {
        Self { name: name.into(), kind: kind.into(), url }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_node_is_named_with_the_known_ones() {
        let context = PlanContext::new("backend");
        let error = context.node("store").unwrap_err().to_string();
        assert_eq!(error, "component `backend`: there is no node `store` before it; there is none");
        let context = context.with_node(PlannedNode::new("broker", "redis", None));
        assert!(context.node("store").unwrap_err().to_string().ends_with("there is `broker`"));
        assert_eq!(context.node("broker").unwrap().kind, "redis");
    }

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
