//! pytest-celery's example `vhost`: one Redis is the broker in database 0 and the result backend in database 1.

use std::collections::BTreeSet;

use testcelery::prelude::*;

/// Lists the keys of a database of the broker's server.
const KEYS: &str = r#"
import os
from urllib.parse import urlsplit

import redis
from celery import shared_task


@shared_task(name="keys")
def keys(database):
    url = urlsplit(os.environ["CELERY_BROKER_URL"])._replace(path=f"/{database}")
    return [key.decode() for key in redis.from_url(url.geturl()).keys()]
"#;

fn stack() -> SetupBuilder {
    Setup::builder()
        .broker(Redis::default().named("store"))
        .backend(Redis::default().db(1).inside("store"))
        .worker(Worker::default().concurrency(1).tasks(PyModule::source("keys_module", KEYS)))
}

#[testcelery::test(setup = stack)]
async fn one_server_two_databases(setup: Setup) -> Result<()> {
    let (broker, backend) = (&setup.brokers()[0], &setup.backends()[0]);
    assert_eq!(broker.container().id(), backend.container().id());
    assert_eq!((broker.name(), backend.name(), setup.len()), ("store", "backend", 2));
    assert!(broker.url().to_string().ends_with("/0") && backend.url().to_string().ends_with("/1"));

    let ping = setup.app().task("testcelery.tasks.ping").send().await?;
    assert_eq!(ping.get::<String>().await?, "pong");
    let result = format!("celery-task-meta-{}", ping.id());
    let keys = async |database: u8| -> Result<BTreeSet<String>> {
        Ok(setup.app().task("keys").args((database,)).send().await?.get().await?)
    };
    let (messages, results, none) = (keys(0).await?, keys(1).await?, keys(255).await?);
    assert!(messages.contains("_kombu.binding.celery") && !messages.contains(&result), "{messages:?}");
    assert!(results.contains(&result) && !results.contains("_kombu.binding.celery"), "{results:?}");
    assert!(none.is_empty(), "{none:?}");
    setup.ready().await
}

/// Who restarts the one restarts the other, and both come back.
#[testcelery::test(setup = stack)]
async fn broker_and_backend_restart_as_one(setup: Setup) -> Result<()> {
    assert_eq!(setup.ping().await?, "pong");
    setup.backends()[0].restart().await?;
    assert_eq!(setup.ping().await?, "pong");
    Ok(())
}

#[tokio::test]
async fn a_server_that_is_not_there() {
    let elsewhere = Setup::builder().broker(RabbitMq::default()).backend(Redis::default().inside("store"));
    let error = elsewhere.start().await.expect_err("there is no store").to_string();
    assert_eq!(error, "component `backend`: there is no node `store` before it; there is `broker`");
    let other = Setup::builder().broker(RabbitMq::default()).backend(Redis::default().inside("broker"));
    let error = other.start().await.expect_err("it is no Redis").to_string();
    assert!(error.contains("`broker`, which is no Redis server but a rabbitmq"), "{error}");
}
