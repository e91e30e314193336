//! Two brokers, two backends, three different workers.

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

#[testcelery::test(setup = hybrid)]
async fn workers_go_to_the_other_broker(setup: Setup) -> Result<()> {
    let (host, port) = setup.brokers()[1].container().network_address(5672);
    // A gevent worker listens to remote control in a greenlet that starts after it is ready, and one that dies while it starts leaves Celery
    // waiting for its end for ever (`celery.worker.pidbox.gPidbox.stop`).
    setup.confirm(Ready::none().control()).await?;
    setup.brokers()[0].kill(Signal::KILL).await?;
    for worker in setup.workers() {
        worker.logs().wait_for("Will retry using next failover.").await?;
        worker.logs().wait_for(format!("Connected to amqp://testcelery:**@{host}:{port}//")).await?;
    }
    let app = testcelery::app("survivor")
        .broker_url(setup.brokers()[1].host_url()?.reveal())
        .backend_url(setup.backends()[0].host_url()?.reveal());
    let app = app.connect().await?;
    for queue in ["newest", "threaded"] {
        assert_eq!(
            app.task("tests.tasks.add").args((40, 2)).queue(queue).send().await?.get::<i64>().await?,
            42
        );
    }
    let legacy = legacy_app(&setup, 1).await?;
    assert_eq!(
        legacy.task("tests.tasks.add").args((1, 2)).queue("legacy").send().await?.get::<i64>().await?,
        3
    );
    app.close().await;
    legacy.close().await;
    Ok(())
}
