//! Where the daemon is, decided as the docker CLI decides it, from an environment that is passed in.
//!
//! 1. `TESTCELERY_DOCKER_HOST`
//! 2. `DOCKER_HOST`
//! 3. `DOCKER_CONTEXT`, else `currentContext` of `config.json` in `$DOCKER_CONFIG` or `~/.docker`
//! 4. `/var/run/docker.sock`, the sockets of rootless Docker and Docker Desktop, the sockets of Podman
//!
//! The order of 2 and 3 is that of `resolveContextName` in docker/cli. What is set explicitly (1 to 3) is the only candidate: a
//! daemon that was asked for and does not answer is an error, not a reason to use another one.

use std::{
    collections::HashMap,
    fmt, fs, io,
    path::{Path, PathBuf},
};

use serde_json::Value;
use sha2::{Digest, Sha256};

/// The variable that overrides every other rule, for tests only: the docker CLI does not know it.
pub const OVERRIDE_VARIABLE: &str = "TESTCELERY_DOCKER_HOST";

const VARIABLES: [&str; 7] = [
    OVERRIDE_VARIABLE,
    "DOCKER_HOST",
    "DOCKER_CONTEXT",
    "DOCKER_CONFIG",
    "DOCKER_TLS_VERIFY",
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
        let known = |name: &&str| std::env::var(name).ok().map(|value| ((*name).to_owned(), value));
        Self { variables: VARIABLES.iter().filter_map(known).collect() }
    }

    /// The docker CLI takes an empty variable for one that is not set.
    fn get(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str).filter(|value| !value.is_empty())
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
    fn parse(text: &str) -> Result<Self, String> {
        let (scheme, rest) = text
            .split_once("://")
            .ok_or_else(|| "not an address; expected `unix:///path` or `tcp://host:port`".to_owned())?;
        match scheme {
            "unix" if rest.starts_with('/') => Ok(Self::Unix(PathBuf::from(rest))),
            "unix" => Err("the path of a socket must be absolute, as in `unix:///var/run/docker.sock`".into()),
            "tcp" | "http" => Self::parse_tcp(rest),
            "https" => Err("TLS is not supported by this build; offer the daemon on a socket or by tcp://".into()),
            "ssh" => Err(
                "ssh:// is not supported by this build; forward the socket with `ssh -L` and name the local end with unix://"
                    .into(),
            ),
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
        if matches!(self.address, Ok(Address::Tcp { .. })) && environment.get("DOCKER_TLS_VERIFY").is_some() {
            self.address = Err("DOCKER_TLS_VERIFY is set, and TLS is not supported by this build".into());
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
    match context(environment) {
        Some((rule, name)) => vec![context_candidate(environment, &rule, &name)],
        None => default_sockets(environment),
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
