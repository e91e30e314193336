//! The management plugin: <https://www.rabbitmq.com/docs/management>.

use async_trait::async_trait;
use base64::{Engine as _, prelude::BASE64_STANDARD};
use testcelery_api::{BoxError, ConnectionUrl, Container, FileTree, Probe, Result};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
};

/// Its port for HTTP.
pub(crate) const PORT: u16 = 15672;

/// Where the broker reads which plugins are enabled: in the official image, in Debian's package, and without an image.
pub(crate) const PLUGINS: &str = "/etc/rabbitmq/enabled_plugins";

/// Where it listens, and that it collects what it tells of queues and consumers: the official image without the plugin switches that off.
pub(crate) const SETTINGS: &[&str] = &[
    "management.tcp.ip = 0.0.0.0",
    "management.tcp.port = 15672",
    "management_agent.disable_metrics_collector = false",
];

/// The file that enables it, and nothing else.
pub(crate) fn enabled_plugins() -> FileTree {
    let mut files = FileTree::new();
    files.insert(PLUGINS, "[rabbitmq_management].\n");
    files.as_settings()
}

/// Where the test reaches it, with the credentials of the broker's URL.
pub(crate) fn url(container: &dyn Container, broker: &ConnectionUrl) -> Result<ConnectionUrl> {
    let endpoint = container.endpoint(PORT)?;
    let url = ConnectionUrl::new("http", endpoint.host).port(endpoint.host_port);
    Ok(match broker.password() {
        Some(password) => url.credentials(broker.username(), password.clone()),
        None => url,
    })
}

/// Asks the API who the broker's user is.
#[derive(Debug)]
pub(crate) struct ApiProbe {
    broker: ConnectionUrl,
}

impl ApiProbe {
    /// A probe for a broker with this in-network URL.
    pub(crate) fn new(broker: ConnectionUrl) -> Self {
        Self { broker }
    }
}

#[async_trait]
impl Probe for ApiProbe {
    fn description(&self) -> String {
        "the answer of the management API".to_owned()
    }

    async fn probe(&self, container: &dyn Container) -> Result<(), BoxError> {
        ask(&url(container, &self.broker)?).await
    }
}

/// One request in the words of HTTP (RFC 9112): its answer is wanted for its first line alone.
async fn ask(url: &ConnectionUrl) -> Result<(), BoxError> {
    let port = url.port_number().unwrap_or(PORT);
    let password = url.password().map_or("", |password| password.reveal());
    let credentials = BASE64_STANDARD.encode(format!("{}:{password}", url.username()));
    let request = format!(
        "GET /api/whoami HTTP/1.1\r\nHost: {}:{port}\r\nAuthorization: Basic {credentials}\r\nConnection: close\r\n\r\n",
        url.bracketed_host()
    );
    let mut stream = BufReader::new(TcpStream::connect((url.host(), port)).await?);
    stream.write_all(request.as_bytes()).await?;
    let mut status = String::new();
    stream.read_line(&mut status).await?;
    match status.trim_end() {
        "" => Err("it closed the connection".into()),
        ok if ok.starts_with("HTTP/1.1 200 ") => Ok(()),
        other => Err(format!("it answered {other:?}").into()),
    }
}

#[cfg(test)]
mod tests {
    use testcelery_api::Secret;
    use tokio::{io::AsyncReadExt, net::TcpListener};

    use super::*;

    /// What is sent to a server that gives this answer, and how that is taken.
    async fn asked(answer: &str) -> (String, Result<(), BoxError>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let serve = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut seen = vec![0; 1024];
            let length = stream.read(&mut seen).await.unwrap();
            stream.write_all(answer.as_bytes()).await.unwrap();
            String::from_utf8_lossy(&seen[..length]).into_owned()
        };
        let url = ConnectionUrl::new("http", "127.0.0.1").port(port).credentials("jo", Secret::new("p:w"));
        tokio::join!(serve, ask(&url))
    }

    #[tokio::test]
    async fn asks_with_the_credentials() {
        let (sent, answer) = asked("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}").await;
        answer.unwrap();
        assert!(sent.starts_with("GET /api/whoami HTTP/1.1\r\nHost: 127.0.0.1:"), "{sent}");
        assert!(sent.contains("\r\nAuthorization: Basic am86cDp3\r\n"), "{sent}");
    }

    #[tokio::test]
    async fn says_what_it_got_instead() {
        let problem = async |answer| asked(answer).await.1.unwrap_err().to_string();
        let text = problem("HTTP/1.1 401 Unauthorized\r\n\r\n").await;
        assert_eq!(text, "it answered \"HTTP/1.1 401 Unauthorized\"");
        assert_eq!(problem("").await, "it closed the connection");
    }
}
