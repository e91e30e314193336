//! Why a daemon cannot be used, and what to do about it: the causes behind [`Error::NoEngine`](testcelery_api::Error::NoEngine).

use std::{error::Error, io, path::Path};

use crate::{
    error::chain,
    resolve::{Address, OVERRIDE_VARIABLE},
};

/// What kind of problem it is. Each needs another hint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cause {
    /// The setting asks for something that is not understood or not supported.
    Setting,
    /// There is no socket of that path.
    NoSocket,
    /// The socket may not be used.
    NoPermission,
    /// No process listens there.
    NotRunning,
    /// The daemon expects TLS.
    Tls,
    /// Anything else: no answer in time, a wrong answer, a host without an address.
    Other,
}

/// Why one daemon cannot be used.
#[derive(Debug, Clone)]
pub(crate) struct Refusal {
    pub(crate) cause: Cause,
    pub(crate) reason: String,
}

impl Refusal {
    pub(crate) fn new(cause: Cause, reason: impl Into<String>) -> Self {
        Self { cause, reason: reason.into() }
    }

    /// From an error of the first requests to a daemon.
    pub(crate) fn of_request(address: &Address, error: &(dyn Error + 'static)) -> Self {
        let reason = chain(error);
        let over_tcp = matches!(address, Address::Tcp { .. });
        // What Go's HTTP server answers to a client that does not begin with TLS; others close the connection.
        if over_tcp
            && (reason.contains("HTTPS server")
                || reason.contains("connection closed before message completed"))
        {
            return Self::new(
                Cause::Tls,
                format!("{reason}: it expects TLS, as it seems, which is not supported by this build"),
            );
        }
        match io_kind(error) {
            Some(io::ErrorKind::PermissionDenied) => Self::new(Cause::NoPermission, reason),
            Some(io::ErrorKind::ConnectionRefused) => Self::new(Cause::NotRunning, reason),
            Some(io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe) if over_tcp => Self::new(
                Cause::Tls,
                format!("{reason}: it may expect TLS, which is not supported by this build"),
            ),
            _ => Self::new(Cause::Other, reason),
        }
    }

    /// For a socket that is looked at before it is used.
    pub(crate) fn of_socket(path: &Path) -> Option<Self> {
        let error = std::fs::metadata(path).err()?;
        Some(match error.kind() {
            io::ErrorKind::NotFound => Self::new(Cause::NoSocket, "there is no such socket"),
            io::ErrorKind::PermissionDenied => Self::new(Cause::NoPermission, error.to_string()),
            _ => Self::new(Cause::Other, error.to_string()),
        })
    }
}

fn io_kind(error: &(dyn Error + 'static)) -> Option<io::ErrorKind> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(error) = error.downcast_ref::<io::Error>() {
            return Some(error.kind());
        }
        next = error.source();
    }
    None
}

/// What to do. Each refusal comes with the rule and the address of its daemon; there is only one where a setting asks for it.
pub(crate) fn hint(asked_for: bool, refusals: &[(&str, &str, Refusal)]) -> String {
    let find = |cause: Cause| refusals.iter().find(|(_, _, refusal)| refusal.cause == cause);
    if let Some((_, address, _)) = find(Cause::NoPermission) {
        let path = address.strip_prefix("unix://").unwrap_or(address);
        return format!(
            "you may not use that socket: add yourself to the group that owns it (`ls -l {path}` shows it, usually `docker`) and log in again"
        );
    }
    if let (true, [(rule, _, refusal)]) = (asked_for, refusals) {
        let otherwise = format!("or change or unset that setting ({rule}), which decides by itself");
        return match refusal.cause {
            Cause::NotRunning | Cause::NoSocket => format!("start a daemon there, {otherwise}"),
            Cause::Setting | Cause::NoPermission => {
                format!("change or unset that setting ({rule}), which decides by itself")
            }
            Cause::Tls => format!("offer the daemon by a socket or by tcp:// without TLS, {otherwise}"),
            Cause::Other => format!("check that the daemon answers there, {otherwise}"),
        };
    }
    if let Some((_, address, _)) = find(Cause::NotRunning) {
        return format!(
            "no daemon listens at {address}: start it, for example with `systemctl start docker`"
        );
    }
    match refusals.iter().find(|(_, _, refusal)| refusal.cause != Cause::NoSocket) {
        Some((_, address, _)) => {
            format!("a daemon is at {address} and does not answer as it should: restart it")
        }
        None => format!(
            "start Docker or Podman, or say where the daemon is with DOCKER_HOST or {OVERRIDE_VARIABLE}"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVERY: [Cause; 6] =
        [Cause::Setting, Cause::NoSocket, Cause::NoPermission, Cause::NotRunning, Cause::Tls, Cause::Other];

    #[test]
    fn a_hint_fits_its_cause() {
        let hints =
            EVERY.map(|cause| hint(true, &[("DOCKER_HOST", "unix:///a.sock", Refusal::new(cause, "x"))]));
        let otherwise = "or change or unset that setting (DOCKER_HOST), which decides by itself";
        assert_eq!(
            hints,
            [
                "change or unset that setting (DOCKER_HOST), which decides by itself".to_owned(),
                format!("start a daemon there, {otherwise}"),
                "you may not use that socket: add yourself to the group that owns it (`ls -l /a.sock` shows it, usually `docker`) and log \
                 in again"
                    .to_owned(),
                format!("start a daemon there, {otherwise}"),
                format!("offer the daemon by a socket or by tcp:// without TLS, {otherwise}"),
                format!("check that the daemon answers there, {otherwise}"),
            ]
        );
    }

    #[test]
    fn of_several_sockets_the_one_that_is_there_counts() {
        let hint = |cause| {
            let refusals = [
                ("r", "unix:///a.sock", Refusal::new(Cause::NoSocket, "x")),
                ("r", "unix:///b.sock", Refusal::new(cause, "x")),
            ];
            hint(false, &refusals)
        };
        assert!(hint(Cause::NoSocket).starts_with("start Docker or Podman"));
        assert!(hint(Cause::NotRunning).starts_with("no daemon listens at unix:///b.sock: start it"));
        assert!(hint(Cause::NoPermission).contains("`ls -l /b.sock`"));
        assert!(hint(Cause::Other).starts_with("a daemon is at unix:///b.sock and does not answer"));
    }

    #[test]
    fn the_kind_of_an_error_is_that_of_its_cause() {
        let address = Address::Unix("/a.sock".into());
        let of = |kind: io::ErrorKind| {
            Refusal::of_request(&address, &io::Error::other(io::Error::from(kind))).cause
        };
        // An `io::Error` around another one is asked itself.
        assert_eq!(of(io::ErrorKind::PermissionDenied), Cause::Other);
        let of = |kind: io::ErrorKind| Refusal::of_request(&address, &io::Error::from(kind)).cause;
        assert_eq!(of(io::ErrorKind::PermissionDenied), Cause::NoPermission);
        assert_eq!(of(io::ErrorKind::ConnectionRefused), Cause::NotRunning);
        assert_eq!(of(io::ErrorKind::ConnectionReset), Cause::Other);
    }
}
