//! The recipe for a Memcached result backend.

use testcelery_api::{
    BackendComponent, BackendPlan, Component, ConnectionUrl, ContainerSpec, Image, PlanContext, Program,
    Result, Software, Wait,
};

use crate::{MemcachedNode, PORT, probe::VersionProbe};

/// The image that runs unless another one is set.
pub const DEFAULT_IMAGE: &str = "memcached:1.6.39";

/// The local image that stands in for [`DEFAULT_IMAGE`] on machines that reach no registry.
pub const SUBSTITUTE_IMAGE: &str = "testcelery/memcached:debian-trixie";

/// The user counts only where it is started as root, which it refuses to be unless it is told so.
const COMMAND: [&str; 7] = ["memcached", "-l", "0.0.0.0", "-p", "11211", "-u", "root"];

/// What the node and the recipe report as their kind.
pub(crate) const KIND: &str = "memcached";

/// A Memcached result backend: 64 MB of memory, values of up to 1 MB, no authentication, all of which are Memcached's own defaults.
///
/// Every local user can read and write results in it: ports are reached by a loopback address of the machine. Take Redis where that
/// matters; it has a password.
///
/// It counts as ready when it answers `version`; it logs nothing.
///
/// ```
/// use testcelery_api::{BackendComponent, PlanContext};
/// use testcelery_memcached::Memcached;
///
/// let plan = Memcached::default().args(["-I", "8m"]).plan(&PlanContext::new("cache"))?;
/// let url = plan.planned_url().map(ToString::to_string);
/// assert_eq!(url.as_deref(), Some("cache+memcached://cache:11211/"));
/// # Ok::<(), testcelery_api::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Memcached {
    name: Option<String>,
    image: Image,
    args: Vec<String>,
}

impl Default for Memcached {
    fn default() -> Self {
        Self {
            name: None,
            image: Image::reference(DEFAULT_IMAGE)
                .substitute(SUBSTITUTE_IMAGE)
                .software(Software::program(Program::new(KIND).debian(KIND))),
            args: Vec::new(),
        }
    }
}

impl Memcached {
    /// Sets its name: the container's, and the host in the workers' URL. The setup chooses one by default.
    #[must_use]
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Sets the image; [`DEFAULT_IMAGE`] by default.
    #[must_use]
    pub fn image(mut self, image: Image) -> Self {
        self.image = image;
        self
    }

    /// Adds arguments for the server, as `-I 8m` for values of up to 8 MB.
    #[must_use]
    pub fn args<S: Into<String>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }
}

impl Component for Memcached {
    fn kind(&self) -> &str {
        KIND
    }

    fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }
}

impl BackendComponent for Memcached {
    fn plan(&self, context: &PlanContext) -> Result<BackendPlan> {
        let url = ConnectionUrl::new("cache+memcached", &context.name).port(PORT);
        let command = COMMAND.into_iter().chain(self.args.iter().map(String::as_str));
        let spec = ContainerSpec::new(&context.name, self.image.clone())
            .command(command)
            .port(PORT)
            .wait(Wait::probe(VersionProbe));
        let node_url = url.clone();
        Ok(BackendPlan::new(spec, move |container| MemcachedNode::new(container, node_url)).url(url))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_plan_is_what_the_recipe_says() {
        let recipe = Memcached::default()
            .named("cache")
            .image(Image::reference("my/memcached"))
            .args(["-m", "16"])
            .args(["-I", "8m"]);
        let plan = recipe.plan(&PlanContext::new("backend-2")).unwrap();
        assert_eq!((recipe.kind(), recipe.name()), ("memcached", Some("cache")));
        assert_eq!(plan.planned_url().unwrap().reveal(), "cache+memcached://backend-2:11211/");
        let spec = plan.spec().unwrap();
        assert_eq!(spec.image.name(), "my/memcached");
        assert_eq!(
            *spec.command.as_ref().unwrap(),
            ["memcached", "-l", "0.0.0.0", "-p", "11211", "-u", "root", "-m", "16", "-I", "8m"]
        );
    }
}
