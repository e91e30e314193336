//! Who gets which task.

use testcelery::prelude::*;

use crate::stacks;

#[testcelery::test(backends(redis, memcached, rpc), with = stacks::two_workers)]
async fn two_workers_on_two_queues(setup: Setup) -> Result<()> {
    assert_eq!(setup.workers().len(), 2);
    for (worker, queue) in [(0, "fast"), (1, "slow")] {
        let call = setup.app().task("testcelery.tasks.identity").args((queue,)).queue(queue);
        let result = call.send().await?;
        assert_eq!(result.get::<String>().await?, queue);
        let done = format!("[{}] succeeded", result.id());
        setup.workers()[worker].logs().wait_for(done.as_str()).await?;
        assert!(!setup.workers()[1 - worker].logs().contains(result.id()));
        assert_eq!(setup.workers()[worker].queues(), [queue]);
    }
    setup.ready().await
}

#[testcelery::test(backends(redis, memcached, rpc))]
async fn task_replaced_on_its_queue(setup: Setup) -> Result<()> {
    let call = setup.app().task("testcelery.tasks.add_replaced").args((1, 2)).kwarg("queue", "celery");
    assert_eq!(call.send().await?.get::<i64>().await?, 3);
    setup.workers()[0].logs().wait_for("ignored").await?;
    Ok(())
}

#[testcelery::test(backends(redis, memcached, rpc), with = stacks::custom_queue)]
async fn custom_queue_name(setup: Setup) -> Result<()> {
    assert_eq!(setup.workers()[0].queues(), ["letters.to-everyone"]);
    let result = setup.app().task("testcelery.tasks.ping").queue("letters.to-everyone").send().await?;
    assert_eq!(result.get::<String>().await?, "pong");
    assert_eq!(setup.ping().await?, "pong");
    Ok(())
}
