//! Waiting for what a worker logs.

use std::time::Duration;

use testcelery::{api::LogPattern, prelude::*};

#[testcelery::test(backends(redis, memcached, rpc))]
async fn worker_log_wait(setup: Setup) -> anyhow::Result<()> {
    let logs = setup.workers()[0].logs();
    let before = logs.cursor();
    let succeeded =
        LogPattern::regex(r"Task testcelery\.tasks\.ping\[[0-9a-f-]+\] succeeded in [0-9.e-]+s: 'pong'")?;
    assert!(!logs.contains(succeeded.clone()));
    for _ in 0..3 {
        setup.ping().await?;
    }
    logs.wait(succeeded.clone()).times(3).since(before).await?;
    let fourth = logs.wait(succeeded).times(4).timeout(Duration::from_millis(200)).await;
    let error = fourth.expect_err("there were three").to_string();
    assert!(error.contains("4 times a log line that matches"), "{error}");
    Ok(())
}
