//! Workers by the range.

use testcelery::prelude::*;

const WORKERS: usize = 3;

/// As many workers as there are numbers, each with a queue of its own.
fn shards() -> SetupBuilder {
    let workers = (0..WORKERS).map(|n| Worker::default().queue(format!("shard-{n}")).concurrency(1));
    Setup::builder().broker(Redis::default()).backend(Redis::default()).workers(workers)
}

#[testcelery::test(setup = shards)]
async fn each_shard_has_its_queue(setup: Setup) -> Result<()> {
    assert_eq!(setup.workers().len(), WORKERS);
    for (n, worker) in setup.workers().iter().enumerate() {
        let call = setup.app().task("testcelery.tasks.identity").args((n,)).queue(format!("shard-{n}"));
        let sent = call.send().await?;
        assert_eq!(sent.get::<usize>().await?, n);
        worker.logs().wait_for(format!("[{}] succeeded", sent.id())).await?;
    }
    Ok(())
}

const VERSIONS: [&str; 3] = ["5.5.3", "5.6.2", "5.7.0"];

/// A worker of each version, which consumes from a queue that is named after it.
fn versions() -> SetupBuilder {
    let workers = VERSIONS.map(|version| Worker::default().celery(version).queue(version).concurrency(1));
    Setup::builder().broker(RabbitMq::default()).backend(Redis::default()).workers(workers)
}

#[testcelery::test(setup = versions)]
async fn each_version_runs(setup: Setup) -> Result<()> {
    for (worker, version) in setup.workers().iter().zip(VERSIONS) {
        assert_eq!(worker.version(), version);
        worker.logs().wait_for(format!("{} v{version}", worker.hostname())).await?;
        let ping = setup.app().task("testcelery.tasks.ping").queue(version);
        assert_eq!(ping.send().await?.get::<String>().await?, "pong");
    }
    setup.ready().await
}
