//! Connection URLs whose parts are percent-encoded and whose password stays hidden.

use std::{borrow::Cow, fmt};

use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::Secret;

pub use parse::ParseUrlError;

mod parse;

/// Everything but RFC 3986's unreserved characters is encoded, which is what `urllib.parse.quote(safe="")` does and what
/// Kombu's `parse_url` undoes.
const COMPONENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A host stays readable: only what would end it, or begin another part of the URL, is encoded.
const HOST: &AsciiSet =
    &CONTROLS.add(b' ').add(b'%').add(b'/').add(b'?').add(b'#').add(b'@').add(b'[').add(b']').add(b';');

/// An option whose name contains one of these has a value that is not shown.
const SECRET_OPTIONS: [&str; 7] = ["pass", "pwd", "secret", "token", "key", "auth", "credential"];

/// The URL of a broker or a result backend.
///
/// A text is parsed as Kombu's `parse_url` does (kombu/utils/url.py), but it is taken whole or refused: what Kombu drops (a fragment, an
/// option without a value) or repairs (a broken percent escape) is an error. An empty user name, password or path is the same as none.
///
/// `Display` and `Debug` print `**` for the password, as Kombu's `as_uri()` does, and for options whose name sounds like a secret;
/// [`reveal`](Self::reveal) gives the real text.
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
    options: Vec<(String, String)>,
}

impl ConnectionUrl {
    /// A URL of a scheme and a host, with nothing else in it. An IPv6 address may be in brackets or not.
    pub fn new(scheme: impl Into<String>, host: impl Into<String>) -> Self {
        Self {
            scheme: scheme.into(),
            username: String::new(),
            password: None,
            host: without_brackets(host.into()),
            port: None,
            path: None,
            options: Vec::new(),
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
        self.host = without_brackets(host.into());
        self.port = Some(port);
        self
    }

    /// Sets user name and password. Either may be empty, which means that there is none.
    #[must_use]
    pub fn credentials(mut self, username: impl Into<String>, password: Secret) -> Self {
        self.username = username.into();
        self.password = Some(password).filter(|password| !password.reveal().is_empty());
        self
    }

    /// Sets what follows the first slash: a virtual host or a database. The text is the plain one; it is encoded on the way out.
    #[must_use]
    pub fn path(mut self, path: impl Into<String>) -> Self {
        self.path = Some(path.into()).filter(|path| !path.is_empty());
        self
    }

    /// Sets an option, in the place of an earlier one of that name: `heartbeat` is 10 in `amqp://host/?heartbeat=10`. Name and value are
    /// plain text; they are encoded on the way out.
    #[must_use]
    pub fn option(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        let (name, value) = (name.into(), value.into());
        match self.options.iter_mut().find(|(known, _)| *known == name) {
            Some((_, old)) => *old = value,
            None => self.options.push((name, value)),
        }
        self
    }

    /// The scheme, as `redis`.
    pub fn scheme(&self) -> &str {
        &self.scheme
    }

    /// The host, decoded; an IPv6 address is without its brackets. Empty where there is none.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The host as it stands in front of `:port`: an IPv6 address is in brackets.
    pub fn bracketed_host(&self) -> Cow<'_, str> {
        bracketed(&self.host)
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

    /// The options, decoded, in their order: what follows the `?`.
    pub fn options(&self) -> impl Iterator<Item = (&str, &str)> {
        self.options.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The first option that is not one of `known`. Whoever follows a URL refuses such an option by its name, so that no wish is dropped.
    ///
    /// ```
    /// use testcelery_api::ConnectionUrl;
    ///
    /// let url: ConnectionUrl = "amqp://h/?heartbeat=10&ssl=true".parse()?;
    /// assert_eq!(url.unknown_option(&["heartbeat"]), Some("ssl"));
    /// # Ok::<(), testcelery_api::ParseUrlError>(())
    /// ```
    pub fn unknown_option(&self, known: &[&str]) -> Option<&str> {
        self.options().map(|(name, _)| name).find(|name| !known.contains(name))
    }

    /// The whole URL with its password in it. Hand it to the peer, never to a log.
    pub fn reveal(&self) -> String {
        self.render(false)
    }

    fn render(&self, redact: bool) -> String {
        let secret = |text: &str| if redact { "**".to_owned() } else { encode(text) };
        let mut out = format!("{}://", self.scheme);
        out.push_str(&encode(&self.username));
        if let Some(password) = &self.password {
            out.push(':');
            out.push_str(&secret(password.reveal()));
        }
        if !self.username.is_empty() || self.password.is_some() {
            out.push('@');
        }
        match self.host.contains(':') {
            // RFC 6874: the `%` in front of an interface's name is encoded.
            true => out.push_str(&bracketed(&self.host).replace('%', "%25")),
            false => out.extend(utf8_percent_encode(&self.host, HOST)),
        }
        if let Some(port) = self.port {
            out.push_str(&format!(":{port}"));
        }
        out.push('/');
        // Kombu reads `amqp://host//` as the virtual host "/"; encoded it is unambiguous.
        out.push_str(&encode(self.path.as_deref().unwrap_or_default()));
        let mut separator = '?';
        for (name, value) in &self.options {
            let value = if is_secret(name) { secret(value) } else { encode(value) };
            out.push_str(&format!("{separator}{}={value}", encode(name)));
            separator = '&';
        }
        out
    }
}

fn is_secret(option: &str) -> bool {
    let option = option.to_ascii_lowercase();
    SECRET_OPTIONS.iter().any(|part| option.contains(part))
}

fn without_brackets(host: String) -> String {
    match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(bare) => bare.to_owned(),
        None => host,
    }
}

/// A host as it stands in front of `:port`: an IPv6 address is in brackets.
pub(crate) fn bracketed(host: &str) -> Cow<'_, str> {
    match host.contains(':') && !host.starts_with('[') {
        true => Cow::Owned(format!("[{host}]")),
        false => Cow::Borrowed(host),
    }
}

fn encode(text: &str) -> String {
    utf8_percent_encode(text, COMPONENT).to_string()
}

impl fmt::Display for ConnectionUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(true))
    }
}

impl fmt::Debug for ConnectionUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests;
