//! What the management plugin says of a stack.

use std::time::Duration;

use anyhow::Context as _;
use serde::{Deserialize, de::DeserializeOwned};
use testcelery::{RabbitMqNode, prelude::*};

fn broker() -> SetupBuilder {
    Setup::builder().broker(RabbitMq::default().management()).without_workers()
}

fn stack() -> SetupBuilder {
    Setup::builder().broker(RabbitMq::default().management()).worker(Worker::default().queue("orders"))
}

#[derive(Debug, Deserialize)]
struct User {
    name: String,
    tags: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Queue {
    name: String,
    durable: bool,
    consumers: Option<u32>,
}

/// The API's answer to `GET /api/{path}`. The URL carries user and password, which the client sends as HTTP has it.
async fn get<T: DeserializeOwned>(setup: &Setup, path: &str) -> anyhow::Result<T> {
    let broker = setup.brokers()[0].downcast_ref::<RabbitMqNode>().context("it is a RabbitMQ")?;
    let url = format!("{}api/{path}", broker.management_url()?.reveal());
    Ok(reqwest::get(url).await?.error_for_status()?.json().await?)
}

#[testcelery::test(setup = broker)]
async fn whoami(setup: Setup) -> anyhow::Result<()> {
    let user: User = get(&setup, "whoami").await?;
    assert_eq!(user.name, setup.brokers()[0].url().username());
    assert_eq!(user.tags, ["administrator"]);
    Ok(())
}

#[testcelery::test(setup = stack)]
async fn the_queue_of_the_worker(setup: Setup) -> anyhow::Result<()> {
    let queues: Vec<Queue> = get(&setup, "queues/%2F").await?;
    let orders = queues.iter().find(|queue| queue.name == "orders").context("no queue `orders`")?;
    assert!(orders.durable);

    // The plugin collects what it says of consumers every 5 s, and nobody tells when it has.
    tokio::time::timeout(Duration::from_secs(30), async {
        let mut again = tokio::time::interval(Duration::from_millis(200));
        while get::<Queue>(&setup, "queues/%2F/orders").await?.consumers != Some(1) {
            again.tick().await;
        }
        anyhow::Ok(())
    })
    .await?
}

/// The API is up again when its broker is.
#[testcelery::test(setup = broker)]
async fn after_a_restart(setup: Setup) -> anyhow::Result<()> {
    setup.brokers()[0].restart().await?;
    get::<User>(&setup, "whoami").await?;
    Ok(())
}
