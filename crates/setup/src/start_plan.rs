//! What is going to be started, for hooks that change it.

use testcelery_api::ContainerSpec;

use crate::{Error, Result};

/// The containers that a setup is going to start, by the names of their nodes: what
/// [`SetupBuilder::before_start`](crate::SetupBuilder::before_start) may change.
///
/// ```
/// use testcelery::{api::Mount, prelude::*};
///
/// let builder = Setup::builder().broker(Redis::default()).before_start(|plan| {
///     plan.update("worker", |spec| spec.env("TOKEN", "s3cret").mount(Mount::bind("/home/me/project", "/src")))?;
///     plan.get_mut("broker")?.init = true;
///     Ok(())
/// });
/// ```
#[derive(Debug)]
pub struct StartPlan<'a> {
    nodes: Vec<(String, &'a mut ContainerSpec)>,
}

impl<'a> StartPlan<'a> {
    pub(crate) fn new(nodes: impl IntoIterator<Item = (String, &'a mut ContainerSpec)>) -> Self {
        Self { nodes: nodes.into_iter().collect() }
    }

    /// The names of the nodes that have a container of their own: brokers, backends and workers, in the order of the builder.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.nodes.iter().map(|(name, _)| name.as_str())
    }

    /// What is planned for a node.
    ///
    /// # Errors
    /// When there is no node of that name.
    pub fn get(&self, node: &str) -> Result<&ContainerSpec> {
        let found = self.nodes.iter().find(|(name, _)| name == node);
        found.map(|(_, spec)| &**spec).ok_or_else(|| self.unknown(node))
    }

    /// What is planned for a node, to be changed in place. Its name is the one thing that has to stay: others know the node by it.
    ///
    /// # Errors
    /// When there is no node of that name.
    pub fn get_mut(&mut self, node: &str) -> Result<&mut ContainerSpec> {
        match self.nodes.iter().position(|(name, _)| name == node) {
            Some(place) => Ok(&mut *self.nodes[place].1),
            None => Err(self.unknown(node)),
        }
    }

    /// Puts another plan in the place of a node's, as `|spec| spec.env("TOKEN", "s3cret")`.
    ///
    /// # Errors
    /// When there is no node of that name.
    pub fn update(&mut self, node: &str, change: impl FnOnce(ContainerSpec) -> ContainerSpec) -> Result<()> {
        let spec = self.get_mut(node)?;
        *spec = change(spec.clone());
        Ok(())
    }

    /// Refuses what would take a node away from who knows it by its name.
    pub(crate) fn check(&self) -> Result<()> {
        match self.nodes.iter().find(|(name, spec)| spec.name != *name) {
            Some((name, spec)) => {
                let text =
                    format!("the container of `{name}` was renamed to `{}` before the start", spec.name);
                Err(Error::Setup(format!("{text}; name a component with `.named(..)`")))
            }
            None => Ok(()),
        }
    }

    fn unknown(&self, node: &str) -> Error {
        let known: Vec<&str> = self.names().collect();
        Error::Setup(format!(
            "there is no node `{node}` with a container to change; known are {}",
            known.join(", ")
        ))
    }
}

#[cfg(test)]
mod tests {
    use testcelery_api::Image;

    use super::*;

    fn specs() -> [ContainerSpec; 2] {
        ["broker", "worker"].map(|name| ContainerSpec::new(name, Image::reference("fake")))
    }

    #[test]
    fn a_node_is_changed_by_its_name() {
        let mut specs = specs();
        let mut plan = StartPlan::new(specs.iter_mut().map(|spec| (spec.name.clone(), spec)));
        assert_eq!(plan.names().collect::<Vec<_>>(), ["broker", "worker"]);
        plan.update("worker", |spec| spec.env("A", "b")).unwrap();
        plan.get_mut("broker").unwrap().init = true;
        assert!(plan.get("broker").unwrap().init && plan.check().is_ok());
        let error = plan.get_mut("backend").unwrap_err().to_string();
        assert!(error.contains("no node `backend`") && error.contains("known are broker, worker"), "{error}");
        plan.update("worker", |mut spec| {
            spec.name = "other".to_owned();
            spec
        })
        .unwrap();
        let error = plan.check().unwrap_err().to_string();
        assert!(error.contains("`worker` was renamed to `other`"), "{error}");
        assert_eq!(specs[1].env, [("A".to_owned(), "b".to_owned())]);
    }
}
