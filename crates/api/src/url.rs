//! Connection URLs whose parts are percent-encoded and whose password stays hidden.

use std::{fmt, str::FromStr};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::Secret;

/// Everything but RFC 3986's unreserved characters is encoded, which is what `urllib.parse.quote(safe="")` does and what
/// Kombu's `parse_url` undoes.
const COMPONENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The URL of a broker or a result backend.
///
/// `Display` and `Debug` print `**` for the password, as Kombu's `as_uri()` does; [`reveal`](Self::reveal) gives the real thing.
///
/// ```
/// use testcelery_api::{ConnectionUrl, Secret};
///
/// let url = ConnectionUrl::new("amqp", "127.0.0.1")
///     .port(5672)
///     .credentials("me@work", Secret::new("p/w"))
///     .path("my vhost");
/// assert_eq!(url.reveal(), "amqp://me%40work:p%2Fw@127.0.0.1:5672/my%20vhost");
/// assert_eq!(url.to_string(), "amqp://me%40work:**@127.0.0.1:5672/my%20vhost");
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ConnectionUrl {
    scheme: String,
    username: String,
    password: Option<Secret>,
    host: String,
    port: Option<u16>,
    path: Option<String>,
}

impl ConnectionUrl {
    /// A URL of a scheme and a host, with nothing else in it.
    pub fn new(scheme: impl Into<String>, host: impl Into<String>) -> Self {
        Self {
            scheme: scheme.into(),
            username: String::new(),
            password: None,
            host: host.into(),
            port: None,
            path: None,
        }
    }

    /// Sets the port.
    #[must_use]
    pub fn port(mut self, port: u16) -> Self {
        self.port = Some(port);
        self
    }

    /// Replaces host and port, for the same service seen from elsewhere.
    #[must_use]
    pub fn at(mut self, host: impl Into<String>, port: u16) -> Self {
        self.host = host.into();
        self.port = Some(port);
        self
    }

    /// Sets user name and password; an empty user name is allowed (Redis).
    #[must_use]
    pub fn credentials(mut self, username: impl Into<String>, password: Secret) -> Self {
        self.username = username.into();
        self.password = Some(password);
        self
    }

    /// Sets what follows the first slash: a virtual host or a database. The text is the plain one; it is encoded on the way out.
    #[must_use]
    pub fn path(mut self, path: impl Into<String>) -> Self {
        self.path = Some(path.into());
        self
    }

    /// The scheme, as `redis`.
    pub fn scheme(&self) -> &str {
        &self.scheme
    }

    /// The host.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port, where one is set.
    pub fn port_number(&self) -> Option<u16> {
        self.port
    }

    /// The user name, decoded; empty where there is none.
    pub fn username(&self) -> &str {
        &self.username
    }

    /// The password, where there is one.
    pub fn password(&self) -> Option<&Secret> {
        self.password.as_ref()
    }

    /// The virtual host or database, decoded, where one is set.
    pub fn path_text(&self) -> Option<&str> {
        self.path.as_deref()
    }

    /// The whole URL with its password in it. Hand it to the peer, never to a log.
    pub fn reveal(&self) -> String {
        let password = self.password.as_ref().map(|secret| encode(secret.reveal()));
        self.render(password.as_deref())
    }

    fn render(&self, password: Option<&str>) -> String {
        let mut out = format!("{}://", self.scheme);
        out.push_str(&encode(&self.username));
        if let Some(password) = password {
            out.push(':');
            out.push_str(password);
        }
        if !self.username.is_empty() || password.is_some() {
            out.push('@');
        }
        out.push_str(&self.host);
        if let Some(port) = self.port {
            out.push_str(&format!(":{port}"));
        }
        out.push('/');
        // Kombu reads `amqp://host//` as the virtual host "/"; encoded it is unambiguous.
        out.push_str(&encode(self.path.as_deref().unwrap_or_default()));
        out
    }
}

/// A text that is no connection URL. It does not repeat the text: there may be a password in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a connection URL ({0}); expected `scheme://user:password@host:port/path`")]
pub struct ParseUrlError(String);

impl FromStr for ConnectionUrl {
    type Err = ParseUrlError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let url = url::Url::parse(text).map_err(|error| ParseUrlError(error.to_string()))?;
        let decode = |part: &str| {
            let text = percent_encoding::percent_decode_str(part).decode_utf8();
            text.map(|text| text.into_owned()).map_err(|error| ParseUrlError(error.to_string()))
        };
        let path = url.path().strip_prefix('/').map(decode).transpose()?;
        Ok(Self {
            scheme: url.scheme().to_owned(),
            username: decode(url.username())?,
            password: url.password().map(decode).transpose()?.map(Secret::new),
            host: url.host_str().unwrap_or_default().to_owned(),
            port: url.port(),
            path: path.filter(|path| !path.is_empty()),
        })
    }
}

fn encode(text: &str) -> String {
    utf8_percent_encode(text, COMPONENT).to_string()
}

impl fmt::Display for ConnectionUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(self.password.as_ref().map(|_| "**")))
    }
}

impl fmt::Debug for ConnectionUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn parts_survive_encoding(user in "\\PC{1,12}", password in "\\PC{1,12}", path in "\\PC{0,12}") {
            let url = ConnectionUrl::new("amqp", "h").port(1).credentials(&user, Secret::new(&password)).path(&path);
            let text = url.reveal();
            let rest = text.strip_prefix("amqp://").unwrap();
            let (login, tail) = rest.split_once('@').unwrap();
            let (got_user, got_password) = login.split_once(':').unwrap();
            let got_path = tail.strip_prefix("h:1/").unwrap();
            let decode = |s: &str| percent_encoding::percent_decode_str(s).decode_utf8().unwrap().into_owned();
            prop_assert_eq!(decode(got_user), user);
            prop_assert_eq!(decode(got_password), password);
            prop_assert_eq!(decode(got_path), path);
        }

        #[test]
        fn password_is_never_displayed(password in "[a-z]{8,20}") {
            let url = ConnectionUrl::new("redis", "h").credentials("", Secret::new(&password));
            let shown = format!("{url} {url:?}");
            prop_assert!(!shown.contains(&password));
        }
    }

    #[test]
    fn parses_what_it_renders() {
        for text in [
            "amqp://me%40work:p%2Fw@127.0.0.1:5672/my%20vhost",
            "redis://:pw@h:6379/1",
            "cache+memcached://h:11211/",
            "amqp://h/%2F",
        ] {
            assert_eq!(text.parse::<ConnectionUrl>().unwrap().reveal(), text);
        }
        // What Kombu users write for the virtual host "/".
        assert_eq!("amqp://h//".parse::<ConnectionUrl>().unwrap().path_text(), Some("/"));
    }

    #[test]
    fn a_bad_url_is_not_repeated() {
        let error = "redis://:hunter2@:x".parse::<ConnectionUrl>().unwrap_err().to_string();
        assert!(!error.contains("hunter2"), "{error}");
    }

    #[test]
    fn root_vhost_is_encoded() {
        assert_eq!(ConnectionUrl::new("amqp", "h").path("/").reveal(), "amqp://h/%2F");
    }

    #[test]
    fn no_credentials_no_at_sign() {
        assert_eq!(ConnectionUrl::new("redis", "h").port(6379).path("0").reveal(), "redis://h:6379/0");
    }
}
