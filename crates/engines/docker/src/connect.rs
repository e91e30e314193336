//! The engine, and how it finds its daemon.

use std::{
    collections::HashMap,
    fmt,
    path::Path,
    sync::{Arc, Mutex, Weak},
    time::Duration,
};

use bollard::{API_DEFAULT_VERSION, Docker as Client};
use testcelery_api::{Error, Result};

use crate::{
    background::Background,
    container::Shared,
    error::{ENGINE, chain, failed},
    images::Resolved,
    reach::Reach,
    resolve::{Address, Candidate, Environment, OVERRIDE_VARIABLE, candidates},
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
    /// used or is an error; it is never skipped.
    ///
    /// # Errors
    /// [`Error::NoEngine`] with every address that was tried, and why each of them failed.
    pub async fn connect() -> Result<Self> {
        Self::connect_in(&Environment::of_process()).await
    }

    /// The daemon that answers.
    pub fn daemon(&self) -> &Daemon {
        &self.inner.daemon
    }

    pub(crate) async fn connect_in(environment: &Environment) -> Result<Self> {
        let mut tried = Vec::new();
        for candidate in candidates(environment) {
            match greet(&candidate).await {
                Ok((client, address, daemon)) => return Self::with(client, &address, daemon).await,
                Err(reason) => tried.push((candidate.rule, candidate.text, reason)),
            }
        }
        let hint = hint(&tried);
        Err(Error::NoEngine { engine: ENGINE, tried, hint })
    }

    async fn with(client: Client, address: &Address, daemon: Daemon) -> Result<Self> {
        let no_thread = failed("start a thread for", &daemon.address);
        let own = open(address, &client.client_version()).map_err(failed("connect to", &daemon.address))?;
        let background = Background::start(own).map_err(no_thread)?;
        let reach = Reach::find(&client, address).await;
        Ok(Self {
            inner: Arc::new(Inner {
                client,
                daemon,
                reach,
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

async fn greet(candidate: &Candidate) -> Result<(Client, Address, Daemon), String> {
    let address = candidate.address.clone()?;
    if let Address::Unix(path) = &address {
        reason_without_socket(path)?;
    }
    let client = open(&address, API_DEFAULT_VERSION).map_err(|error| chain(&error))?;
    let hello = async {
        let client = client.negotiate_version().await?;
        let version = client.version().await?;
        Ok::<_, bollard::errors::Error>((client, version))
    };
    let (client, version) = tokio::time::timeout(HELLO, hello)
        .await
        .map_err(|_| format!("no answer within {HELLO:?}"))?
        .map_err(|error| chain(&error))?;
    let api = client.client_version();
    if (api.major_version, api.minor_version) < OLDEST_API {
        return Err(format!("it speaks API {api}, and 1.41 (Docker Engine 20.10) is needed"));
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

fn reason_without_socket(path: &Path) -> Result<(), String> {
    match std::fs::metadata(path) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Err("there is no such socket".into()),
        Err(error) => Err(error.to_string()),
    }
}

fn hint(tried: &[(String, String, String)]) -> String {
    let any = |part: &str| tried.iter().any(|(_, _, reason)| reason.contains(part));
    let explicit = tried.len() == 1;
    if any("ermission denied") {
        "you may not use the socket: add yourself to the group that owns it (`docker`, as a rule) and log in again".into()
    } else if explicit {
        let rule = &tried[0].0;
        format!(
            "{rule} asks for this daemon and no other: start it, or change that setting (`docker info` uses it too, unless it is \
             {OVERRIDE_VARIABLE})"
        )
    } else {
        format!("start Docker or Podman, or say where the daemon is with DOCKER_HOST or {OVERRIDE_VARIABLE}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn refused(variables: &[(&str, &str)]) -> String {
        Docker::connect_in(&Environment::of(variables.iter().copied())).await.unwrap_err().to_string()
    }

    #[tokio::test]
    async fn an_explicit_daemon_that_is_absent_is_an_error() {
        assert_eq!(
            refused(&[("DOCKER_HOST", "unix:///nowhere/docker.sock")]).await,
            "no docker daemon could be reached:\n  \
             unix:///nowhere/docker.sock (DOCKER_HOST): there is no such socket\n  \
             DOCKER_HOST asks for this daemon and no other: start it, or change that setting (`docker info` uses it too, \
             unless it is TESTCELERY_DOCKER_HOST)"
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
        assert!(text.contains("refused"), "{text}");
    }

    #[tokio::test]
    async fn what_cannot_be_spoken_is_said_so() {
        let text = refused(&[("DOCKER_HOST", "ssh://me@host")]).await;
        assert!(text.contains("ssh:// is not supported by this build"), "{text}");
    }

    #[test]
    fn hints() {
        let tried = |reason: &str| ("r".to_owned(), "a".to_owned(), reason.to_owned());
        assert!(hint(&[tried("x"), tried("Permission denied (os error 13)")]).contains("group"));
        assert!(hint(&[tried("x"), tried("y")]).contains("start Docker or Podman"));
    }
}
