//! Two brokers, two backends, three different workers.

use testcelery::Exec;
use testcelery::prelude::*;

const LEGACY_CELERY: &str = "5.5.3";

/// A worker of one's own: whatever it does not say is the default.
#[derive(Debug)]
struct Threaded;

impl WorkerRecipe for Threaded {
    fn name(&self) -> Option<String> {
        Some("threaded".to_owned())
    }

    fn queues(&self) -> Vec<String> {
        vec!["threaded".to_owned()]
    }

    fn pool(&self) -> Option<String> {
        Some("threads".to_owned())
    }

    fn tasks(&self) -> Vec<PyModule> {
        vec![PyModule::file("tests/tasks.py")]
    }

    fn signals(&self) -> Vec<PyModule> {
        vec![PyModule::file("tests/signals.py")]
    }
}

fn worker(name: &str) -> Worker {
    Worker::default()
        .named(name)
        .queue(name)
        .tasks(PyModule::file("tests/tasks.py"))
        .signals(PyModule::file("tests/signals.py"))
}

fn hybrid() -> SetupBuilder {
    Setup::builder()
        .broker(RabbitMq::default().named("main"))
        .broker(RabbitMq::default().named("failover"))
        .backend(Redis::default().named("results"))
        .backend(Memcached::default().named("legacy-results"))
        .worker(worker("newest").pool("gevent").concurrency(100))
        .worker(worker("legacy").celery(LEGACY_CELERY).concurrency(1).backend("legacy-results"))
        .worker(Threaded)
}

/// The app of somebody whose results are in the other backend, at whichever broker.
async fn legacy_app(setup: &Setup, broker: usize) -> Result<App> {
    let app = testcelery::app("legacy")
        .broker_url(setup.brokers()[broker].host_url()?.reveal())
        .backend_url(setup.backends()[1].host_url()?.reveal());
    Ok(app.connect().await?)
}

#[testcelery::test(setup = hybrid)]
async fn every_worker_has_what_it_was_given(setup: Setup) -> Result<()> {
    for worker in setup.workers() {
        worker.logs().wait_for(format!("worker_ready_handler of {}", worker.hostname())).await?;
    }
    for worker in setup.workers().iter().filter(|worker| worker.name() != "legacy") {
        let who = setup.app().task("tests.tasks.who").queue(worker.name()).send().await?;
        assert_eq!(who.get::<(String, String)>().await?, (worker.hostname(), worker.version().to_owned()));
    }
    let legacy = legacy_app(&setup, 0).await?;
    let who = legacy.task("tests.tasks.who").queue("legacy").send().await?;
    let expected = (setup.workers()[1].hostname(), LEGACY_CELERY.to_owned());
    assert_eq!(who.get::<(String, String)>().await?, expected);
    setup.workers()[1].logs().wait_for("task_prerun_handler of tests.tasks.who").await?;
    legacy.close().await;
    Ok(())
}

/// Has every one of these workers gone to the second broker, and does it work there?
async fn went_to_failover(setup: &Setup, workers: &[&str]) -> Result<()> {
    let (host, port) = setup.brokers()[1].container().network_address(5672);
    for worker in setup.workers().iter().filter(|worker| workers.contains(&worker.name())) {
        worker.logs().wait_for("Will retry using next failover.").await?;
        worker.logs().wait_for(format!("Connected to amqp://testcelery:**@{host}:{port}//")).await?;
    }
    let newer = testcelery::app("survivor")
        .broker_url(setup.brokers()[1].host_url()?.reveal())
        .backend_url(setup.backends()[0].host_url()?.reveal());
    let newer = newer.connect().await?;
    let legacy = legacy_app(setup, 1).await?;
    for worker in workers {
        let app = if *worker == "legacy" { &legacy } else { &newer };
        let sum = app.task("tests.tasks.add").args((40, 2)).queue(*worker).send().await?;
        assert_eq!(sum.get::<i64>().await?, 42);
    }
    newer.close().await;
    legacy.close().await;
    Ok(())
}

#[testcelery::test(setup = hybrid)]
async fn workers_leave_a_broker_that_stops(setup: Setup) -> Result<()> {
    let stop = setup.brokers()[0].container().exec(Exec::new(["rabbitmqctl", "stop_app"])).await?;
    assert!(stop.success(), "{stop:?}");
    went_to_failover(&setup, &["newest", "legacy", "threaded"]).await
}

/// Without the newest: Celery connects without a time limit under gevent (`celery.worker.consumer.Consumer` sets
/// `broker_connection_timeout` to `None`), and the address of a container that was killed may say nothing at all, so such a worker
/// may hang for the two minutes in which Linux gives up.
#[testcelery::test(setup = hybrid)]
async fn workers_leave_a_broker_that_is_killed(setup: Setup) -> Result<()> {
    setup.brokers()[0].kill(Signal::KILL).await?;
    went_to_failover(&setup, &["legacy", "threaded"]).await
}
