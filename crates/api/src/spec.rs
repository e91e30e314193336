//! What a container is to be.

use std::{fmt, sync::Arc, time::Duration};

use crate::{Capability, DEFAULT_READY_TIMEOUT, FileTree, Image, Mount, Network, Wait};

/// A port that a container offers to the test.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Port {
    /// The port inside the container.
    pub container: u16,
    /// The port on the host; `None` lets the engine choose a free one.
    pub host: Option<u16>,
}

/// What a container is to be: everything an engine needs to create it, and when it counts as ready.
///
/// ```
/// use testcelery_api::{ContainerSpec, Image, Wait};
///
/// let spec = ContainerSpec::new("broker", Image::reference("redis:8.2.3"))
///     .command(["redis-server", "--save", ""])
///     .port(6379)
///     .wait(Wait::log("Ready to accept connections"));
/// assert_eq!(spec.hostname, "broker");
/// ```
///
/// Commands, variables and files may hold passwords: `Debug` shows the names of variables and the paths of files, and of the
/// command its program.
#[derive(Clone)]
#[non_exhaustive]
pub struct ContainerSpec {
    /// Its name inside the setup: an alias in the network, its host name, the name of its log.
    pub name: String,
    /// What it is made from.
    pub image: Image,
    /// The command; `None` runs the image's own.
    pub command: Option<Vec<String>>,
    /// Environment variables, in order.
    pub env: Vec<(String, String)>,
    /// The host name that its processes see; the name by default.
    pub hostname: String,
    /// More names in the network.
    pub aliases: Vec<String>,
    /// The user to run as; `None` is the image's own.
    pub user: Option<String>,
    /// Ports offered to the test, on 127.0.0.1 only.
    pub ports: Vec<Port>,
    /// Offered ports that somebody at the keyboard has to know of, each with what listens there.
    pub announced: Vec<(u16, String)>,
    /// What it sees of the host or of memory.
    pub mounts: Vec<Mount>,
    /// Memory limit in bytes; `None` is no limit.
    pub memory_limit: Option<u64>,
    /// Whether a small init process reaps its zombies; false by default.
    pub init: bool,
    /// Files written before it starts. Each tree has an owner of its own.
    pub files: Vec<FileTree>,
    /// Files that tell it to go on. A container that has them is started early and holds still until they are written, which the
    /// setup does when everything that it needs is ready. `None` starts it and leaves it alone.
    pub go: Option<FileTree>,
    /// When it counts as ready: all of these, in order.
    pub waits: Vec<Wait>,
    /// How long it may take to become ready; [`DEFAULT_READY_TIMEOUT`] unless said otherwise.
    pub ready_timeout: Duration,
    /// The network it joins; set by the setup.
    pub network: Option<Arc<dyn Network>>,
}

impl ContainerSpec {
    /// A container of a name and an image, with nothing else said.
    pub fn new(name: impl Into<String>, image: Image) -> Self {
        let name = name.into();
        Self {
            hostname: name.clone(),
            name,
            image,
            command: None,
            env: Vec::new(),
            aliases: Vec::new(),
            user: None,
            ports: Vec::new(),
            announced: Vec::new(),
            mounts: Vec::new(),
            memory_limit: None,
            init: false,
            files: Vec::new(),
            go: None,
            waits: Vec::new(),
            ready_timeout: DEFAULT_READY_TIMEOUT,
            network: None,
        }
    }

    /// Sets the command.
    #[must_use]
    pub fn command<S: Into<String>>(mut self, command: impl IntoIterator<Item = S>) -> Self {
        self.command = Some(command.into_iter().map(Into::into).collect());
        self
    }

    /// Adds an environment variable; a later one of the same name wins.
    #[must_use]
    pub fn env(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        let key = key.into();
        self.env.retain(|(existing, _)| *existing != key);
        self.env.push((key, value.into()));
        self
    }

    /// Adds a name in the network.
    #[must_use]
    pub fn alias(mut self, alias: impl Into<String>) -> Self {
        self.aliases.push(alias.into());
        self
    }

    /// Runs as another user.
    #[must_use]
    pub fn user(mut self, user: impl Into<String>) -> Self {
        self.user = Some(user.into());
        self
    }

    /// Offers a port to the test, on a free port of 127.0.0.1.
    #[must_use]
    pub fn port(mut self, container: u16) -> Self {
        self.ports.push(Port { container, host: None });
        self
    }

    /// Offers a port to the test, on a given port of 127.0.0.1.
    #[must_use]
    pub fn port_on(mut self, container: u16, host: u16) -> Self {
        self.ports.push(Port { container, host: Some(host) });
        self
    }

    /// Says on standard error where a port is reached, and what listens there, as soon as the container runs and whether or not it is ready:
    /// `testcelery: worker-1: debugpy listens on 127.0.0.1:49153`. Offers the port, unless it is offered already.
    #[must_use]
    pub fn announce(mut self, container: u16, what: impl Into<String>) -> Self {
        self.announced.push((container, what.into()));
        let is_offered = self.ports.iter().any(|port| port.container == container);
        if is_offered { self } else { self.port(container) }
    }

    /// Adds a mount.
    #[must_use]
    pub fn mount(mut self, mount: Mount) -> Self {
        self.mounts.push(mount);
        self
    }

    /// Limits its memory, in bytes.
    #[must_use]
    pub fn memory_limit(mut self, bytes: u64) -> Self {
        self.memory_limit = Some(bytes);
        self
    }

    /// Runs a small init process that reaps zombies.
    #[must_use]
    pub fn init(mut self, init: bool) -> Self {
        self.init = init;
        self
    }

    /// Adds files that are written before it starts.
    #[must_use]
    pub fn files(mut self, files: FileTree) -> Self {
        self.files.push(files);
        self
    }

    /// Starts it early and lets it hold still until these files are written.
    #[must_use]
    pub fn go(mut self, files: FileTree) -> Self {
        self.go = Some(files);
        self
    }

    /// Adds a condition for being ready.
    #[must_use]
    pub fn wait(mut self, wait: Wait) -> Self {
        self.waits.push(wait);
        self
    }

    /// Sets how long it may take to become ready.
    #[must_use]
    pub fn ready_timeout(mut self, timeout: Duration) -> Self {
        self.ready_timeout = timeout;
        self
    }

    /// What it takes that not every engine can do.
    pub fn needs(&self) -> Vec<Capability> {
        let tmpfs = self.mounts.iter().any(|mount| matches!(mount, Mount::Tmpfs { .. }));
        let read_only = self.mounts.iter().any(|mount| matches!(mount, Mount::Bind { read_only: true, .. }));
        let rest = [
            (Capability::Users, self.user.is_some()),
            (Capability::MemoryLimit, self.memory_limit.is_some()),
            (Capability::Tmpfs, tmpfs),
            (Capability::ReadOnlyMounts, read_only),
            (Capability::HostPorts, self.ports.iter().any(|port| port.host.is_some())),
        ];
        self.image
            .needs()
            .into_iter()
            .chain(rest.into_iter().filter_map(|(need, is)| is.then_some(need)))
            .collect()
    }

    /// Joins a network.
    #[must_use]
    pub fn network(mut self, network: Arc<dyn Network>) -> Self {
        self.network = Some(network);
        self
    }
}

impl fmt::Debug for ContainerSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let variables: Vec<&str> = self.env.iter().map(|(key, _)| key.as_str()).collect();
        let paths =
            |tree: &FileTree| -> Vec<String> { tree.iter().map(|(path, _)| path.to_owned()).collect() };
        f.debug_struct("ContainerSpec")
            .field("name", &self.name)
            .field("image", &self.image.name())
            .field("program", &self.command.as_ref().and_then(|command| command.first()))
            .field("env", &variables)
            .field("hostname", &self.hostname)
            .field("aliases", &self.aliases)
            .field("user", &self.user)
            .field("ports", &self.ports)
            .field("announced", &self.announced)
            .field("mounts", &self.mounts)
            .field("memory_limit", &self.memory_limit)
            .field("init", &self.init)
            .field("files", &self.files.iter().flat_map(paths).collect::<Vec<_>>())
            .field("go", &self.go.as_ref().map(paths))
            .field("waits", &self.waits)
            .field("ready_timeout", &self.ready_timeout)
            .field("network", &self.network)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_announced_port_is_offered_once() {
        let spec = ContainerSpec::new("worker", Image::reference("x")).port_on(1, 2).announce(1, "one");
        let spec = spec.announce(5678, "debugpy");
        let ports: Vec<_> = spec.ports.iter().map(|port| (port.container, port.host)).collect();
        assert_eq!(ports, [(1, Some(2)), (5678, None)]);
        assert_eq!(spec.announced, [(1, "one".to_owned()), (5678, "debugpy".to_owned())]);
    }

    #[test]
    fn passwords_are_not_shown() {
        let mut files = FileTree::new();
        files.insert("/etc/users.conf", "hunter2");
        let spec = ContainerSpec::new("broker", Image::reference("redis:8"))
            .command(["redis-server", "--requirepass", "hunter2"])
            .env("PASSWORD", "hunter2")
            .files(files.clone())
            .go(files);
        let shown = format!("{spec:?}");
        assert!(!shown.contains("hunter2"), "{shown}");
        for part in ["redis-server", "PASSWORD", "/etc/users.conf", "redis:8"] {
            assert!(shown.contains(part), "{shown}");
        }
    }
}
