//! The store against a server that is written down here.

use std::time::Instant;

use testcelery_api::ConnectionUrl;
use testcelery_client::State;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::TcpListener,
};

use super::*;

#[test]
fn keys_are_single_words() {
    assert_eq!(key("7f6c").unwrap(), "celery-task-meta-7f6c");
    for bad in ["a b", "a\r\nflush_all", "\u{7f}", &"x".repeat(234)] {
        assert!(matches!(key(bad), Err(Error::Option { .. })), "{bad:?}");
    }
    assert!(key(&"x".repeat(233)).is_ok());
}

#[test]
fn what_is_no_result_says_why() {
    let problem = |value: &[u8]| read("7", value).unwrap_err().to_string();
    assert!(problem(b"\0celery-compressed\0application/x-gzip\0..").contains("result_compression"));
    assert!(problem(b"x\x9c...").contains("zlib"));
    assert!(problem(b"\x80\x04}").contains("the result of task 7 was written with the serializer pickle"));
    assert!(
        problem(b"status: SUCCESS\n").contains("serializer yaml") && problem(b"nonsense").contains("task 7")
    );
}

/// Answers each line from a script; a `None` closes the connection instead. Returns the address.
async fn server(script: Vec<(&'static str, Option<String>)>) -> ConnectionUrl {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let mut script = script.into_iter();
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let mut stream = BufReader::new(stream);
            let mut line = String::new();
            while stream.read_line(&mut line).await.unwrap() > 0 {
                let answer = match line.trim_end() {
                    "version" => Some("VERSION 1.6.38\r\n".to_owned()),
                    command => {
                        let (expected, answer) = script.next().expect("a command too many");
                        assert_eq!(command, expected);
                        answer
                    }
                };
                let Some(answer) = answer else { break };
                stream.write_all(answer.as_bytes()).await.unwrap();
                line.clear();
            }
        }
    });
    ConnectionUrl::new("cache+memcached", "127.0.0.1").port(port)
}

fn stored(flags: u32, value: &str) -> Option<String> {
    let length = value.len();
    Some(format!("VALUE celery-task-meta-7 {flags} {length}\r\n{value}\r\nEND\r\n"))
}

const GET: &str = "get celery-task-meta-7";

#[tokio::test]
async fn a_wait_goes_on_until_the_task_is_done_and_over_a_lost_connection() {
    let url = server(vec![
        (GET, Some("END\r\n".to_owned())),
        (GET, None),
        (GET, stored(16, r#"{"task_id":"7","status":"STARTED"}"#)),
        (GET, stored(0, r#"{"task_id":"7","status":"SUCCESS","result":3}"#)),
        ("delete celery-task-meta-7 noreply", Some(String::new())),
        (GET, Some("END\r\n".to_owned())),
    ])
    .await;
    let store = MemcachedStoreFactory.connect(Arc::new(url)).await.unwrap();
    let meta = store.wait("7").await.unwrap();
    assert_eq!((meta.status, meta.result.text()), (State::Success, "3"));
    store.forget("7").await.unwrap();
    assert_eq!(store.get("7").await.unwrap(), None);
}

#[tokio::test]
async fn a_refusal_is_an_error_at_once() {
    let url = server(vec![(GET, Some("SERVER_ERROR out of memory\r\n".to_owned()))]).await;
    let store = MemcachedStoreFactory.connect(Arc::new(url)).await.unwrap();
    let error = store.get("7").await.unwrap_err();
    assert!(error.to_string().contains("read the result of task 7"), "{error}");
}

#[tokio::test]
async fn a_closed_store_fails() {
    let url = server(Vec::new()).await;
    let store = MemcachedStoreFactory.connect(Arc::new(url)).await.unwrap();
    store.close().await;
    assert!(store.get("7").await.is_err());
}

#[tokio::test]
async fn the_first_connection_to_a_closed_port_fails_at_once_with_the_reason() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let url = ConnectionUrl::new("cache+memcached", "127.0.0.1").port(port);
    let begin = Instant::now();
    let error = MemcachedStoreFactory.connect(Arc::new(url)).await.unwrap_err();
    assert!(begin.elapsed() < PATIENCE / 2, "{:?}", begin.elapsed());
    let text = with_sources(&error);
    assert!(text.contains(&format!("connect at cache+memcached://127.0.0.1:{port}/")), "{text}");
    assert!(text.contains("refused"), "{text}");
}

#[tokio::test]
async fn the_first_connection_to_a_host_without_an_address_fails_with_the_words_of_the_resolver() {
    let url = ConnectionUrl::new("cache+memcached", "no-such-host.invalid").port(1);
    let error = MemcachedStoreFactory.connect(Arc::new(url)).await.unwrap_err();
    let text = with_sources(&error);
    assert!(text.contains("lookup") || text.contains("no answer within 5s"), "{text}");
}

#[tokio::test]
async fn the_first_connection_to_a_mute_port_fails_after_five_seconds() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = ConnectionUrl::new("cache+memcached", "127.0.0.1").port(listener.local_addr().unwrap().port());
    let begin = Instant::now();
    let error = MemcachedStoreFactory.connect(Arc::new(url)).await.unwrap_err();
    assert!(begin.elapsed() < PATIENCE / 2, "{:?}", begin.elapsed());
    assert!(with_sources(&error).contains("within 5s"), "{}", with_sources(&error));
}

#[tokio::test]
async fn a_store_outlives_the_runtime_that_connected_it() {
    let url = server(vec![(GET, Some("END\r\n".to_owned())), (GET, Some("END\r\n".to_owned()))]).await;
    let connecting = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let store = MemcachedStoreFactory.connect(Arc::new(url)).await.unwrap();
            assert_eq!(store.get("7").await.unwrap(), None);
            store
        })
    });
    let store = tokio::task::spawn_blocking(|| connecting.join().unwrap()).await.unwrap();
    let again = tokio::time::timeout(PATIENCE / 2, store.get("7")).await.unwrap();
    assert_eq!(again.unwrap(), None);
}

fn with_sources(error: &dyn std::error::Error) -> String {
    let source = error.source().map(with_sources);
    source.map_or_else(|| error.to_string(), |source| format!("{error}: {source}"))
}
