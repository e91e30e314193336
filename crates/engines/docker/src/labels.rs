//! The labels on everything that is ours, and who owns it.

use std::collections::HashMap;

use testcelery_api::{Owner, session_id};

/// On everything that this engine makes, with the value `true`.
pub const LABEL: &str = "testcelery";
/// The identifier of the test run: see [`session_id`].
pub const LABEL_SESSION: &str = "testcelery.session";
/// The process that owns it, as `pid=4711 start=123456 boot=<id> ns=<number>`: an [`Owner`].
pub const LABEL_OWNER: &str = "testcelery.owner";
/// The id of the container of the same daemon in which the owner runs. Absent where the owner runs in none.
pub const LABEL_CONTAINER: &str = "testcelery.container";
/// The name inside the setup, as `broker`; on containers only.
pub const LABEL_NAME: &str = "testcelery.name";

/// The labels of what this process makes on one daemon.
#[derive(Debug)]
pub(crate) struct Labels {
    container: Option<String>,
}

impl Labels {
    /// `container` is the one of that daemon in which this process runs.
    pub(crate) fn new(container: Option<String>) -> Self {
        Self { container }
    }

    /// Returns the id of the container of the daemon in which this process runs, if it runs in one.
    pub(crate) fn container(&self) -> Option<&str> {
        self.container.as_deref()
    }

    pub(crate) fn all(&self) -> HashMap<String, String> {
        let labels = [
            (LABEL, "true".to_owned()),
            (LABEL_SESSION, session_id().to_owned()),
            (LABEL_OWNER, Owner::of_this_process().to_string()),
        ];
        let container = self.container.iter().map(|id| (LABEL_CONTAINER, id.clone()));
        labels.into_iter().chain(container).map(|(key, value)| (key.to_owned(), value)).collect()
    }
}
