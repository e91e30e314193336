//! What Rust sees of an exception.

use testcelery::prelude::*;

#[testcelery::test(backends(redis, memcached, rpc))]
async fn failing_task(setup: Setup) -> Result<()> {
    let result = setup.app().task("testcelery.tasks.fail").args(("out of cheese", 42)).send().await?;
    let error = result.get::<serde_json::Value>().await.expect_err("the task raises");
    let raised = error.as_task_error().expect("an exception of the task");
    assert_eq!(raised.exc_type, "RuntimeError");
    assert_eq!(raised.exc_module, "builtins");
    assert_eq!(raised.message(), "out of cheese, 42");
    assert_eq!(raised.state, State::Failure);
    let traceback = raised.traceback.as_deref().expect("a traceback");
    assert!(traceback.starts_with("Traceback (most recent call last)"), "{traceback}");
    assert_eq!(result.state().await?, State::Failure);
    // The stack goes on.
    assert_eq!(setup.ping().await?, "pong");
    Ok(())
}

#[testcelery::test(backends(redis, memcached, rpc))]
async fn unknown_task(setup: Setup) -> Result<()> {
    let result = setup.app().task("nobody.knows.me").send().await?;
    let error = result.get::<()>().await.expect_err("no worker has it");
    let raised = error.as_task_error().expect("an exception of the worker");
    assert_eq!(raised.exc_type, "NotRegistered");
    assert!(error.to_string().contains("nobody.knows.me"), "{error}");
    Ok(())
}
