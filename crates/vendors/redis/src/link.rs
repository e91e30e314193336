//! One connection to a server, and the policy of making it.

use std::{
    collections::{BTreeSet, HashSet},
    fmt,
    future::{Future, poll_fn},
    pin::pin,
    sync::Mutex,
    task::Poll,
    time::Duration,
};

use fred::{
    clients::Client,
    error::{Error, ErrorKind},
    interfaces::{ClientLike, SetsInterface},
    types::{
        ConnectHandle,
        config::{Config, ConnectionConfig, PerformanceConfig, ServerConfig, TcpConfig},
    },
};
use testcelery_api::{ConnectionUrl, shorten};
use testcelery_client::{QueueDeclaration, refuse_options, runtime};
use tokio::{sync::watch, task::AbortHandle};

use crate::topic;

/// How long one attempt to connect may take: name resolution, connection and handshake together.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How many messages of a subscription may wait to be read. A reader that falls behind further asks for every result anew.
const CHANNEL_CAPACITY: usize = 4096;

/// The port of a URL that names none.
const DEFAULT_PORT: u16 = 6379;

/// What separates the parts of a binding and the steps of a queue (Kombu's `sep`).
pub(crate) const SEPARATOR: &str = "\x06\x16";

/// One live connection. It is never repaired: when it is lost, [`Server`](crate::server::Server) makes another one, perhaps to another port.
/// Dropping it closes it.
pub(crate) struct Link {
    client: Client,
    connection: AbortHandle,
    closed: watch::Receiver<()>,
    declared: Mutex<HashSet<String>>,
}

impl Link {
    /// Connects, with a limit for each command; zero is none.
    pub(crate) async fn open(url: &ConnectionUrl, command_timeout: Duration) -> Result<Self, Error> {
        let client = client(url, command_timeout)?;
        // To its end, also where the caller gives up: the connection is then closed because nobody takes it. The client alone would keep
        // it open for ever.
        runtime::spawn(Self::connect(client))?
            .await
            .unwrap_or_else(|ended| Err(Error::new(ErrorKind::Canceled, ended.to_string())))
    }

    async fn connect(client: Client) -> Result<Self, Error> {
        let connection = connected(&client).await?;
        let abort = connection.abort_handle();
        let (alive, closed) = watch::channel(());
        tokio::spawn(async move {
            // How it ended is told to whoever had a command under way.
            let _ = connection.await;
            drop(alive);
        });
        Ok(Self { client, connection: abort, closed, declared: Mutex::default() })
    }

    /// The connection's commands.
    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// Whether it has not been lost yet.
    pub(crate) fn is_alive(&self) -> bool {
        !self.connection.is_finished()
    }

    /// Waits until it is lost.
    pub(crate) async fn closed(&self) {
        let mut closed = self.closed.clone();
        while closed.changed().await.is_ok() {}
    }

    /// Declares a queue with its bindings as Kombu does, once for each connection. Kombu 5.7 keeps a second set for bindings that do not
    /// expire and sweeps what is only in the first.
    pub(crate) async fn declare(&self, queue: &QueueDeclaration) -> Result<(), Error> {
        if !queue.declare || self.declared().contains(&queue.name) {
            return Ok(());
        }
        let own = (&queue.exchange, &queue.routing_key);
        let further = queue.bindings.iter().map(|it| (&it.exchange, &it.routing_key));
        for (exchange, key) in std::iter::once(own).chain(further) {
            if exchange.name.is_empty() {
                continue;
            }
            let pattern = if exchange.kind == "topic" { topic::pattern(key) } else { String::new() };
            let member = [key.as_str(), &pattern, &queue.name].join(SEPARATOR);
            let () = self.client.sadd(binding_key(&exchange.name), member.as_str()).await?;
            if !queue.arguments.contains_key("x-expires") {
                let permanent = format!("_kombu.binding_permanent.{}", exchange.name);
                let () = self.client.sadd(permanent, member).await?;
            }
        }
        self.declared().insert(queue.name.clone());
        Ok(())
    }

    /// Returns the queues that are bound to a topic exchange with a binding that matches a routing key.
    pub(crate) async fn bound(&self, exchange: &str, routing_key: &str) -> Result<BTreeSet<String>, Error> {
        let members: Vec<String> = self.client.smembers(binding_key(exchange)).await?;
        let matching = |member: &String| {
            let mut parts = member.split(SEPARATOR);
            let (key, queue) = (parts.next()?, parts.last()?);
            topic::matches(key, routing_key).then(|| queue.to_owned())
        };
        Ok(members.iter().filter_map(matching).collect())
    }

    /// Binds a queue to a direct exchange: by membership in the exchange's set.
    pub(crate) async fn bind(&self, exchange: &str, routing_key: &str, queue: &str) -> Result<(), Error> {
        self.client.sadd(binding_key(exchange), binding(routing_key, queue)).await
    }

    fn declared(&self) -> std::sync::MutexGuard<'_, HashSet<String>> {
        self.declared.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").field("alive", &self.is_alive()).finish_non_exhaustive()
    }
}

/// Connects a client, with one limit for name resolution, connection and handshake together: a server that takes connections and never
/// answers is noticed by nothing else.
async fn connected(client: &Client) -> Result<ConnectHandle, Error> {
    let mut connected = pin!(client.wait_for_connect());
    // The outcome is broadcast once, so that somebody has to listen before the attempt begins. What is asked here has no answer yet.
    let _ = poll_fn(|context| Poll::Ready(connected.as_mut().poll(context))).await;
    let connection = client.connect();
    let problem = match tokio::time::timeout(CONNECT_TIMEOUT, connected).await {
        Ok(Ok(())) => return Ok(connection),
        Ok(Err(error)) => error,
        Err(_) => Error::new(ErrorKind::Timeout, format!("no answer within {CONNECT_TIMEOUT:?}")),
    };
    connection.abort();
    Err(problem)
}

/// Opens a connection for a test that wants to look inside.
pub(crate) async fn open_client(url: &ConnectionUrl) -> Result<Client, Error> {
    let client = client(url, Duration::ZERO)?;
    runtime::run(async move { connected(&client).await.map(|_| client) }).await?
}

/// The set that holds the bindings of an exchange (Kombu's `keyprefix_queue`).
pub(crate) fn binding_key(exchange: &str) -> String {
    format!("_kombu.binding.{exchange}")
}

/// A member of that set: routing key, an empty pattern, and the queue.
pub(crate) fn binding(routing_key: &str, queue: &str) -> String {
    format!("{routing_key}{SEPARATOR}{SEPARATOR}{queue}")
}

/// The database that a URL names; 0 where it names none. As in Kombu (`_prepare_virtual_host`) there may be a second slash before it.
pub(crate) fn database(url: &ConnectionUrl) -> Result<u8, Error> {
    let path = url.path_text().unwrap_or_default();
    let number = path.strip_prefix('/').unwrap_or(path);
    match number.parse() {
        _ if number.is_empty() => Ok(0),
        Ok(database) if number.bytes().all(|byte| byte.is_ascii_digit()) => Ok(database),
        _ => Err(Error::new(
            ErrorKind::Config,
            format!("`{path}` is no database: expected a number from 0 to 255", path = shorten(path)),
        )),
    }
}

/// Checks that everything in a URL can be followed.
pub(crate) fn check(url: &ConnectionUrl) -> Result<(), String> {
    if let Some((name, _)) = url.options().find(|(name, _)| ["db", "virtual_host"].contains(name)) {
        return Err(format!(
            "option `{name}` of the URL is not supported; write the database as in redis://host/3"
        ));
    }
    refuse_options(url, &[])?;
    database(url).map(drop).map_err(|error| error.details().to_owned())
}

/// A client that is not connected yet and that never reconnects by itself.
fn client(url: &ConnectionUrl, command_timeout: Duration) -> Result<Client, Error> {
    check(url).map_err(|problem| Error::new(ErrorKind::Config, problem))?;
    let username = Some(url.username().to_owned()).filter(|name| !name.is_empty());
    // A user without a password logs in with an empty one, as in redis-py.
    let no_password = username.as_ref().map(|_| String::new());
    // Kombu's default. Only an address in brackets is joined with a port as it should be.
    let host = match url.host() {
        "" => "127.0.0.1".into(),
        _ => url.bracketed_host(),
    };
    let config = Config {
        fail_fast: true,
        username,
        password: url.password().map(|password| password.reveal().to_owned()).or(no_password),
        server: ServerConfig::new_centralized(host, url.port_number().unwrap_or(DEFAULT_PORT)),
        database: Some(database(url)?),
        ..Config::default()
    };
    let performance = PerformanceConfig {
        default_command_timeout: command_timeout,
        broadcast_channel_capacity: CHANNEL_CAPACITY,
        ..PerformanceConfig::default()
    };
    let connection = ConnectionConfig {
        connection_timeout: CONNECT_TIMEOUT,
        internal_command_timeout: CONNECT_TIMEOUT,
        max_command_attempts: 1,
        tcp: TcpConfig { nodelay: Some(true), ..TcpConfig::default() },
        ..ConnectionConfig::default()
    };
    Ok(Client::new(config, Some(performance), Some(connection), None))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_database_is_the_path() {
        let url = |text: &str| text.parse::<ConnectionUrl>().unwrap();
        assert_eq!(database(&url("redis://h:1/")).unwrap(), 0);
        assert_eq!(database(&url("redis://h:1/15")).unwrap(), 15);
        assert_eq!(database(&url("redis://h:1//15")).unwrap(), 15);
        assert_eq!(database(&url("redis://h:1//")).unwrap(), 0);
        for text in [
            "redis://h/256",
            "redis://h/-1",
            "redis://h/+1",
            "redis://h/1/",
            "redis://h/1/2",
            "redis://h/%2F%2F1",
        ] {
            assert!(database(&url(text)).unwrap_err().details().contains("is no database"), "{text}");
        }
        let error = database(&url("redis://:hunter2@h:1/x")).unwrap_err().to_string();
        assert!(error.contains("`x` is no database"), "{error}");
        assert!(!error.contains("hunter2"), "{error}");
    }

    #[test]
    fn an_option_is_refused_and_not_dropped() {
        let problem = |text: &str| check(&text.parse().unwrap()).unwrap_err();
        let expected =
            "option `virtual_host` of the URL is not supported; write the database as in redis://host/3";
        assert_eq!(problem("redis://h/0?virtual_host=3"), expected);
        assert!(problem("redis://h/0?db=3").starts_with("option `db` of the URL is not supported"));
        assert_eq!(
            problem("redis://h/0?password=hunter2"),
            "option `password` of the URL is not supported; none is known"
        );
        let url = "redis://h/0?db=3".parse().unwrap();
        assert_eq!(*client(&url, Duration::ZERO).unwrap_err().kind(), ErrorKind::Config);
    }

    #[test]
    fn what_is_left_out_is_what_python_takes() {
        let config = |text: &str| client(&text.parse().unwrap(), Duration::ZERO).unwrap().client_config();
        let server = |host: &str| ServerConfig::new_centralized(host, 6379);
        let none = config("redis://");
        assert_eq!((none.username, none.password, none.server), (None, None, server("127.0.0.1")));
        let user = config("redis://jo@h/2");
        assert_eq!((user.username.as_deref(), user.password.as_deref()), (Some("jo"), Some("")));
        let password = config("redis://:pw@[::1]");
        assert_eq!((password.username, password.password.as_deref()), (None, Some("pw")));
        assert_eq!(password.server, server("[::1]"));
    }

    #[tokio::test]
    async fn an_ipv6_address_is_connected_to() {
        let listener = tokio::net::TcpListener::bind("[::1]:0").await.unwrap();
        let url = ConnectionUrl::new("redis", "::1").port(listener.local_addr().unwrap().port());
        tokio::select! {
            accepted = listener.accept() => assert!(accepted.unwrap().1.ip().is_loopback()),
            opened = Link::open(&url, Duration::ZERO) => panic!("{opened:?}"),
        }
    }

    #[test]
    fn bindings_are_spelled_as_kombu_spells_them() {
        assert_eq!(binding_key("celery"), "_kombu.binding.celery");
        assert_eq!(binding("celery", "celery"), "celery\x06\x16\x06\x16celery");
    }
}
