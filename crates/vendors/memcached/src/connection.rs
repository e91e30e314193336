//! Opening connections.

use std::time::Duration;

use memcache_async::ascii::Protocol;
use testcelery_api::ConnectionUrl;
use testcelery_client::{refuse_options, runtime};
use tokio::net::TcpStream;

use crate::{Error, PORT, Result};

/// How long one attempt to connect may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// A connection to a memcached: `get`, `set`, `version` and so on.
pub type Client = Protocol<TcpStream>;

/// Checks that everything in a URL can be followed. There is one server, without a user, and Celery takes what is behind a slash for a part
/// of the server's name (`CacheBackend.__init__`).
pub(crate) fn check(url: &ConnectionUrl) -> Result<(), String> {
    refuse_options(url, &[])?;
    if url.host().is_empty() {
        return Err("there is no host in the URL; expected `cache+memcached://host:port/`".to_owned());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(
            "user and password are not supported; memcached is spoken to without authentication".to_owned()
        );
    }
    match url.path_text() {
        Some(_) => Err("a path is not supported; expected `cache+memcached://host:port/`".to_owned()),
        None => Ok(()),
    }
}

/// Opens a connection on the client's runtime and makes sure that a memcached answers.
pub(crate) async fn open(url: &ConnectionUrl) -> Result<Client> {
    let address = format!("{}:{}", url.bracketed_host(), url.port_number().unwrap_or(PORT));
    let target = address.clone();
    let connecting = async move {
        let stream = TcpStream::connect(target).await?;
        stream.set_nodelay(true)?;
        let mut client = Protocol::new(stream);
        // A port that Docker publishes takes connections before anybody listens behind it.
        client.version().await?;
        Ok(client)
    };
    match runtime::run(async { tokio::time::timeout(CONNECT_TIMEOUT, connecting).await }).await {
        Ok(Ok(Ok(client))) => Ok(client),
        Ok(Ok(Err(source))) | Err(source) => Err(Error::Connect { address, source }),
        Ok(Err(_)) => Err(Error::NoAnswer { address, waited: CONNECT_TIMEOUT }),
    }
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpListener,
    };

    use super::*;

    #[test]
    fn what_cannot_be_followed_is_refused() {
        let check = |text: &str| check(&text.parse().unwrap());
        assert_eq!(check("cache+memcached://h:11211/"), Ok(()));
        for (text, part) in [
            ("cache+memcached://h/?expires=3", "option `expires` of the URL is not supported"),
            ("cache+memcached:///", "no host"),
            ("cache+memcached://u@h/", "without authentication"),
            ("cache+memcached://:hunter2@h/", "without authentication"),
            ("cache+memcached://h/x", "a path is not supported"),
        ] {
            let problem = check(text).unwrap_err();
            assert!(problem.contains(part) && !problem.contains("hunter2"), "{text}: {problem}");
        }
    }

    #[tokio::test]
    async fn an_ipv6_address_is_connected_to() {
        let listener = TcpListener::bind("[::1]:0").await.unwrap();
        let url = ConnectionUrl::new("cache+memcached", "::1").port(listener.local_addr().unwrap().port());
        let serve = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut asked = [0; 9];
            stream.read_exact(&mut asked).await.unwrap();
            stream.write_all(b"VERSION 1.6.39\r\n").await.unwrap();
            asked
        };
        let (asked, opened) = tokio::join!(serve, open(&url));
        opened.unwrap();
        assert_eq!(&asked, b"version\r\n");
    }
}
