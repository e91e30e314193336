//! The engine, and how it finds its daemon.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, Weak},
    time::Duration,
};

use bollard::{API_DEFAULT_VERSION, Docker as Client};
use testcelery_api::{Error, Result};

use crate::{
    background::Background,
    container::Shared,
    error::{ENGINE, failed},
    images::Resolved,
    labels::Labels,
    reach::Reach,
    refusal::{Cause, Refusal, hint},
    resolve::{self, Address, Candidate, Environment, candidates},
    upload::Folders,
    users::Users,
};

/// How long a daemon may take to say its version.
const HELLO: Duration = Duration::from_secs(10);
/// How long a daemon may take to begin an answer, in seconds.
const ANSWER: u64 = 120;
/// What Docker Engine 20.10 speaks.
const OLDEST_API: (usize, usize) = (1, 41);

/// The Docker engine: a connection to one daemon.
///
/// Cloning is cheap and gives the same connection. When the last clone and the last container, network and so on made with it are
/// dropped, the drop waits (30 s at most) until all that was dropped before is removed.
///
/// ```no_run
/// use testcelery_api::{ContainerSpec, Engine, Image};
/// use testcelery_docker::Docker;
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> testcelery_api::Result<()> {
/// let docker = Docker::connect().await?;
/// println!("{} by {}", docker.daemon().address, docker.daemon().rule);
///
/// let redis = docker.create(ContainerSpec::new("redis", Image::reference("redis:8")).port(6379)).await?;
/// redis.start().await?;
/// redis.logs().wait_for("Ready to accept connections").await?;
/// println!("redis listens on {}", redis.endpoint(6379)?.host_address());
/// redis.remove().await
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Docker {
    pub(crate) inner: Arc<Inner>,
}

/// The daemon that answers, and the rule by which it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Daemon {
    /// The rule that named it: `DOCKER_HOST`, `default socket` and so on.
    pub rule: String,
    /// Its address, as `unix:///var/run/docker.sock`.
    pub address: String,
    /// The version of the API that is spoken with it, as `1.41`.
    pub api_version: String,
    /// The daemon's version, as `20.10.24`.
    pub server_version: String,
    /// Its first component, as `Engine` or `Podman Engine`.
    pub server: String,
    /// Its operating system, as `linux`.
    pub os: String,
    /// Its architecture, as `amd64`.
    pub arch: String,
}

pub(crate) struct Inner {
    pub(crate) client: Client,
    pub(crate) daemon: Daemon,
    pub(crate) reach: Reach,
    pub(crate) labels: Arc<Labels>,
    pub(crate) resolved: Resolved,
    pub(crate) folders: Folders,
    pub(crate) users: Users,
    /// The containers that live, by id: networks tell them when their ports change.
    pub(crate) containers: Mutex<HashMap<String, Weak<Shared>>>,
    pub(crate) background: Background,
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inner").field("daemon", &self.daemon).finish_non_exhaustive()
    }
}

impl Docker {
    /// Connects to the daemon that the docker CLI would use.
    ///
    /// `TESTCELERY_DOCKER_HOST` comes first, then `DOCKER_HOST`, then the context of `DOCKER_CONTEXT` or of Docker's
    /// configuration, then the default sockets of Docker, rootless Docker, Docker Desktop and Podman. What is set explicitly is
    /// used or is an error; it is never skipped. Published ports are reached on this machine, or at the host of a `tcp://` address;
    /// `TESTCELERY_DOCKER_PORTS_HOST` names another host.
    ///
    /// # Errors
    /// [`Error::NoEngine`] with every address that was tried, and why each of them failed.
    pub async fn connect() -> Result<Self> {
        Self::connect_in(&Environment::of_process()).await
    }

    /// Connects to the daemon at an address, for example `unix:///var/run/docker.sock` or `tcp://10.0.0.7:2375`. The environment does not
    /// matter.
    ///
    /// # Errors
    /// [`Error::NoEngine`] when no daemon answers there.
    pub async fn at(address: &str) -> Result<Self> {
        let candidate = Candidate {
            rule: "the address that was asked for".to_owned(),
            text: address.to_owned(),
            address: Address::parse(address),
        };
        Self::first_of(vec![candidate], true, None).await
    }

    /// The daemon that answers.
    pub fn daemon(&self) -> &Daemon {
        &self.inner.daemon
    }

    /// The setting that asks for a certain daemon, for example `DOCKER_HOST`; `None` where nothing is set and
    /// [`connect`](Self::connect) tries the default sockets.
    pub fn asked_for() -> Option<String> {
        resolve::asked_for(&Environment::of_process())
    }

    pub(crate) async fn connect_in(environment: &Environment) -> Result<Self> {
        let ports_host = environment.ports_host().map_err(|candidate| {
            let reason = candidate.address.clone().err().unwrap_or_default();
            no_engine(true, &[(candidate, Refusal::new(Cause::Setting, reason))])
        })?;
        let is_explicit = resolve::asked_for(environment).is_some();
        Self::first_of(candidates(environment), is_explicit, ports_host).await
    }

    async fn first_of(
        candidates: Vec<Candidate>,
        is_explicit: bool,
        ports_host: Option<String>,
    ) -> Result<Self> {
        let mut tried = Vec::new();
        for candidate in candidates {
            match greet(&candidate).await {
                Ok((client, address, daemon)) => {
                    return Self::with(client, &address, daemon, ports_host).await;
                }
                Err(refusal) => tried.push((candidate, refusal)),
            }
        }
        Err(no_engine(is_explicit, &tried))
    }

    async fn with(
        client: Client,
        address: &Address,
        daemon: Daemon,
        ports_host: Option<String>,
    ) -> Result<Self> {
        let no_thread = failed("start a thread for", &daemon.address);
        let own = open(address, &client.client_version()).map_err(failed("connect to", &daemon.address))?;
        let (reach, container) = Reach::find(&client, address).await;
        let reach = ports_host.map_or(reach, Reach::at);
        let labels = Arc::new(Labels::new(container));
        let background = Background::start(own, Arc::clone(&labels)).map_err(no_thread)?;
        Ok(Self {
            inner: Arc::new(Inner {
                client,
                daemon,
                reach,
                labels,
                resolved: Resolved::default(),
                folders: Folders::default(),
                users: Users::default(),
                containers: Mutex::default(),
                background,
            }),
        })
    }
}

/// Connections are not kept between calls (bollard sets hyper's pool to 0), so that a clone may be used from another runtime.
fn open(address: &Address, version: &bollard::ClientVersion) -> Result<Client, bollard::errors::Error> {
    match address {
        Address::Unix(path) => Client::connect_with_unix(&path.to_string_lossy(), ANSWER, version),
        Address::Tcp { .. } => Client::connect_with_http(&address.to_string(), ANSWER, version),
    }
}

fn no_engine(asked_for: bool, tried: &[(Candidate, Refusal)]) -> Error {
    let refusals: Vec<_> = tried
        .iter()
        .map(|(candidate, refusal)| (candidate.rule.as_str(), candidate.text.as_str(), refusal.clone()))
        .collect();
    let hint = hint(asked_for, &refusals);
    let row =
        |(rule, text, refusal): (&str, &str, Refusal)| (rule.to_owned(), text.to_owned(), refusal.reason);
    Error::NoEngine { engine: ENGINE, tried: refusals.into_iter().map(row).collect(), hint }
}

async fn greet(candidate: &Candidate) -> Result<(Client, Address, Daemon), Refusal> {
    let address = candidate.address.clone().map_err(|reason| Refusal::new(Cause::Setting, reason))?;
    if let Address::Unix(path) = &address
        && let Some(refusal) = Refusal::of_socket(path)
    {
        return Err(refusal);
    }
    let client =
        open(&address, API_DEFAULT_VERSION).map_err(|error| Refusal::of_request(&address, &error))?;
    let hello = async {
        let client = client.negotiate_version().await?;
        let version = client.version().await?;
        Ok::<_, bollard::errors::Error>((client, version))
    };
    let (client, version) = tokio::time::timeout(HELLO, hello)
        .await
        .map_err(|_| Refusal::new(Cause::Other, format!("no answer within {HELLO:?}")))?
        .map_err(|error| Refusal::of_request(&address, &error))?;
    let api = client.client_version();
    if (api.major_version, api.minor_version) < OLDEST_API {
        let reason = format!("it speaks API {api}, and 1.41 (Docker Engine 20.10) is needed");
        return Err(Refusal::new(Cause::Other, reason));
    }
    let component = version.components.unwrap_or_default().into_iter().next();
    let daemon = Daemon {
        rule: candidate.rule.clone(),
        address: address.to_string(),
        api_version: api.to_string(),
        server_version: version.version.unwrap_or_default(),
        server: component.map(|component| component.name).unwrap_or_default(),
        os: version.os.unwrap_or_default(),
        arch: version.arch.unwrap_or_default(),
    };
    Ok((client, address, daemon))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resolve::{OVERRIDE_VARIABLE, PORTS_HOST_VARIABLE};

    async fn refused(variables: &[(&str, &str)]) -> String {
        Docker::connect_in(&Environment::of(variables.iter().copied())).await.unwrap_err().to_string()
    }

    #[tokio::test]
    async fn an_explicit_daemon_that_is_absent_is_an_error() {
        assert_eq!(
            refused(&[("DOCKER_HOST", "unix:///nowhere/docker.sock")]).await,
            "no docker daemon could be reached:\n  \
             unix:///nowhere/docker.sock (DOCKER_HOST): there is no such socket\n  \
             start a daemon there, or change or unset that setting (DOCKER_HOST), which decides by itself"
        );
    }

    #[tokio::test]
    async fn a_port_where_nobody_listens() {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("tcp://{}", free.local_addr().unwrap());
        drop(free);
        let text = refused(&[(OVERRIDE_VARIABLE, &address)]).await;
        assert!(text.contains(&address) && text.contains("refused"), "{text}");
    }

    #[tokio::test]
    async fn a_socket_where_nobody_listens() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("docker.sock");
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        let address = format!("unix://{}", path.display());
        let text = refused(&[("DOCKER_HOST", &address)]).await;
        assert!(text.contains("refused") && text.contains("start a daemon there"), "{text}");
    }

    #[tokio::test]
    async fn what_cannot_be_spoken_is_said_so() {
        let text = refused(&[("DOCKER_HOST", "ssh://me@host")]).await;
        assert!(text.contains("ssh:// is not supported by this build"), "{text}");
        assert!(
            text.contains("change or unset that setting (DOCKER_HOST)") && !text.contains("start"),
            "{text}"
        );
    }

    /// A server that answers the first request with these bytes and closes the connection.
    async fn answered(answer: &'static [u8]) -> String {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("tcp://{}", listener.local_addr().unwrap());
        let serve = async {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let _ = stream.read(&mut [0; 1024]).await;
                let _ = stream.write_all(answer).await;
            }
        };
        tokio::select! {
            () = serve => unreachable!(),
            text = refused_at(&address) => text,
        }
    }

    async fn refused_at(address: &str) -> String {
        refused(&[("DOCKER_HOST", address)]).await
    }

    #[tokio::test]
    async fn a_daemon_that_expects_tls() {
        let go = b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n";
        for answer in [&go[..], b""] {
            let text = answered(answer).await;
            assert!(text.contains("TLS, "), "{text}");
            assert!(text.contains("offer the daemon by a socket or by tcp:// without TLS"), "{text}");
        }
    }

    #[tokio::test]
    async fn a_host_of_published_ports_that_is_none() {
        let text = refused(&[(PORTS_HOST_VARIABLE, "tcp://docker:2375")]).await;
        assert!(
            text.contains("tcp://docker:2375 (TESTCELERY_DOCKER_PORTS_HOST): it is no host name"),
            "{text}"
        );
        assert!(text.contains("change or unset that setting (TESTCELERY_DOCKER_PORTS_HOST)"), "{text}");
    }
}
