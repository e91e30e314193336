//! The recipe for a RabbitMQ broker.

use testcelery_api::{
    BrokerComponent, BrokerPlan, Component, ConnectionUrl, ContainerSpec, Error, Image, PlanContext, Result,
    Secret, Wait,
};

use crate::{
    PORT, RabbitMqNode, config,
    management::{self, ApiProbe},
    probe::AmqpProbe,
    software::software,
};

/// The image that runs unless another one is set.
pub const DEFAULT_IMAGE: &str = "rabbitmq:4.2.1";

/// The local image that stands in for [`DEFAULT_IMAGE`] on machines that reach no registry.
pub const SUBSTITUTE_IMAGE: &str = "testcelery/rabbitmq:debian-trixie";

/// What the node and the recipe report as their kind.
pub(crate) const KIND: &str = "rabbitmq";

/// A RabbitMQ broker: one user with a random password, one virtual host, both there before the first client is.
///
/// It counts as ready when its log says `Server startup complete` and an AMQP connection with these credentials opens. The broker's own
/// command line tools are never run: while the server boots they can crash it (rabbitmq-server issue 11949).
/// With [`management`](Self::management) its HTTP API has to answer too.
///
/// ```
/// use testcelery_api::{BrokerComponent, PlanContext, Secret};
/// use testcelery_rabbitmq::RabbitMq;
///
/// let broker = RabbitMq::default()
///     .vhost("orders")
///     .credentials("shop", Secret::new("s3cret"))
///     .conf("consumer_timeout = 60000");
/// let plan = broker.plan(&PlanContext::new("broker"))?;
/// let url = plan.planned_url().map(ToString::to_string);
/// assert_eq!(url.as_deref(), Some("amqp://shop:**@broker:5672/orders"));
/// # Ok::<(), testcelery_api::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct RabbitMq {
    name: Option<String>,
    image: Image,
    vhost: String,
    user: String,
    password: Secret,
    management: bool,
    conf: Vec<String>,
}

impl Default for RabbitMq {
    fn default() -> Self {
        Self {
            name: None,
            image: Image::reference(DEFAULT_IMAGE).substitute(SUBSTITUTE_IMAGE).software(software()),
            vhost: "/".to_owned(),
            user: "testcelery".to_owned(),
            password: Secret::random(),
            management: false,
            conf: Vec::new(),
        }
    }
}

impl RabbitMq {
    /// Sets its name: the container's, and the host in the workers' URL. The setup chooses one by default.
    #[must_use]
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Sets the image; [`DEFAULT_IMAGE`] by default. Any image that reads `/etc/rabbitmq/conf.d` will do (RabbitMQ 3.8 and newer).
    #[must_use]
    pub fn image(mut self, image: Image) -> Self {
        self.image = image;
        self
    }

    /// Sets the virtual host, which is created; `/` by default. The text is the plain one: URLs encode it.
    #[must_use]
    pub fn vhost(mut self, vhost: impl Into<String>) -> Self {
        self.vhost = vhost.into();
        self
    }

    /// Sets the user and its password; `testcelery` with a random password by default.
    #[must_use]
    pub fn credentials(mut self, user: impl Into<String>, password: Secret) -> Self {
        self.user = user.into();
        self.password = password;
        self
    }

    /// Enables the management plugin: an HTTP API and a web page on a port of their own, which answer when the broker is ready
    /// ([`RabbitMqNode::management_url`]). Off by default: the broker takes longer to boot with it.
    #[must_use]
    pub fn management(mut self) -> Self {
        self.management = true;
        self
    }

    /// Adds a line to the broker's configuration file, as `consumer_timeout = 60000`. Later lines win over earlier ones and over those
    /// that this crate writes.
    #[must_use]
    pub fn conf(mut self, line: impl Into<String>) -> Self {
        self.conf.push(line.into());
        self
    }

    fn check(&self, name: &str) -> Result<()> {
        if self.vhost.is_empty() || self.vhost.len() > 255 {
            let problem = "the virtual host must have 1 to 255 bytes; set another one with `.vhost(..)`";
            return Err(Error::component(name, problem));
        }
        let password = self.password.reveal();
        if self.user.is_empty() || password.is_empty() || self.user.contains('\0') || password.contains('\0')
        {
            let problem =
                "neither user nor password may be empty or hold a NUL; set others with `.credentials(..)`";
            return Err(Error::component(name, problem));
        }
        let malformed = self.conf.iter().find(|line| {
            let trimmed = line.trim();
            line.contains('\n') || !(trimmed.starts_with('#') || trimmed.contains('='))
        });
        match malformed {
            Some(line) => Err(Error::component(
                name,
                format!("{line:?} is not one line of the form `key = value`; see `.conf(..)`"),
            )),
            None => Ok(()),
        }
    }
}

impl Component for RabbitMq {
    fn kind(&self) -> &str {
        KIND
    }

    fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }
}

impl BrokerComponent for RabbitMq {
    fn plan(&self, context: &PlanContext) -> Result<BrokerPlan> {
        self.check(&context.name)?;
        let url = ConnectionUrl::new("amqp", &context.name)
            .port(PORT)
            .credentials(&self.user, self.password.clone())
            .path(&self.vhost);
        let managed = if self.management { management::SETTINGS } else { &[] };
        let lines: Vec<&str> = managed.iter().copied().chain(self.conf.iter().map(String::as_str)).collect();
        let [settings, names] = config::files(&self.vhost, &self.user, &self.password, &lines);
        let mut spec = ContainerSpec::new(&context.name, self.image.clone())
            .port(PORT)
            .files(settings)
            .files(names)
            .wait(Wait::log("Server startup complete"))
            .wait(Wait::probe(AmqpProbe::new(url.clone())));
        if self.management {
            spec = spec
                .port(management::PORT)
                .files(management::enabled_plugins())
                .wait(Wait::probe(ApiProbe::new(url.clone())));
        }
        let node_url = url.clone();
        Ok(BrokerPlan::new(spec, move |container| RabbitMqNode::new(container, node_url)).url(url))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(broker: &RabbitMq) -> String {
        broker.plan(&PlanContext::new("mq")).unwrap_err().to_string()
    }

    #[test]
    fn the_url_is_encoded_and_the_password_hidden() {
        let broker = RabbitMq::default().vhost("a/b c%").credentials("jo@e", Secret::new("p/w:#"));
        let plan = broker.plan(&PlanContext::new("mq")).unwrap();
        let url = plan.planned_url().unwrap();
        assert_eq!(url.reveal(), "amqp://jo%40e:p%2Fw%3A%23@mq:5672/a%2Fb%20c%25");
        assert_eq!(url.to_string(), "amqp://jo%40e:**@mq:5672/a%2Fb%20c%25");
    }

    #[test]
    fn the_default_virtual_host_is_the_root() {
        let plan = RabbitMq::default().plan(&PlanContext::new("mq")).unwrap();
        assert!(plan.planned_url().unwrap().reveal().ends_with("@mq:5672/%2F"));
        assert_eq!(plan.spec.name, "mq");
        assert_eq!(plan.spec.image.name(), DEFAULT_IMAGE);
    }

    #[test]
    fn management_is_a_plugin_a_port_and_a_condition() {
        let spec = |broker: RabbitMq| broker.plan(&PlanContext::new("mq")).unwrap().spec;
        let ports = |spec: &ContainerSpec| spec.ports.iter().map(|port| port.container).collect::<Vec<_>>();
        let [plain, managed] = [spec(RabbitMq::default()), spec(RabbitMq::default().management())];
        assert_eq!((ports(&plain), plain.files.len(), plain.waits.len()), (vec![5672], 2, 2));
        assert_eq!((ports(&managed), managed.files.len(), managed.waits.len()), (vec![5672, 15672], 3, 3));
        let conf = managed.files[0].iter().find(|(path, _)| path.ends_with(".conf")).unwrap().1;
        assert!(String::from_utf8_lossy(&conf.content).contains("\nmanagement.tcp.ip = 0.0.0.0\n"));
    }

    #[test]
    fn two_brokers_have_two_passwords() {
        assert_ne!(RabbitMq::default().password, RabbitMq::default().password);
    }

    #[test]
    fn no_secret_in_debug() {
        let broker = RabbitMq::default().credentials("u", Secret::new("hunter2"));
        assert!(!format!("{broker:?}").contains("hunter2"));
    }

    #[test]
    fn what_cannot_work_is_refused_before_anything_starts() {
        assert!(problem(&RabbitMq::default().vhost("")).contains("`mq`: the virtual host"));
        assert!(problem(&RabbitMq::default().vhost("v".repeat(256))).contains("255 bytes"));
        assert!(problem(&RabbitMq::default().credentials("", Secret::new("x"))).contains("neither user"));
        assert!(problem(&RabbitMq::default().credentials("u", Secret::new(""))).contains("nor password"));
        assert!(problem(&RabbitMq::default().conf("heartbeat 5")).contains("\"heartbeat 5\""));
        assert!(problem(&RabbitMq::default().conf("a = 1\nb = 2")).contains("one line"));
    }
}
