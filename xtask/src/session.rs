//! Everything that one task starts belongs to one session, and goes with it.

use std::{
    sync::OnceLock,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use testcelery::{
    ENGINE_VARIABLE,
    api::{Engine, Filter, SESSION_VARIABLE},
};

use crate::{
    engines::{self, Used},
    ui,
};

/// How long an engine may still work on a request of a process that was killed.
const LAST_REQUESTS: Duration = Duration::from_millis(500);

/// The identifier of this task's session.
pub(crate) fn id() -> &'static str {
    static ID: OnceLock<String> = OnceLock::new();
    ID.get_or_init(|| {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        format!("xtask-{}-{}", std::process::id(), now.as_secs())
    })
}

/// What a child needs to belong to the session and run on an engine.
pub(crate) fn environment(used: &Used) -> Vec<(&'static str, String)> {
    vec![(SESSION_VARIABLE, id().to_owned()), (ENGINE_VARIABLE, used.name().to_owned())]
}

/// Removes what earlier runs left when they were killed, so that it is not held against this one.
pub(crate) async fn sweep(engine: &dyn Engine) -> anyhow::Result<()> {
    for left in engine.remove_leftovers(&Filter::DeadOwner).await? {
        ui::note(format_args!("removed what a killed run left behind: {left}"));
    }
    Ok(())
}

/// The leak check: everything of this session, and everything whose owner has ended, should be gone. What is not is removed, and its
/// names are given.
pub(crate) async fn leaks(engine: &dyn Engine) -> anyhow::Result<Vec<String>> {
    let mut leaks = Vec::new();
    for filter in [Filter::Session(id().to_owned()), Filter::DeadOwner] {
        leaks.extend(engine.remove_leftovers(&filter).await?.iter().map(ToString::to_string));
    }
    Ok(leaks)
}

/// Removes everything of this session after its processes were killed.
pub(crate) async fn remove() -> anyhow::Result<()> {
    // An engine that cannot be reached has started nothing.
    for Used { engine, .. } in engines::all().await? {
        leaks(engine.as_ref()).await?;
        loop {
            // Nothing tells when an engine is done with the last requests of a killed process.
            tokio::time::sleep(LAST_REQUESTS).await;
            if leaks(engine.as_ref()).await?.is_empty() {
                break;
            }
        }
    }
    Ok(())
}
