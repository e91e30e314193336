//! The tasks that every worker of ours has.

use serde_json::json;
use testcelery::prelude::*;

#[testcelery::test(backends(redis, memcached, rpc))]
async fn default_tasks(setup: Setup) -> Result<()> {
    let app = setup.app();

    let sum: i64 = app.task("testcelery.tasks.add").args((2, 3)).send().await?.get().await?;
    assert_eq!(sum, 5);
    let sum: i64 = app.task("testcelery.tasks.add").args((2, 3)).kwarg("z", 4).send().await?.get().await?;
    assert_eq!(sum, 9);

    let replaced =
        app.task("testcelery.tasks.add_replaced").args((40, 2)).kwarg("queue", "celery").send().await?;
    assert_eq!(replaced.get::<i64>().await?, 42);

    let value =
        json!({"text": "Grüße, 世界", "list": [1, 2.5, null, true], "big": 9_007_199_254_740_993_i64});
    let identity = app.task("testcelery.tasks.identity").args((&value,)).send().await?;
    assert_eq!(identity.get::<serde_json::Value>().await?, value);

    app.task("testcelery.tasks.noop").args((1, "x")).kwarg("y", 2).send().await?.get::<()>().await?;
    assert_eq!(app.task("testcelery.tasks.ping").send().await?.get::<String>().await?, "pong");
    assert!(app.task("testcelery.tasks.sleep").args((0.05,)).send().await?.get::<bool>().await?);

    let flat = app.task("testcelery.tasks.xsum").args(([1, 2, 3],)).send().await?;
    assert_eq!(flat.get::<i64>().await?, 6);
    let nested = app.task("testcelery.tasks.xsum").args((json!([1, [2, 3], [[4]]]),)).send().await?;
    assert_eq!(nested.get::<i64>().await?, 10);
    Ok(())
}

#[testcelery::test(backends(redis, memcached, rpc))]
async fn many_tasks_at_once(setup: Setup) -> Result<()> {
    let app = setup.app();
    let mut results = Vec::new();
    for number in 0..50_i64 {
        results.push(app.task("testcelery.tasks.identity").args((number,)).send().await?);
    }
    for (number, result) in results.iter().enumerate() {
        assert_eq!(result.get::<usize>().await?, number);
    }
    // A result that was read once can be read again.
    assert_eq!(results[0].get::<usize>().await?, 0);
    assert_eq!(results[0].state().await?, State::Success);
    Ok(())
}
