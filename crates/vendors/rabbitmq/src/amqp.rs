//! Opening AMQP connections, and what to make of lapin's errors.

use std::time::Duration;

use lapin::{
    Connection, ConnectionProperties, ErrorKind,
    protocol::{AMQPErrorKind, AMQPHardError, AMQPSoftError},
    types::ShortString,
    uri::{AMQPAuthority, AMQPQueryString, AMQPScheme, AMQPUri, AMQPUserInfo},
};
use testcelery_api::ConnectionUrl;
use testcelery_client::{refuse_options, runtime};

use crate::{Error, PORT, Result};

/// Time limit of one attempt to connect.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Seconds between heartbeats: a peer that is cut off is noticed after twice that.
const HEARTBEAT: u16 = 20;

/// The option of a URL that sets another number of seconds, as in Kombu.
const HEARTBEAT_OPTION: &str = "heartbeat";

/// Bytes of a frame at most; a broker may have a lower limit. The value is RabbitMQ's default and py-amqp's.
///
/// lapin reserves two buffers of 32 frames for every connection. The system assigns their memory as it is used.
const FRAME_MAX: u32 = 128 * 1024;

/// Threads that lapin makes for a connection: one for its sockets, and one for the resolver.
const LAPIN_THREADS: usize = 2;

/// Opens a connection on the client's runtime.
pub(crate) async fn open(url: &ConnectionUrl) -> Result<Connection> {
    let properties = ConnectionProperties::default().with_connection_name("testcelery".into());
    let uri = uri(url)?;
    // lapin panics where its threads cannot be made.
    testcelery_api::require_threads(LAPIN_THREADS)
        .map_err(|error| Error::Connect { url: url.to_string(), source: lapin::Error::from(error) })?;
    let connecting = runtime::run(async { Connection::connect_uri(uri, properties).await });
    match tokio::time::timeout(CONNECT_TIMEOUT, connecting).await {
        Ok(connected) => connected
            .map_err(lapin::Error::from)
            .flatten()
            .map_err(|source| Error::Connect { url: url.to_string(), source }),
        Err(_) => Err(Error::NoAnswer { url: url.to_string(), waited: CONNECT_TIMEOUT }),
    }
}

/// Builds lapin's form of a URL from its parts.
fn uri(url: &ConnectionUrl) -> Result<AMQPUri> {
    parameters(url).map_err(|problem| Error::Url { url: url.to_string(), problem })
}

/// As [`uri`], with Kombu's defaults for what is left out (`default_connection_params` in kombu/transport/pyamqp.py): host, user and
/// password each by itself. No text with a password in it is ever parsed, so none can end up in an error.
pub(crate) fn parameters(url: &ConnectionUrl) -> Result<AMQPUri, String> {
    refuse_options(url, &[HEARTBEAT_OPTION])?;
    let heartbeat = match url.options().find(|(name, _)| *name == HEARTBEAT_OPTION) {
        None => HEARTBEAT,
        Some((name, seconds)) => seconds.parse().map_err(|_| {
            format!("option `{name}` is not a whole number of seconds from 0 (no heartbeats) to 65535")
        })?,
    };
    let vhost = url.path_text().unwrap_or("/");
    if ShortString::try_new(vhost).is_err() {
        return Err("the virtual host is longer than 255 bytes".to_owned());
    }
    let default = AMQPUserInfo::default();
    let userinfo = AMQPUserInfo {
        username: Some(url.username().to_owned()).filter(|user| !user.is_empty()).unwrap_or(default.username),
        password: url.password().map_or(default.password, |password| password.reveal().to_owned()),
    };
    let host = match url.host() {
        "" => "localhost",
        host => host,
    };
    Ok(AMQPUri {
        scheme: AMQPScheme::AMQP,
        authority: AMQPAuthority { userinfo, host: host.to_owned(), port: url.port_number().unwrap_or(PORT) },
        vhost: vhost.to_owned(),
        query: AMQPQueryString {
            frame_max: Some(FRAME_MAX),
            heartbeat: Some(heartbeat),
            ..AMQPQueryString::default()
        },
    })
}

/// What an error says of the call that got it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The broker is away or was lost; the call can be made again.
    Lost,
    /// The broker closed the connection for the form of what it got. Every call on the connection gets this error, and one of them is to blame.
    Broken,
    /// The broker refuses this call.
    Refused,
}

/// Returns the verdict of an error on an open connection.
pub(crate) fn verdict(error: &lapin::Error) -> Verdict {
    match error.kind() {
        ErrorKind::ProtocolError(error) => match error.kind() {
            AMQPErrorKind::Soft(_) => Verdict::Refused,
            // An operator closes the connection, or the server stops.
            AMQPErrorKind::Hard(AMQPHardError::CONNECTIONFORCED) => Verdict::Lost,
            AMQPErrorKind::Hard(_) => Verdict::Broken,
        },
        ErrorKind::IOError(_)
        | ErrorKind::InvalidChannel(_)
        | ErrorKind::InvalidChannelState(..)
        | ErrorKind::InvalidConnectionState(_)
        | ErrorKind::MissingHeartbeatError
        // Calls that end give channels back.
        | ErrorKind::ChannelsLimitReached => Verdict::Lost,
        _ => Verdict::Refused,
    }
}

/// Returns true if another attempt to connect can help. A broker that refuses the credentials or the virtual host refuses again.
pub(crate) fn may_connect_later(error: &lapin::Error) -> bool {
    match error.kind() {
        ErrorKind::ProtocolError(error) => matches!(
            error.kind(),
            AMQPErrorKind::Hard(AMQPHardError::CONNECTIONFORCED | AMQPHardError::INTERNALERROR)
        ),
        _ => verdict(error) == Verdict::Lost,
    }
}

/// Returns true if the broker refused a declaration because the thing exists with other properties.
pub(crate) fn exists_otherwise(error: &lapin::Error) -> bool {
    is_soft(error, &AMQPSoftError::PRECONDITIONFAILED)
}

/// Returns true if the exchange does not exist.
pub(crate) fn is_missing(error: &lapin::Error) -> bool {
    is_soft(error, &AMQPSoftError::NOTFOUND)
}

fn is_soft(error: &lapin::Error, kind: &AMQPSoftError) -> bool {
    match error.kind() {
        ErrorKind::ProtocolError(error) => matches!(error.kind(), AMQPErrorKind::Soft(soft) if soft == kind),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use testcelery_api::Secret;

    use super::*;

    #[test]
    fn parts_reach_lapin_as_they_are() {
        let url = ConnectionUrl::new("amqp", "127.0.0.1")
            .port(32768)
            .credentials("jo@e", Secret::new("p/w%"))
            .path("a/b c%");
        let uri = uri(&url).unwrap();
        assert_eq!(uri.authority.userinfo.username, "jo@e");
        assert_eq!(uri.authority.userinfo.password, "p/w%");
        assert_eq!((uri.vhost.as_str(), uri.authority.port), ("a/b c%", 32768));
    }

    #[test]
    fn what_is_left_out_is_what_kombu_takes() {
        let uri = uri(&"amqp://broker".parse().unwrap()).unwrap();
        assert_eq!((uri.vhost.as_str(), uri.authority.port), ("/", 5672));
        assert_eq!(uri.authority.userinfo, AMQPUserInfo::default());
    }

    /// `kombu.Connection("amqp://user@broker").info()` has the user `user` and the password `guest`.
    #[test]
    fn user_and_password_have_defaults_of_their_own() {
        for (text, user, password) in [
            ("amqp://user@broker", "user", "guest"),
            ("amqp://user:@broker", "user", "guest"),
            ("amqp://:pw@broker", "guest", "pw"),
            ("amqp://user:pw@broker", "user", "pw"),
        ] {
            let userinfo = uri(&text.parse().unwrap()).unwrap().authority.userinfo;
            assert_eq!((userinfo.username.as_str(), userinfo.password.as_str()), (user, password), "{text}");
        }
    }

    #[test]
    fn an_option_is_followed_or_refused() {
        let heartbeat = |text: &str| parameters(&text.parse().unwrap()).map(|uri| uri.query.heartbeat);
        assert_eq!(heartbeat("amqp://h"), Ok(Some(HEARTBEAT)));
        assert_eq!(heartbeat("amqp://h/?heartbeat=7"), Ok(Some(7)));
        assert!(heartbeat("amqp://h/?heartbeat=1.5").unwrap_err().contains("whole number of seconds"));
        let problem = heartbeat("amqp://h/?heartbeat=7&ssl_password=hunter2").unwrap_err();
        assert_eq!(problem, "option `ssl_password` of the URL is not supported; known are heartbeat");
    }

    /// A listener on [::1] sees the first bytes of the protocol.
    #[tokio::test]
    async fn an_ipv6_address_is_connected_to() {
        use tokio::io::AsyncReadExt as _;

        let listener = tokio::net::TcpListener::bind("[::1]:0").await.unwrap();
        let url: ConnectionUrl =
            format!("amqp://[::1]:{}", listener.local_addr().unwrap().port()).parse().unwrap();
        let serve = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut header = [0; 4];
            stream.read_exact(&mut header).await.unwrap();
            header
        };
        tokio::select! {
            header = serve => assert_eq!(&header, b"AMQP"),
            opened = open(&url) => panic!("{opened:?}"),
        }
    }

    #[test]
    fn a_long_virtual_host_is_an_error_without_the_password() {
        let url =
            ConnectionUrl::new("amqp", "h").credentials("u", Secret::new("hunter2")).path("v".repeat(256));
        let text = uri(&url).unwrap_err().to_string();
        assert!(text.contains("255 bytes") && !text.contains("hunter2"), "{text}");
    }

    #[tokio::test]
    async fn a_closed_port_is_temporary() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let url = ConnectionUrl::new("amqp", "127.0.0.1").port(port);
        let Error::Connect { source, .. } = open(&url).await.unwrap_err() else { panic!("no connect error") };
        assert!(may_connect_later(&source), "{source}");
    }
}
