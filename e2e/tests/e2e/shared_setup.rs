//! One setup of several runtimes: tests that share a setup in a static have a runtime each.

use std::{future::Future, time::Duration};

use testcelery::{api::Container, prelude::*};

/// Runs one test as `#[tokio::test]` does: on a runtime of its own, which ends with it.
fn test<T>(body: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(body)
}

/// Uses everything of a setup that lives on: connections, the subscription of results, replies, logs, commands.
async fn use_it(setup: &Setup) -> Result<()> {
    let ping = setup.app().task("testcelery.tasks.ping").send().await?;
    assert_eq!(ping.get_within::<String>(Duration::from_secs(15)).await?, "pong");
    assert_eq!(ping.state().await?, State::Success);
    let worker = &setup.workers()[0];
    let answers = setup
        .app()
        .control()
        .ping()
        .destination([worker.hostname()])
        .timeout(Duration::from_secs(15))
        .send()
        .await?;
    assert_eq!(answers.len(), 1);
    let succeeded = format!("testcelery.tasks.ping[{}] succeeded", ping.id());
    worker.logs().wait_for(succeeded).await?;
    let container: &dyn Container = worker.container().as_ref();
    assert!(container.exec(testcelery::Exec::new(["true"])).await?.success());
    Ok(())
}

fn three_tests(builder: fn() -> SetupBuilder) {
    let builder = || builder().worker(Worker::default().concurrency(1));
    let (setup, first) = test(async {
        let setup = builder().start().await.expect("it starts");
        let outcome = use_it(&setup).await;
        (setup, outcome)
    });
    let second = test(use_it(&setup));
    let third = test(use_it(&setup));
    test(setup.down()).expect("it goes");
    for outcome in [first, second, third] {
        outcome.expect("it works on every runtime");
    }
}

#[test]
fn rabbitmq_redis() {
    three_tests(|| Setup::builder().broker(RabbitMq::default()).backend(Redis::default()));
}

#[test]
fn redis_redis() {
    three_tests(|| Setup::builder().broker(Redis::default()).backend(Redis::default()));
}

#[test]
fn rabbitmq_rpc() {
    three_tests(|| Setup::builder().broker(RabbitMq::default()).rpc());
}

#[test]
fn redis_memcached() {
    three_tests(|| Setup::builder().broker(Redis::default()).backend(Memcached::default()));
}
