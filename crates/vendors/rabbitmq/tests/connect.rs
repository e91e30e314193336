//! First connections to what is no broker. The limits are generous: a loaded machine needs its time.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    error::Error as _,
    net::TcpListener,
    time::{Duration, Instant},
};

use testcelery_client::{App, Error};
use testcelery_rabbitmq::AmqpTransportFactory;

/// Far below the 30 s for which later calls look for a broker.
const SOON: Duration = Duration::from_secs(20);

fn dead() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    format!("amqp://guest:hunter2@{}/", listener.local_addr().unwrap())
}

async fn failure(urls: &str) -> String {
    let begin = Instant::now();
    let app = App::builder("app").transport_factory(AmqpTransportFactory).broker_url(urls);
    let error: Error = app.connect().await.unwrap_err();
    assert!(begin.elapsed() < SOON, "{:?}", begin.elapsed());
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(&format!(": {cause}"));
        source = cause.source();
    }
    assert!(!text.contains("hunter2"), "{text}");
    text
}

#[tokio::test]
async fn a_dead_port() {
    let text = failure(&dead()).await;
    assert!(text.contains("Connection refused"), "{text}");
}

#[tokio::test]
async fn a_misspelt_host() {
    let text = failure("amqp://rabbitmq.invalid/").await;
    assert!(text.contains("amqp://rabbitmq.invalid/"), "{text}");
    assert!(text.contains("lookup") || text.contains("no AMQP connection"), "{text}");
}

#[tokio::test]
async fn a_port_that_says_nothing() {
    let mute = TcpListener::bind("127.0.0.1:0").unwrap();
    let text = failure(&format!("amqp://{}/", mute.local_addr().unwrap())).await;
    assert!(text.contains("within 5s"), "{text}");
}

#[tokio::test]
async fn each_broker_of_a_list_has_its_reason() {
    let mute = TcpListener::bind("127.0.0.1:0").unwrap();
    let mute = format!("amqp://{}/", mute.local_addr().unwrap());
    let text = failure(&format!("{};{mute}", dead())).await;
    assert!(text.starts_with("none of 2 brokers could be reached\n"), "{text}");
    assert!(text.contains("Connection refused") && text.contains("within 5s"), "{text}");
}
