//! Calls end in time when a server hangs: its processes are frozen, and its port still takes connections.

use std::time::{Duration, Instant};

use testcelery::{api::Container, prelude::*};

/// More than any limit that is stated, by what a loaded machine may add.
const SLACK: Duration = Duration::from_secs(10);

/// Freezes a container while a body runs.
async fn frozen<T>(container: &dyn Container, body: impl Future<Output = T>) -> Result<T> {
    container.pause().await?;
    let outcome = body.await;
    container.unpause().await?;
    Ok(outcome)
}

/// How long a call takes that is expected to fail.
async fn refused<T: std::fmt::Debug, E>(call: impl Future<Output = std::result::Result<T, E>>) -> Duration {
    let begin = Instant::now();
    assert!(call.await.is_err());
    begin.elapsed()
}

#[testcelery::test(backends(redis))]
async fn a_command_has_its_timeout_when_the_broker_hangs(setup: Setup) -> Result<()> {
    assert_eq!(setup.ping().await?, "pong");
    let command = setup.app().control().ping().timeout(Duration::from_secs(1));
    let begin = Instant::now();
    // Redis and RabbitMQ may have taken the command in their sockets, so that there is nobody who answers.
    let outcome = frozen(setup.brokers()[0].container().as_ref(), command.send()).await?;
    assert!(begin.elapsed() < Duration::from_secs(1) + SLACK, "{:?}", begin.elapsed());
    assert!(outcome.is_err(), "{outcome:?}");
    assert_eq!(setup.ping().await?, "pong");
    setup.confirm(Ready::none().control()).await
}

#[testcelery::test(brokers(redis), backends(redis, memcached))]
async fn questions_to_a_backend_that_hangs_have_a_limit(setup: Setup) -> Result<()> {
    let limit = Duration::from_secs(35) + SLACK;
    let result = setup.app().task("testcelery.tasks.ping").send().await?;
    assert_eq!(result.get::<String>().await?, "pong");
    let questions = async {
        let get = refused(result.get_within::<String>(Duration::from_secs(1)));
        let all = futures_util::future::join3(get, refused(result.state()), refused(result.forget()));
        all.await
    };
    let (get, state, forget) = frozen(setup.backends()[0].container().as_ref(), questions).await?;
    assert!(
        get < Duration::from_secs(2) + SLACK && state < limit && forget < limit,
        "{get:?} {state:?} {forget:?}"
    );
    assert_eq!(setup.ping().await?, "pong");
    Ok(())
}

#[testcelery::test(backends(redis, memcached, rpc))]
async fn closing_has_a_limit_when_all_servers_hang(setup: Setup) -> Result<()> {
    assert_eq!(setup.ping().await?, "pong");
    let containers = setup.brokers().iter().map(|node| node.container());
    let containers: Vec<_> = containers.chain(setup.backends().iter().map(|node| node.container())).collect();
    for container in &containers {
        container.pause().await?;
    }
    let begin = Instant::now();
    setup.app().close().await;
    let waited = begin.elapsed();
    for container in &containers {
        container.unpause().await?;
    }
    assert!(waited < Duration::from_secs(5) + SLACK, "{waited:?}");
    assert!(setup.ping().await.is_err());
    Ok(())
}
