//! Everything that one task starts belongs to one session, and goes with it.

use std::{
    sync::OnceLock,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use testcelery_docker::{Docker, Filter, Leftovers, SESSION_VARIABLE};

use crate::ui;

/// How long the daemon may still work on a request of a process that was killed.
const LAST_REQUESTS: Duration = Duration::from_millis(500);

/// The identifier of this task's session.
pub(crate) fn id() -> &'static str {
    static ID: OnceLock<String> = OnceLock::new();
    ID.get_or_init(|| {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        format!("xtask-{}-{}", std::process::id(), now.as_secs())
    })
}

/// What a child needs to belong to the session.
pub(crate) fn environment() -> Vec<(&'static str, String)> {
    vec![(SESSION_VARIABLE, id().to_owned())]
}

/// Removes what earlier runs left when they were killed, so that it is not held against this one.
pub(crate) async fn sweep(docker: &Docker) -> anyhow::Result<()> {
    let removed = docker.remove_leftovers(&Filter::DeadOwner).await?;
    for name in names(&removed) {
        ui::note(format_args!("removed what a killed run left behind: {name}"));
    }
    Ok(())
}

/// The leak check: everything of this session, and everything whose owner has ended, should be gone. What is not is removed, and its
/// names are given.
pub(crate) async fn leaks(docker: &Docker) -> anyhow::Result<Vec<String>> {
    let mut leaks = Vec::new();
    for filter in [Filter::Session(id().to_owned()), Filter::DeadOwner] {
        leaks.extend(names(&docker.remove_leftovers(&filter).await?));
    }
    Ok(leaks)
}

/// Removes everything of this session after its processes were killed.
pub(crate) async fn remove() -> anyhow::Result<()> {
    let Ok(docker) = Docker::connect().await else {
        // Then nothing was started either.
        return Ok(());
    };
    leaks(&docker).await?;
    loop {
        // Nothing tells when the daemon is done with the last requests of a killed process.
        tokio::time::sleep(LAST_REQUESTS).await;
        if leaks(&docker).await?.is_empty() {
            return Ok(());
        }
    }
}

/// One line for each thing.
pub(crate) fn names(leftovers: &Leftovers) -> Vec<String> {
    let kinds = [
        ("container", &leftovers.containers),
        ("network", &leftovers.networks),
        ("volume", &leftovers.volumes),
    ];
    let lines = kinds.into_iter().flat_map(|(kind, things)| things.iter().map(move |thing| (kind, thing)));
    lines.map(|(kind, thing)| format!("{kind} {} (session {})", thing.name, thing.session)).collect()
}
