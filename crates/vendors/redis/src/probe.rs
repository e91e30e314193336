//! Whether a server answers, with the password and in the database that the tests use.
//!
//! In the words of the protocol (RESP, <https://redis.io/docs/latest/develop/reference/protocol-spec/>) and without a client: to make one for a
//! single question takes several milliseconds in a program that is not optimised, between the moment a server is up and the moment others
//! are told.

use std::{fmt::Write, time::Duration};

use async_trait::async_trait;
use testcelery_api::{BoxError, ConnectionUrl, Container, Probe};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
};

use crate::{component::PORT, link::database};

/// How long the server may take to answer before it is asked again.
const TIMEOUT: Duration = Duration::from_secs(2);

/// Asks the server through its published port.
#[derive(Debug)]
pub(crate) struct Ping {
    pub(crate) url: ConnectionUrl,
}

#[async_trait]
impl Probe for Ping {
    fn description(&self) -> String {
        "the answer to a Redis PING".to_owned()
    }

    async fn probe(&self, container: &dyn Container) -> Result<(), BoxError> {
        let endpoint = container.endpoint(PORT)?;
        let asked = ask(&self.url, (&endpoint.host, endpoint.host_port));
        tokio::time::timeout(TIMEOUT, asked).await.map_err(|_| format!("no answer within {TIMEOUT:?}"))?
    }
}

/// Sends all commands at once, and expects one line for each.
async fn ask(url: &ConnectionUrl, server: (&str, u16)) -> Result<(), BoxError> {
    let database = database(url)?.to_string();
    let mut commands = vec![vec!["SELECT", &database], vec!["PING"]];
    if let Some(password) = url.password() {
        let user = Some(url.username()).filter(|user| !user.is_empty());
        commands.insert(0, ["AUTH"].into_iter().chain(user).chain([password.reveal()]).collect());
    }
    let mut stream = BufReader::new(TcpStream::connect(server).await?);
    let sent: String = commands.iter().map(|words| encoded(words)).collect();
    stream.write_all(sent.as_bytes()).await?;
    for command in &commands {
        let mut line = String::new();
        stream.read_line(&mut line).await?;
        match line.trim_end().split_at_checked(1) {
            Some(("+", _)) => {}
            Some(("-", problem)) => return Err(format!("{}: {problem}", command[0]).into()),
            None => return Err("it closed the connection".into()),
            Some(_) => return Err(format!("{}: it answered {line:?}", command[0]).into()),
        }
    }
    Ok(())
}

/// A command: an array of strings with their lengths in bytes.
fn encoded(words: &[&str]) -> String {
    let mut text = format!("*{}\r\n", words.len());
    for word in words {
        // A `String` takes whatever is written to it.
        let _ = write!(text, "${}\r\n{word}\r\n", word.len());
    }
    text
}

#[cfg(test)]
mod tests {
    use tokio::{io::AsyncReadExt, net::TcpListener};

    use super::*;

    /// What is sent to a server that gives this answer, and how that is taken.
    async fn asked(url: &str, answer: &str) -> (String, Result<(), BoxError>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let serve = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut seen = vec![0; 1024];
            let length = stream.read(&mut seen).await.unwrap();
            stream.write_all(answer.as_bytes()).await.unwrap();
            String::from_utf8_lossy(&seen[..length]).into_owned()
        };
        let url = url.parse().unwrap();
        tokio::join!(serve, ask(&url, ("127.0.0.1", port)))
    }

    #[tokio::test]
    async fn asks_as_the_tests_will() {
        let (sent, answer) = asked("redis://:pässword@h:1/3", "+OK\r\n+OK\r\n+PONG\r\n").await;
        answer.unwrap();
        assert_eq!(
            sent,
            "*2\r\n$4\r\nAUTH\r\n$9\r\npässword\r\n*2\r\n$6\r\nSELECT\r\n$1\r\n3\r\n*1\r\n$4\r\nPING\r\n"
        );
        let (sent, answer) = asked("redis://h:1", "+OK\r\n+PONG\r\n").await;
        answer.unwrap();
        assert!(sent.starts_with("*2\r\n$6\r\nSELECT\r\n"), "{sent}");
    }

    #[tokio::test]
    async fn says_what_a_server_that_is_not_ready_answered() {
        let (_, answer) =
            asked("redis://h:1", "+OK\r\n-LOADING Redis is loading the dataset in memory\r\n").await;
        assert_eq!(answer.unwrap_err().to_string(), "PING: LOADING Redis is loading the dataset in memory");
        let (_, answer) =
            asked("redis://u:hunter2@h:1", "-WRONGPASS invalid username-password pair\r\n").await;
        assert_eq!(answer.unwrap_err().to_string(), "AUTH: WRONGPASS invalid username-password pair");
        let (_, answer) = asked("redis://h:1", "+OK\r\n").await;
        assert_eq!(answer.unwrap_err().to_string(), "it closed the connection");
    }
}
