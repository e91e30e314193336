//! Where the daemon is, decided as the docker CLI decides it, from an environment that is passed in.
//!
//! 1. `TESTCELERY_DOCKER_HOST`
//! 2. `DOCKER_HOST`
//! 3. `DOCKER_CONTEXT`, else `currentContext` of `config.json` in `$DOCKER_CONFIG` or `~/.docker`
//! 4. `/var/run/docker.sock`, the sockets of rootless Docker and Docker Desktop, the sockets of Podman
//!
//! The order of 2 and 3 is that of `resolveContextName` in docker/cli. What is set explicitly (1 to 3) is the only candidate: a
//! daemon that was asked for and does not answer is an error, not a reason to use another one. `DOCKER_TLS` and `DOCKER_TLS_VERIFY` alone
//! ask for `tcp://localhost:2376`, as in docker/cli (`getServerHost`).

use std::{
    collections::HashMap,
    fmt, fs, io,
    path::{Path, PathBuf},
};

use serde_json::Value;
use sha2::{Digest, Sha256};

/// The variable that overrides every other rule, for tests only: the docker CLI does not know it.
pub const OVERRIDE_VARIABLE: &str = "TESTCELERY_DOCKER_HOST";

/// The variable that names the host where published ports are reached, where that is not the host of the daemon's address: behind a
/// forwarded socket, for example.
pub const PORTS_HOST_VARIABLE: &str = "TESTCELERY_DOCKER_PORTS_HOST";

/// Variables that ask for TLS: the docker CLI and Docker's libraries take one or another of them as the wish.
const TLS_VARIABLES: [&str; 3] = ["DOCKER_TLS_VERIFY", "DOCKER_TLS", "DOCKER_CERT_PATH"];

const VARIABLES: [&str; 10] = [
    OVERRIDE_VARIABLE,
    PORTS_HOST_VARIABLE,
    "DOCKER_HOST",
    "DOCKER_CONTEXT",
    "DOCKER_CONFIG",
    "DOCKER_TLS_VERIFY",
    "DOCKER_TLS",
    "DOCKER_CERT_PATH",
    "XDG_RUNTIME_DIR",
    "HOME",
];

/// The variables that say where the daemon is.
#[derive(Debug, Clone, Default)]
pub(crate) struct Environment {
    variables: HashMap<String, String>,
}

impl Environment {
    pub(crate) fn of_process() -> Self {
        // What is no UTF-8 is set all the same, and names no daemon that there is.
        let known = |name: &&str| {
            std::env::var_os(name).map(|value| ((*name).to_owned(), value.to_string_lossy().into_owned()))
        };
        Self { variables: VARIABLES.iter().filter_map(known).collect() }
    }

    /// The docker CLI takes an empty variable for one that is not set.
    fn get(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// The host that [`PORTS_HOST_VARIABLE`] names.
    pub(crate) fn ports_host(&self) -> Result<Option<String>, Candidate> {
        let Some(text) = self.get(PORTS_HOST_VARIABLE) else {
            return Ok(None);
        };
        let host = text.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(text);
        let is_address = host.parse::<std::net::Ipv6Addr>().is_ok();
        if !is_address && host.contains(|c: char| c.is_whitespace() || "/:@[]".contains(c)) {
            let reason = "it is no host name or address alone; expected for example `docker.example.org` or `10.0.0.7`";
            return Err(Candidate::failed(PORTS_HOST_VARIABLE, text, reason));
        }
        Ok(Some(host.to_owned()))
    }

    fn tls_variable(&self) -> Option<&'static str> {
        TLS_VARIABLES.into_iter().find(|name| self.get(name).is_some())
    }

    fn config_dir(&self) -> Option<PathBuf> {
        self.get("DOCKER_CONFIG")
            .map(PathBuf::from)
            .or_else(|| Some(Path::new(self.get("HOME")?).join(".docker")))
    }
}

/// Where a daemon listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Address {
    Unix(PathBuf),
    Tcp { host: String, port: u16 },
}

impl Address {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let (scheme, rest) = text
            .split_once("://")
            .ok_or_else(|| "not an address; expected `unix:///path` or `tcp://host:port`".to_owned())?;
        match scheme {
            "unix" if rest.starts_with('/') => Ok(Self::Unix(PathBuf::from(rest))),
            "unix" => {
                Err("the path of a socket must be absolute, as in `unix:///var/run/docker.sock`".into())
            }
            "tcp" | "http" => Self::parse_tcp(rest),
            "https" => {
                Err("TLS is not supported by this build; offer the daemon on a socket or by tcp://".into())
            }
            "ssh" => {
                let host = rest.split('/').next().unwrap_or_default();
                let name = host.rsplit_once('@').map_or(host, |(_, name)| name);
                Err(format!(
                    "ssh:// is not supported by this build; forward the socket (`ssh -nNT -L /tmp/docker.sock:/var/run/docker.sock {host}`), \
                     set {OVERRIDE_VARIABLE}=unix:///tmp/docker.sock, and {PORTS_HOST_VARIABLE}={name} for the ports of containers"
                ))
            }
            other => Err(format!(
                "`{other}://` is not supported by this build; known are unix://, tcp:// and http://"
            )),
        }
    }

    fn parse_tcp(rest: &str) -> Result<Self, String> {
        let authority = rest.split('/').next().unwrap_or_default();
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !host.ends_with(':') && !port.contains(']') => {
                let port = port.parse().map_err(|_| format!("`{port}` is not a port number"))?;
                (host, port)
            }
            // The daemon's port without TLS, as in the docker CLI.
            _ => (authority, 2375),
        };
        let host = host.trim_start_matches('[').trim_end_matches(']');
        if host.is_empty() {
            return Err("there is no host in it; expected `tcp://host:port`".into());
        }
        Ok(Self::Tcp { host: host.to_owned(), port })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
            Self::Tcp { host, port } if host.contains(':') => write!(f, "tcp://[{host}]:{port}"),
            Self::Tcp { host, port } => write!(f, "tcp://{host}:{port}"),
        }
    }
}

/// A daemon to try: the rule that named it, its address as it was written, and the address as understood or why it was not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Candidate {
    pub(crate) rule: String,
    pub(crate) text: String,
    pub(crate) address: Result<Address, String>,
}

impl Candidate {
    fn written(rule: impl Into<String>, text: &str) -> Self {
        Self { rule: rule.into(), text: text.to_owned(), address: Address::parse(text) }
    }

    fn socket(rule: &str, path: PathBuf) -> Self {
        let address = Address::Unix(path);
        Self { rule: rule.to_owned(), text: address.to_string(), address: Ok(address) }
    }

    fn failed(rule: impl Into<String>, text: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { rule: rule.into(), text: text.into(), address: Err(reason.into()) }
    }

    fn without_tls(mut self, environment: &Environment) -> Self {
        if let (Ok(Address::Tcp { .. }), Some(variable)) = (&self.address, environment.tls_variable()) {
            self.address = Err(format!(
                "{variable} is set, and TLS is not supported by this build; unset it if the daemon listens without TLS"
            ));
        }
        self
    }
}

/// The daemons to try, in order. One only, where one was asked for.
pub(crate) fn candidates(environment: &Environment) -> Vec<Candidate> {
    for rule in [OVERRIDE_VARIABLE, "DOCKER_HOST"] {
        if let Some(text) = environment.get(rule) {
            return vec![Candidate::written(rule, text).without_tls(environment)];
        }
    }
    if let Some((rule, name)) = context(environment) {
        return vec![context_candidate(environment, &rule, &name)];
    }
    match ["DOCKER_TLS_VERIFY", "DOCKER_TLS"].into_iter().find(|name| environment.get(name).is_some()) {
        Some(rule) => vec![Candidate::written(rule, "tcp://localhost:2376").without_tls(environment)],
        None => default_sockets(environment),
    }
}

/// The setting that asks for a certain daemon, where there is one. A named context asks for Docker also where it is the context `default`, and so
/// does a host of published ports.
pub(crate) fn asked_for(environment: &Environment) -> Option<String> {
    match candidates(environment).as_slice() {
        [only] => Some(only.rule.clone()),
        _ => {
            let set = |name: &&str| environment.get(name).is_some();
            ["DOCKER_CONTEXT", PORTS_HOST_VARIABLE].into_iter().find(set).map(str::to_owned)
        }
    }
}

/// The name of the context in use with the rule that named it; the context `default` means the default sockets.
fn context(environment: &Environment) -> Option<(String, String)> {
    let (rule, name) = match environment.get("DOCKER_CONTEXT") {
        Some(name) => ("DOCKER_CONTEXT".to_owned(), name.to_owned()),
        None => {
            let file = environment.config_dir()?.join("config.json");
            // Without a readable configuration file the docker CLI goes on with its defaults.
            let config: Value = serde_json::from_str(&fs::read_to_string(&file).ok()?).ok()?;
            let name = config.get("currentContext")?.as_str()?.to_owned();
            (format!("currentContext in {}", file.display()), name)
        }
    };
    (!name.is_empty() && name != "default").then_some((rule, name))
}

/// Contexts are kept in folders that are named by the SHA-256 of the context's name (docker/cli, `cli/context/store`).
fn context_candidate(environment: &Environment, rule: &str, name: &str) -> Candidate {
    let rule = format!("context `{name}`, by {rule}");
    let Some(config) = environment.config_dir() else {
        return Candidate::failed(
            rule,
            name,
            "there is no folder with contexts: neither DOCKER_CONFIG nor HOME is set",
        );
    };
    let folder: String = Sha256::digest(name.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
    let meta = config.join("contexts/meta").join(&folder).join("meta.json");
    match context_host(&meta) {
        Ok(host) => {
            let mut candidate = Candidate::written(rule, &host);
            let tls = config.join("contexts/tls").join(&folder).join("docker");
            if matches!(candidate.address, Ok(Address::Tcp { .. })) && tls.is_dir() {
                candidate.address =
                    Err("the context has TLS keys, and TLS is not supported by this build".into());
            }
            candidate
        }
        Err(reason) => Candidate::failed(rule, meta.display().to_string(), reason),
    }
}

fn context_host(meta: &Path) -> Result<String, String> {
    let text = fs::read_to_string(meta).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => "there is no such context; `docker context ls` lists them".to_owned(),
        _ => format!("cannot be read: {error}"),
    })?;
    let value: Value = serde_json::from_str(&text).map_err(|error| format!("is not JSON: {error}"))?;
    value
        .pointer("/Endpoints/docker/Host")
        .and_then(Value::as_str)
        .map(str::to_owned)
        .ok_or_else(|| "has no `Endpoints.docker.Host`".to_owned())
}

fn default_sockets(environment: &Environment) -> Vec<Candidate> {
    let home = |path: &str| Some(Path::new(environment.get("HOME")?).join(path));
    let runtime = |path: &str| Some(Path::new(environment.get("XDG_RUNTIME_DIR")?).join(path));
    let sockets = [
        ("default socket", Some(PathBuf::from("/var/run/docker.sock"))),
        ("rootless Docker", runtime("docker.sock")),
        ("Docker Desktop", home(".docker/run/docker.sock")),
        ("Docker Desktop for Linux", home(".docker/desktop/docker.sock")),
        ("rootless Podman", runtime("podman/podman.sock")),
        ("Podman", Some(PathBuf::from("/run/podman/podman.sock"))),
    ];
    sockets.into_iter().filter_map(|(rule, path)| Some(Candidate::socket(rule, path?))).collect()
}

#[cfg(test)]
impl Environment {
    pub(crate) fn of<'a>(variables: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        Self { variables: variables.into_iter().map(owned).collect() }
    }
}

#[cfg(test)]
#[path = "resolve_tests.rs"]
mod tests;
