//! A number of workers that is known when the test runs only.

use testcelery::prelude::*;

/// Three of them, each on a queue of its own, and one more on `celery`.
fn range() -> SetupBuilder {
    let shards = (0..3).map(|shard| Worker::default().queue(format!("shard-{shard}")).concurrency(1));
    Setup::builder()
        .broker(Redis::default())
        .backend(Redis::default())
        .workers(shards)
        .worker(Worker::default().named("rest").concurrency(1))
}

#[testcelery::test(setup = range)]
async fn each_of_a_range_answers_on_its_queue(setup: Setup) -> Result<()> {
    let names: Vec<&str> = setup.workers().iter().map(|worker| worker.name()).collect();
    assert_eq!(names, ["worker-1", "worker-2", "worker-3", "rest"]);
    setup.ready().await?;
    for worker in setup.workers() {
        let call = setup.app().task("testcelery.tasks.ping").queue(&worker.queues()[0]);
        let ping = call.send().await?;
        assert_eq!(ping.get::<String>().await?, "pong");
        worker.logs().wait_for(format!("[{}] succeeded", ping.id())).await?;
    }
    Ok(())
}
