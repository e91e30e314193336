//! A worker of one's own, beside the built-in one.

use testcelery::prelude::*;

#[derive(Debug)]
struct MyWorker;

impl WorkerRecipe for MyWorker {
    fn name(&self) -> Option<String> {
        Some("my-worker".to_owned())
    }

    fn version(&self) -> String {
        "5.6.2".to_owned()
    }

    fn log_level(&self) -> String {
        "DEBUG".to_owned()
    }

    fn queues(&self) -> Vec<String> {
        vec!["myworker".to_owned()]
    }

    fn dockerfile(&self) -> Option<Dockerfile> {
        Some(Dockerfile::folder("tests/myworker"))
    }

    fn tasks(&self) -> Vec<PyModule> {
        vec![PyModule::file("tests/tasks.py")]
    }
}

fn with_my_worker(setup: SetupBuilder) -> SetupBuilder {
    setup.worker(Worker::default().tasks(PyModule::file("tests/tasks.py"))).worker(MyWorker)
}

#[testcelery::test(with = with_my_worker, needs(image_build))]
async fn both_are_ready(setup: Setup) -> Result<()> {
    for worker in setup.workers() {
        worker.ready().await?;
    }
    setup.ready().await
}

#[testcelery::test(with = with_my_worker, needs(image_build))]
async fn what_it_says_is_what_runs(setup: Setup) -> Result<()> {
    let worker = &setup.workers()[1];
    assert_eq!((worker.version(), worker.log_level()), ("5.6.2", "DEBUG"));
    assert_eq!(worker.queues(), ["myworker"]);
    worker.logs().wait_for("my-worker@my-worker v5.6.2").await?;
    assert_eq!(worker.python::<String>("__import__('celery').__version__").await?, "5.6.2");
    Ok(())
}

#[testcelery::test(with = with_my_worker, needs(image_build))]
async fn each_serves_its_queue(setup: Setup) -> Result<()> {
    for worker in setup.workers() {
        let who = setup.app().task("tests.tasks.who").queue(&worker.queues()[0]).send().await?;
        assert_eq!(who.get::<String>().await?, worker.hostname());
    }
    Ok(())
}
