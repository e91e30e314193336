//! Ctrl-C and SIGTERM.

use std::{process::ExitCode, time::Duration};

use anyhow::Context as _;
use tokio::signal::unix::{SignalKind, signal};

use crate::{session, ui};

/// What a shell reports for a program that SIGINT ended: 128 + 2.
const INTERRUPTED: u8 = 130;

/// Runs a task to its end, or until SIGINT or SIGTERM. Then the task is dropped, which kills its child processes with their groups,
/// and what they started in the daemon is removed.
pub(crate) fn run(task: impl Future<Output = anyhow::Result<ExitCode>>) -> anyhow::Result<ExitCode> {
    testcelery_api::require_threads(8)?;
    let runtime = tokio::runtime::Runtime::new().context("could not start the async runtime")?;
    let result = runtime.block_on(async {
        tokio::select! {
            biased;
            interrupted = interrupted() => interrupted?,
            result = task => return result,
        }
        ui::note("interrupted: removing what was started");
        session::remove().await?;
        Ok(ExitCode::from(INTERRUPTED))
    });
    // A blocking call that waits for a lock cannot be cancelled.
    runtime.shutdown_timeout(Duration::from_millis(100));
    result
}

/// Waits for SIGINT or SIGTERM.
async fn interrupted() -> anyhow::Result<()> {
    let mut interrupt = signal(SignalKind::interrupt()).context("could not listen for SIGINT")?;
    let mut terminate = signal(SignalKind::terminate()).context("could not listen for SIGTERM")?;
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    Ok(())
}
