//! The first thing that everybody tries.

use testcelery::prelude::*;

use crate::stacks;

#[testcelery::test(backends(redis, memcached, rpc))]
async fn ping(setup: Setup) -> Result<()> {
    assert_eq!(setup.ping().await?, "pong");
    Ok(())
}

#[testcelery::test(backends(redis, memcached, rpc))]
async fn all_confirmations(setup: Setup) -> Result<()> {
    setup.ready().await?;
    setup.confirm(Ready::none().control()).await
}

/// Celery's own ready line is logged at INFO; our readiness does not depend on it.
#[testcelery::test(with = stacks::quiet)]
async fn ready_at_any_log_level(setup: Setup) -> Result<()> {
    assert!(!setup.workers()[0].logs().contains(" ready."));
    assert_eq!(setup.workers()[0].log_level(), "ERROR");
    assert_eq!(setup.ping().await?, "pong");
    Ok(())
}
