//! Options of a call that a worker or broker acts on.

use std::time::{Duration, Instant};

use testcelery::prelude::*;

use crate::stacks;

#[testcelery::test(backends(redis, memcached, rpc))]
async fn countdown(setup: Setup) -> Result<()> {
    let delay = Duration::from_millis(1500);
    let sent = Instant::now();
    let result = setup.app().task("testcelery.tasks.ping").countdown(delay).send().await?;
    assert_eq!(result.get::<String>().await?, "pong");
    // Both clocks are this machine's; Celery's timer may be early by the rounding of its heap.
    let elapsed = sent.elapsed();
    assert!(elapsed >= delay - Duration::from_millis(20), "came after {elapsed:?}");
    Ok(())
}

#[testcelery::test(backends(redis, memcached, rpc))]
async fn expired(setup: Setup) -> Result<()> {
    // Late enough for the broker to hand it over, too early for the countdown.
    let result = setup
        .app()
        .task("testcelery.tasks.ping")
        .countdown(Duration::from_millis(1500))
        .expires(Duration::from_millis(700))
        .send()
        .await?;
    let error = result.get::<String>().await.expect_err("it expires before it is due");
    let raised = error.as_task_error().expect("the worker says so");
    assert_eq!((raised.exc_type.as_str(), &raised.state), ("TaskRevokedError", &State::Revoked));
    Ok(())
}

#[testcelery::test(backends(redis, memcached, rpc), with = stacks::one_at_a_time)]
async fn priority(setup: Setup) -> Result<()> {
    let app = setup.app();
    let logs = setup.workers()[0].logs();
    // RabbitMQ serves the highest number first, Kombu's Redis transport the lowest.
    let (urgent, idle) = if setup.brokers()[0].kind() == "rabbitmq" { (9, 0) } else { (0, 9) };

    let blocker = app.task("testcelery.tasks.sleep").args((1.0,)).priority(urgent).send().await?;
    logs.wait_for(format!("[{}] received", blocker.id())).await?;
    let later = app.task("testcelery.tasks.identity").args(("later",)).priority(idle).send().await?;
    let sooner = app.task("testcelery.tasks.identity").args(("sooner",)).priority(urgent).send().await?;
    assert_eq!(later.get::<String>().await?, "later");
    assert_eq!(sooner.get::<String>().await?, "sooner");

    let sooner = logs.wait_for(format!("[{}] received", sooner.id())).await?;
    let later = logs.wait_for(format!("[{}] received", later.id())).await?;
    assert!(sooner.number < later.number, "{later:?} came before {sooner:?}");
    Ok(())
}

/// A task whose own option is on.
const IGNORING: &str = r#"
from celery import shared_task


@shared_task(name="ignoring", ignore_result=True)
def ignoring():
    return "kept"
"#;

fn ignoring(builder: SetupBuilder) -> SetupBuilder {
    builder.worker(Worker::default().concurrency(1).tasks(PyModule::source("ignoring_module", IGNORING)))
}

#[testcelery::test(backends(redis, memcached, rpc), with = ignoring)]
async fn a_tasks_own_ignore_result_counts_where_the_call_sets_none(setup: Setup) -> Result<()> {
    let app = setup.app();
    let silent = app.task("ignoring").send().await?;
    setup.workers()[0].logs().wait_for(format!("[{}] succeeded", silent.id())).await?;
    // The worker has one process: what it stored for the first task would be there before this one ends.
    let explicit = app.task("ignoring").ignore_result(false).send().await?;
    assert_eq!(explicit.get::<String>().await?, "kept");
    assert_eq!(silent.state().await?, State::Pending);
    let error = silent.get_within::<String>(Duration::from_millis(200)).await.expect_err("none is stored");
    assert!(error.to_string().contains("`.ignore_result(false)`"), "{error}");
    Ok(())
}

#[testcelery::test]
async fn ignored_result(setup: Setup) -> Result<()> {
    let ignored = setup.app().task("testcelery.tasks.ping").ignore_result(true).send().await?;
    setup.workers()[0].logs().wait_for(format!("[{}] succeeded", ignored.id())).await?;
    let error = ignored.get::<String>().await.expect_err("nobody keeps it").to_string();
    assert!(error.contains("ignore"), "{error}");
    Ok(())
}
