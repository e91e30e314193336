//! Everything of one test run belongs to one session.

use std::sync::OnceLock;

/// The variable that sets the session.
pub const SESSION_VARIABLE: &str = "TESTCELERY_SESSION";

/// The identifier of this test run: `TESTCELERY_SESSION`, else nextest's `NEXTEST_RUN_ID`, else random per process.
pub fn session_id() -> &'static str {
    static SESSION: OnceLock<String> = OnceLock::new();
    SESSION.get_or_init(|| {
        let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        set(SESSION_VARIABLE)
            .or_else(|| set("NEXTEST_RUN_ID"))
            .unwrap_or_else(|| uuid::Uuid::new_v4().simple().to_string())
    })
}
