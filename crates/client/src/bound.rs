//! Limits of calls to transports and result stores, whatever these do themselves.

use std::{future::Future, time::Duration};

use tokio::time::{Instant, timeout_at};

use crate::{Error, Result};

/// How long one call to a transport or a result store may take. The transports and stores of testcelery end after 30 s with a reason of
/// their own; this limit is for those that keep none.
pub(crate) const CALL_LIMIT: Duration = Duration::from_secs(35);

/// How long a transport or a result store may take to connect for the first time. Those of testcelery take about 5 s at most.
pub(crate) const CONNECT_LIMIT: Duration = Duration::from_secs(10);

/// How long each of the two connections may take to close in order.
pub(crate) const CLOSE_LIMIT: Duration = Duration::from_millis(2500);

/// Runs a call for [`CALL_LIMIT`] at most.
pub(crate) async fn bounded<T>(
    operation: impl FnOnce() -> String,
    url: impl FnOnce() -> String,
    call: impl Future<Output = Result<T>>,
) -> Result<T> {
    within(CALL_LIMIT, operation, url, call).await
}

/// Runs a call for `limit` at most.
pub(crate) async fn within<T>(
    limit: Duration,
    operation: impl FnOnce() -> String,
    url: impl FnOnce() -> String,
    call: impl Future<Output = Result<T>>,
) -> Result<T> {
    until(Instant::now() + limit, limit, operation, url, call).await
}

/// Runs a call until `deadline`, which is the end of `limit`.
pub(crate) async fn until<T>(
    deadline: Instant,
    limit: Duration,
    operation: impl FnOnce() -> String,
    url: impl FnOnce() -> String,
    call: impl Future<Output = Result<T>>,
) -> Result<T> {
    match timeout_at(deadline, call).await {
        Ok(outcome) => outcome,
        Err(_) => Err(Error::connection(operation(), url(), format!("no answer within {limit:?}"))),
    }
}
