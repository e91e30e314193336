//! The code of the README.

use testcelery::prelude::*;

#[testcelery::test] // runs once per broker: hello_world::rabbitmq_redis and hello_world::redis_redis
async fn hello_world(setup: Setup) -> Result<()> {
    assert_eq!(setup.ping().await?, "pong");
    Ok(())
}

fn stack() -> SetupBuilder {
    Setup::builder()
        .broker(RabbitMq::default())
        .backend(Redis::default())
        .worker(Worker::default().tasks(PyModule::file("tests/tasks.py")).queue("fast"))
}

#[testcelery::test(setup = stack)]
async fn adds(setup: Setup) -> Result<()> {
    let call = setup.app().task("tests.tasks.add").args((2, 3)).queue("fast");
    let sum: i64 = call.send().await?.get().await?;
    assert_eq!(sum, 5);
    setup.workers()[0].logs().wait_for("succeeded in").await?;
    Ok(())
}
