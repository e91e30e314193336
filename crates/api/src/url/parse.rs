//! From a text to a [`ConnectionUrl`], as Kombu reads it (`url_to_parts` in kombu/utils/url.py) and with nothing dropped on the way.
//!
//! A general URL parser is of no use here: it removes `..` from virtual hosts and line feeds from everything, and it knows no hosts with
//! brackets in schemes of its users.

use std::{net::Ipv6Addr, str::FromStr};

use percent_encoding::percent_decode_str;

use crate::{ConnectionUrl, Secret};

/// A text that is no connection URL. The error does not repeat the text, because there may be a password in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a connection URL: {0}; expected `scheme://user:password@host:port/path`")]
pub struct ParseUrlError(String);

impl ParseUrlError {
    fn new(problem: impl Into<String>) -> Self {
        Self(problem.into())
    }
}

type Result<T> = std::result::Result<T, ParseUrlError>;

impl FromStr for ConnectionUrl {
    type Err = ParseUrlError;

    fn from_str(text: &str) -> Result<Self> {
        if text.chars().any(char::is_control) {
            return Err(ParseUrlError::new(
                "there is a control character in it, for example a line feed at its end",
            ));
        }
        if text.trim() != text {
            return Err(ParseUrlError::new("there is a space before or after it"));
        }
        let (scheme, rest) =
            text.split_once("://").ok_or_else(|| ParseUrlError::new("there is no `://` in it"))?;
        let scheme = scheme_of(scheme)?;
        if rest.contains('#') {
            let problem = "a `#` begins a fragment, which no broker and no result backend has; in a user name, a password, a path or \
                 an option it is written %23";
            return Err(ParseUrlError::new(problem));
        }
        no_other_url_in(rest)?;
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, path) = match rest.split_once('/') {
            Some((authority, path)) => (authority, Some(path)),
            None => (rest, None),
        };
        // `rsplit`: Python takes the last `@` too.
        let (login, server) = match authority.rsplit_once('@') {
            Some((login, server)) => (login, server),
            None => ("", authority),
        };
        let (username, password) = login.split_once(':').unwrap_or((login, ""));
        // What is wrong with the host may be the rest of a password.
        let cut = !authority.contains('@') && text.contains('@');
        let (host, port) = server_of(server).map_err(|error| if cut { cut_password() } else { error })?;
        let mut url = Self::new(scheme, host)
            .credentials(decode(username, "the user name")?, Secret::new(decode(password, "the password")?))
            .path(decode(path.unwrap_or_default(), "the path")?);
        if let Some(port) = port {
            url = url.port(port);
        }
        for part in query.split('&').filter(|part| !part.is_empty()) {
            url = with_option(url, part)?;
        }
        Ok(url)
    }
}

/// Refuses what may be the login of another server, or the rest of a password. In a path or an option it would be shown.
fn no_other_url_in(rest: &str) -> Result<()> {
    let (authority, behind) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    let path = behind.split('?').next().unwrap_or_default();
    let problem = if behind.contains("://") {
        "there is a second `://` in it; a list of brokers is several whole URLs with one `;` between them, and a result backend is one \
         server; in a path or an option `://` is written %3A%2F%2F"
    } else if path.contains(';') {
        "there is a `;` in its path, which separates the URLs of several brokers; in a path it is written %3B"
    } else if authority.contains('@') && path.contains('@') {
        "there is an `@` in front of its path and another one in it; in a password `/` is written %2F, and in a path `@` is written %40"
    } else {
        return Ok(());
    };
    Err(ParseUrlError::new(problem))
}

/// What `redis://:a/b@host` is.
fn cut_password() -> ParseUrlError {
    ParseUrlError::new(
        "its host cannot be read, and there is an `@` behind it: in a user name or a password `/` is written %2F, `?` %3F and `@` %40",
    )
}

/// `urllib.parse` takes the scheme in lower case.
fn scheme_of(text: &str) -> Result<String> {
    let mut bytes = text.bytes();
    let begins = bytes.next().is_some_and(|byte| byte.is_ascii_alphabetic());
    if begins && bytes.all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte)) {
        return Ok(text.to_ascii_lowercase());
    }
    Err(ParseUrlError::new(
        "a scheme begins with a letter and goes on with letters, digits, `+`, `-` and `.`",
    ))
}

fn server_of(text: &str) -> Result<(String, Option<u16>)> {
    if let Some(rest) = text.strip_prefix('[') {
        let (address, port) = rest
            .split_once(']')
            .ok_or_else(|| ParseUrlError::new("there is a `[` and no `]` in its host"))?;
        let address = decode(address, "the host")?;
        // The name of an interface follows the `%` of a link-local address.
        let (number, interface) = address.split_once('%').unwrap_or((&address, "-"));
        if number.parse::<Ipv6Addr>().is_err() || !is_host_name(interface) {
            return Err(ParseUrlError::new("there is no IPv6 address between the brackets of its host"));
        }
        return match port.strip_prefix(':') {
            Some(port) => Ok((address, port_of(port)?)),
            None if port.is_empty() => Ok((address, None)),
            None => Err(ParseUrlError::new(
                "there is something other than a port behind the brackets of its host",
            )),
        };
    }
    let (host, port) = match text.split_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (text, None),
    };
    if text.contains([',', ';']) {
        return Err(ParseUrlError::new(
            "it names several servers; a list of brokers is several whole URLs with `;` between them, and a result backend is one server",
        ));
    }
    if port.is_some_and(|port| port.contains(':')) {
        return Err(ParseUrlError::new(
            "there is more than one `:` in its host; an IPv6 address is put in brackets, as in `[::1]:6379`",
        ));
    }
    let host = decode(host, "the host")?;
    if !is_host_name(&host) {
        return Err(ParseUrlError::new("there is a character in its host that no host name has"));
    }
    Ok((host, port.map(port_of).transpose()?.flatten()))
}

/// Whether a text can be the name of a host. What names may hold is for the resolver to say; what would change the meaning of a URL is not
/// passed on.
fn is_host_name(text: &str) -> bool {
    !text.chars().any(|c| c.is_whitespace() || c.is_control() || "/?#@[]:%,;<>\\^`{|}\"".contains(c))
}

/// As in Python a `:` without a number is no port.
fn port_of(text: &str) -> Result<Option<u16>> {
    if text.is_empty() {
        return Ok(None);
    }
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    match text.parse::<u16>() {
        Ok(port) if digits && port > 0 => Ok(Some(port)),
        _ => Err(ParseUrlError::new("its port is not a number from 1 to 65535")),
    }
}

/// `parse_qsl` drops an option without a value and all but the last of several with one name.
fn with_option(url: ConnectionUrl, text: &str) -> Result<ConnectionUrl> {
    let (name, value) = text.split_once('=').unwrap_or((text, ""));
    // In a query a `+` is a space.
    let [name, value] = [name, value].map(|text| decode(&text.replace('+', " "), "an option"));
    let (name, value) = (name?, value?);
    if name.is_empty() || value.is_empty() {
        // Not repeated: it may be the rest of a password that holds a `?`.
        return Err(ParseUrlError::new(
            "behind its `?` there is something that is not of the form `name=value`",
        ));
    }
    if url.options().any(|(known, _)| known == name) {
        return Err(ParseUrlError::new(format!("option `{}` is set twice", crate::shorten(&name))));
    }
    Ok(url.option(name, value))
}

/// Python leaves a broken escape as it is, and puts U+FFFD in the place of what is no UTF-8. Both would be another text than was meant.
fn decode(text: &str, part: &str) -> Result<String> {
    let broken = text.split('%').skip(1).any(|rest| {
        let digits = rest.as_bytes().iter().take(2);
        digits.filter(|byte| byte.is_ascii_hexdigit()).count() < 2
    });
    if broken {
        return Err(ParseUrlError::new(format!(
            "there is a `%` without two hexadecimal digits in {part}; `%` itself is written %25"
        )));
    }
    let decoded = percent_decode_str(text).decode_utf8();
    match decoded {
        Ok(text) => Ok(text.into_owned()),
        Err(_) => Err(ParseUrlError::new(format!("the percent escapes in {part} are not UTF-8"))),
    }
}
