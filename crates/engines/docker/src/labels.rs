//! The labels on everything that is ours, and who owns it.

use std::collections::HashMap;

use testcelery_api::{Owner, session_id};

/// On everything that this engine makes, with the value `true`.
pub const LABEL: &str = "testcelery";
/// The identifier of the test run: see [`session_id`].
pub const LABEL_SESSION: &str = "testcelery.session";
/// The process that owns it, as `pid=4711 start=123456 boot=<id> ns=<number>`: an [`Owner`].
pub const LABEL_OWNER: &str = "testcelery.owner";
/// The name inside the setup, as `broker`; on containers only.
pub const LABEL_NAME: &str = "testcelery.name";

/// The labels of something that this process makes.
pub(crate) fn of_this_process() -> HashMap<String, String> {
    HashMap::from([
        (LABEL.to_owned(), "true".to_owned()),
        (LABEL_SESSION.to_owned(), session_id().to_owned()),
        (LABEL_OWNER.to_owned(), Owner::of_this_process().to_string()),
    ])
}
