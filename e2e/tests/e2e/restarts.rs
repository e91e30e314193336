//! Every kind of node is killed and comes back, and the app goes on as if nothing had been.

use std::time::Duration;

use testcelery::{
    api::{ContainerState, ExitStatus},
    prelude::*,
};

use crate::stacks;

#[testcelery::test(backends(redis, memcached, rpc))]
async fn worker_killed_and_restarted(setup: Setup) -> Result<()> {
    assert_eq!(setup.ping().await?, "pong");
    let worker = &setup.workers()[0];
    worker.kill(Signal::KILL).await?;
    assert_eq!(worker.container().state().await?, ContainerState::Exited(ExitStatus::Code(137)));
    worker.start().await?;
    assert_eq!(setup.ping().await?, "pong");
    worker.restart().await?;
    assert_eq!(setup.ping().await?, "pong");
    // A warm shutdown ends with code 0.
    worker.kill(Signal::TERM).await?;
    assert_eq!(worker.wait_exit().await, ExitStatus::Code(0));
    worker.start().await?;
    setup.ready().await
}

#[testcelery::test(backends(redis, memcached, rpc))]
async fn broker_killed_and_restarted(setup: Setup) -> Result<()> {
    assert_eq!(setup.ping().await?, "pong");
    let broker = &setup.brokers()[0];
    broker.kill(Signal::KILL).await?;
    broker.start().await?;
    assert_eq!(setup.ping().await?, "pong");
    broker.restart().await?;
    assert_eq!(setup.ping().await?, "pong");
    Ok(())
}

/// A stop in order keeps what waits in queues: RabbitMQ has it on disk, and Redis writes it when it ends.
#[testcelery::test(backends(redis))]
async fn broker_restarted_in_order_keeps_its_queues(setup: Setup) -> Result<()> {
    let worker = &setup.workers()[0];
    worker.kill(Signal::TERM).await?;
    worker.wait_exit().await;
    let waiting = setup.app().task("testcelery.tasks.ping").send().await?;
    setup.brokers()[0].restart().await?;
    worker.start().await?;
    assert_eq!(waiting.get::<String>().await?, "pong");
    Ok(())
}

fn append_only() -> SetupBuilder {
    let redis = || Redis::default().conf("appendonly yes").conf("appendfsync always");
    Setup::builder().broker(redis()).backend(redis())
}

#[testcelery::test(setup = append_only)]
async fn append_only_redis_survives_a_kill(setup: Setup) -> Result<()> {
    let worker = &setup.workers()[0];
    worker.kill(Signal::TERM).await?;
    worker.wait_exit().await;
    let waiting = setup.app().task("testcelery.tasks.ping").send().await?;
    for node in [setup.brokers()[0].container(), setup.backends()[0].container()] {
        node.kill(&Signal::KILL).await?;
        node.wait_exit().await;
    }
    setup.brokers()[0].start().await?;
    setup.backends()[0].start().await?;
    worker.start().await?;
    assert_eq!(waiting.get::<String>().await?, "pong");
    Ok(())
}

#[testcelery::test(backends(redis, memcached), with = stacks::patient_with_memcached)]
async fn backend_killed_and_restarted(setup: Setup) -> Result<()> {
    assert_eq!(setup.ping().await?, "pong");
    let backend = &setup.backends()[0];
    backend.kill(Signal::KILL).await?;
    backend.start().await?;
    assert_eq!(setup.ping().await?, "pong");
    backend.restart().await?;
    assert_eq!(setup.ping().await?, "pong");
    Ok(())
}

/// A call is sent when its result is listened for, and not before: what a fast worker answers meanwhile would be lost.
#[testcelery::test(brokers(redis), backends(redis))]
async fn nothing_is_sent_before_its_result_is_listened_for(setup: Setup) -> Result<()> {
    assert_eq!(setup.ping().await?, "pong");
    let logs = setup.workers()[0].logs();
    logs.wait_for(" succeeded in ").await?;
    let received = logs.count("] received");
    let container = setup.backends()[0].container();
    container.pause().await?;
    let mut sending = Box::pin(setup.app().task("testcelery.tasks.ping").send());
    assert!(tokio::time::timeout(Duration::from_millis(300), &mut sending).await.is_err());
    assert_eq!(logs.count("] received"), received);
    container.unpause().await?;
    assert_eq!(sending.await?.get::<String>().await?, "pong");
    Ok(())
}

/// A wait after a restart sees the new run only.
#[testcelery::test]
async fn logs_start_over_with_the_worker(setup: Setup) -> Result<()> {
    let worker = &setup.workers()[0];
    let first = worker.logs().wait_for(" ready.").await?;
    worker.restart().await?;
    let second = worker.logs().wait_for(" ready.").await?;
    assert!(second.number > first.number);
    assert_eq!(worker.logs().wait(" ready.").from_beginning().await?, first);
    Ok(())
}

#[testcelery::test]
async fn paused_worker_goes_on(setup: Setup) -> Result<()> {
    let container = setup.workers()[0].container();
    container.pause().await?;
    let result = setup.app().task("testcelery.tasks.ping").send().await?;
    assert_eq!(container.state().await?, ContainerState::Paused);
    assert_eq!(result.state().await?, State::Pending);
    container.unpause().await?;
    assert_eq!(result.get::<String>().await?, "pong");
    Ok(())
}
