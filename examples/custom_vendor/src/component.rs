//! The recipe for a Valkey server.

use testcelery_api::{
    BackendComponent, BackendPlan, BrokerComponent, BrokerPlan, Component, ConnectionUrl, ContainerSpec,
    Image, PlanContext, Result, Secret, ServiceNode, Wait,
};

use crate::{config, image::image, ping};

/// The port inside the container.
pub const PORT: u16 = 6379;

/// What the recipe and its node call themselves.
const KIND: &str = "valkey";

/// A Valkey server, as broker or as result backend.
///
/// Defaults: [`image()`], database 0, a random password, and nothing written to disk.
///
/// ```
/// use custom_vendor::Valkey;
/// use testcelery_api::{BrokerComponent, PlanContext};
///
/// let plan = BrokerComponent::plan(&Valkey::default().db(3), &PlanContext::new("broker"))?;
/// assert_eq!(plan.planned_url().unwrap().to_string(), "redis://:**@broker:6379/3");
/// # Ok::<(), testcelery_api::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Valkey {
    name: Option<String>,
    image: Image,
    password: Secret,
    db: u8,
}

impl Default for Valkey {
    fn default() -> Self {
        Self { name: None, image: image(), password: Secret::random(), db: 0 }
    }
}

impl Valkey {
    /// Sets its name in the setup, which chooses one by default.
    #[must_use]
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Runs another image: any with a `valkey-server` that takes a configuration file as its argument.
    #[must_use]
    pub fn image(mut self, image: Image) -> Self {
        self.image = image;
        self
    }

    /// Sets the password.
    #[must_use]
    pub fn password(mut self, password: Secret) -> Self {
        self.password = password;
        self
    }

    /// Uses another database. The server has all that can be named.
    #[must_use]
    pub fn db(mut self, db: u8) -> Self {
        self.db = db;
        self
    }

    /// The URL for workers. Kombu knows no scheme of Valkey's own: it is a Redis to it.
    fn url(&self, host: &str) -> ConnectionUrl {
        let url = ConnectionUrl::new("redis", host).port(PORT);
        url.credentials("", self.password.clone()).path(self.db.to_string())
    }

    fn spec(&self, name: &str) -> ContainerSpec {
        let [settings, password] = config::files(&self.password);
        let (secret, db) = (self.password.clone(), self.db);
        ContainerSpec::new(name, self.image.clone())
            .command(["valkey-server", config::PATH])
            .port(PORT)
            .files(settings)
            .files(password)
            .wait(Wait::log("Ready to accept connections"))
            .wait(Wait::answer(PORT, "the answer to a PING", move |endpoint| {
                ping::ask(endpoint, &secret, db)
            }))
    }
}

impl Component for Valkey {
    fn kind(&self) -> &str {
        KIND
    }

    fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }
}

impl BrokerComponent for Valkey {
    fn plan(&self, context: &PlanContext) -> Result<BrokerPlan> {
        let url = self.url(&context.name);
        let node_url = url.clone();
        let node = move |container| ServiceNode::new(KIND, container, node_url, PORT);
        Ok(BrokerPlan::new(self.spec(&context.name), node).url(url))
    }
}

impl BackendComponent for Valkey {
    fn plan(&self, context: &PlanContext) -> Result<BackendPlan> {
        let url = self.url(&context.name);
        let node_url = url.clone();
        let node = move |container| ServiceNode::new(KIND, container, node_url, PORT);
        Ok(BackendPlan::new(self.spec(&context.name), node).url(url))
    }
}
