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

/// What the default worker leaves out is there where it is asked for.
#[testcelery::test(with = stacks::plain)]
async fn mingle(setup: Setup) -> Result<()> {
    setup.workers()[0].logs().wait_for("mingle: all alone").await?;
    assert_eq!(setup.ping().await?, "pong");
    Ok(())
}
