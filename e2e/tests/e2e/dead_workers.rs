//! A wait for a result ends when nobody is left who could run the task, and not before.

use std::time::{Duration, Instant};

use testcelery::{api::ExitStatus, client, prelude::*};

/// Far less than the limit of the waits below, far more than what an end takes to be noticed.
const SOON: Duration = Duration::from_secs(30);
const LIMIT: Duration = Duration::from_secs(120);

const TASKS: &str = r#"
import os
import tempfile
import time

from celery import shared_task


@shared_task(name="die")
def die():
    os._exit(9)


@shared_task(name="die_once", bind=True, acks_late=True, reject_on_worker_lost=True)
def die_once(self):
    path = os.path.join(tempfile.gettempdir(), "died")
    if not os.path.exists(path):
        open(path, "w").close()
        os._exit(9)
    return "again"


@shared_task(name="block")
def block(seconds):
    time.sleep(seconds)
    return "done"
"#;

fn solo(queue: &str) -> Worker {
    Worker::default().pool("solo").queue(queue).tasks(PyModule::source("deadly", TASKS))
}

fn one_worker(setup: SetupBuilder) -> SetupBuilder {
    setup.worker(solo("deadly"))
}

fn two_workers(setup: SetupBuilder) -> SetupBuilder {
    setup.worker(solo("deadly")).worker(solo("other"))
}

#[testcelery::test(backends(redis, memcached, rpc), with = one_worker)]
async fn a_worker_that_dies_ends_the_wait(setup: Setup) -> Result<()> {
    let result = setup.app().task("die").queue("deadly").send().await?;
    let begin = Instant::now();
    let error = result.get_within::<()>(LIMIT).await.expect_err("the worker dies");
    assert!(begin.elapsed() < SOON, "{:?}", begin.elapsed());
    assert!(matches!(error, client::Error::WorkersGone { .. }), "{error}");
    let text = error.to_string();
    assert!(text.contains("worker exited with code 9") && text.contains("queue deadly"), "{text}");
    assert!(text.contains("| ") && text.contains("die["), "{text}");
    Ok(())
}

/// The other worker consumes another queue.
#[testcelery::test(with = two_workers)]
async fn the_last_worker_of_the_queue_counts(setup: Setup) -> Result<()> {
    let result = setup.app().task("die").queue("deadly").send().await?;
    let begin = Instant::now();
    let text = result.get_within::<()>(LIMIT).await.expect_err("the worker dies").to_string();
    assert!(begin.elapsed() < SOON, "{:?}", begin.elapsed());
    assert!(text.contains("worker-1 exited") && !text.contains("worker-2"), "{text}");
    let other = setup.app().task("testcelery.tasks.ping").queue("other").send().await?;
    assert_eq!(other.get::<String>().await?, "pong");
    Ok(())
}

/// A worker that the test starts again takes the task up, and the wait goes on.
#[testcelery::test(brokers(rabbitmq), with = one_worker)]
async fn a_worker_that_is_restarted_may_still_answer(setup: Setup) -> Result<()> {
    let result = setup.app().task("die_once").queue("deadly").send().await?;
    let worker = &setup.workers()[0];
    let waiting = result.get_within::<String>(LIMIT);
    let restarting = async {
        assert_eq!(worker.wait_exit_within(LIMIT).await?, ExitStatus::Code(9));
        worker.start().await?;
        worker.restart().await
    };
    let (answer, restarted) = futures_util::future::join(waiting, restarting).await;
    restarted?;
    assert_eq!(answer?, "again");
    Ok(())
}

/// What was stored before the end is there after it.
#[testcelery::test(backends(redis, memcached, rpc), with = one_worker)]
async fn a_result_that_was_stored_is_returned_all_the_same(setup: Setup) -> Result<()> {
    let result = setup.app().task("testcelery.tasks.ping").queue("deadly").send().await?;
    let worker = &setup.workers()[0];
    worker.logs().wait_for("succeeded in").await?;
    worker.kill(Signal::KILL).await?;
    assert_eq!(result.get_within::<String>(LIMIT).await?, "pong");
    assert_eq!(result.get_within::<String>(Duration::ZERO).await?, "pong");
    Ok(())
}

#[testcelery::test(brokers(redis), with = one_worker)]
async fn a_busy_worker_is_not_taken_for_a_dead_one(setup: Setup) -> Result<()> {
    let worker = &setup.workers()[0];
    let result = setup.app().task("block").args((15,)).queue("deadly").send().await?;
    worker.logs().wait_for("received").await?;
    let error = setup.confirm(Ready::none().control()).await.expect_err("it is busy").to_string();
    assert!(error.contains("worker `worker` (") && error.contains("runs and has not answered"), "{error}");
    assert!(error.contains("it is busy"), "{error}");
    assert_eq!(result.get::<String>().await?, "done");
    setup.confirm(Ready::none().control()).await?;
    worker.kill(Signal::KILL).await?;
    let begin = Instant::now();
    let error = setup.confirm(Ready::none().control()).await.expect_err("it is dead").to_string();
    assert!(error.contains("it exited with code 137"), "{error}");
    assert!(begin.elapsed() < SOON, "{:?}", begin.elapsed());
    Ok(())
}

fn deaf(setup: SetupBuilder) -> SetupBuilder {
    setup.worker(Worker::default().concurrency(1).config("worker_enable_remote_control", false))
}

#[testcelery::test(brokers(redis), with = deaf)]
async fn a_worker_without_remote_control_is_named_as_such(setup: Setup) -> Result<()> {
    let error = setup.ready().await.expect_err("it takes no commands").to_string();
    assert!(error.contains("`worker_enable_remote_control` is off"), "{error}");
    setup.confirm(Ready::none().containers().ping()).await
}
