//! Which tests `TESTCELERY_BROKERS` and `TESTCELERY_BACKENDS` leave out of a run.
//!
//! The runner asks when a test begins, so that one build serves every value. A row of a matrix is known by its names, a stack of its own
//! (`setup = ..`) by the kinds of its components.

use std::{collections::BTreeSet, env, process::Stdio, time::Duration};

use tokio::{process::Command, sync::OnceCell, time::timeout};

use crate::SetupBuilder;

/// The variables, one per axis: comma-separated names.
const BROKERS: &str = "TESTCELERY_BROKERS";
const BACKENDS: &str = "TESTCELERY_BACKENDS";

/// What every test knows.
const BUILT_IN_BROKERS: [&str; 2] = ["rabbitmq", "redis"];
const BUILT_IN_BACKENDS: [&str; 3] = ["memcached", "redis", "rpc"];

/// Set for the copy of this program that lists its tests: it runs none.
const LISTS: &str = "TESTCELERY_LISTS_TESTS";

/// Timeout of that copy.
const LISTING: Duration = Duration::from_secs(10);

/// A row of a test's matrix, and the names of all its rows.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    /// The broker of this row.
    pub broker: &'static str,
    /// The result backend of this row.
    pub backend: &'static str,
    /// The brokers of all rows.
    pub brokers: &'static [&'static str],
    /// The result backends of all rows.
    pub backends: &'static [&'static str],
}

/// One side of the matrix, as a test has it.
struct Axis {
    variable: &'static str,
    /// What the test runs: all of these have to be wanted.
    own: BTreeSet<String>,
    known: BTreeSet<String>,
    /// The names that `variable` holds; `None` where everything is wanted.
    wanted: Option<BTreeSet<String>>,
}

/// Whether this process only lists its tests.
pub(crate) fn is_listing() -> bool {
    env::var_os(LISTS).is_some()
}

/// Returns why a test is left out of this run, if it is.
///
/// # Errors
/// When a variable names what neither testcelery, nor the test, nor a row of another test of this program has: nearly always a slip,
/// with which every test would be left out.
pub(crate) async fn left_out(
    test: &str,
    row: Option<&Row>,
    builder: &SetupBuilder,
) -> Result<Option<String>, String> {
    let kinds = || {
        let brokers = builder.brokers.iter().map(|it| it.kind().to_owned());
        let backends = builder.backends.iter().map(|it| it.kind().to_owned());
        let rpc = builder.rpc.then(|| "rpc".to_owned());
        (brokers.collect(), backends.chain(rpc).collect())
    };
    let (brokers, backends) = row.map_or_else(kinds, |row| (set(&[row.broker]), set(&[row.backend])));
    let rows = row.map(|row| (row.brokers, row.backends)).unwrap_or_default();
    let mut axes = [
        Axis::new(BROKERS, &BUILT_IN_BROKERS, rows.0, brokers),
        Axis::new(BACKENDS, &BUILT_IN_BACKENDS, rows.1, backends),
    ];
    let strangers: Vec<String> = axes.iter().flat_map(Axis::strangers).collect();
    if !strangers.is_empty() {
        let [brokers, backends] = &mut axes;
        let listed = listed(test).await;
        let others = (brokers.all(), backends.all());
        brokers.known.extend(strangers.iter().filter(|name| has_row(listed, name, &others.1, true)).cloned());
        backends
            .known
            .extend(strangers.iter().filter(|name| has_row(listed, name, &others.0, false)).cloned());
    }
    for axis in &axes {
        axis.check()?;
    }
    Ok(axes.iter().find_map(Axis::left_out))
}

impl Axis {
    fn new(variable: &'static str, built_in: &[&str], rows: &[&str], own: BTreeSet<String>) -> Self {
        let known = set(built_in).into_iter().chain(set(rows)).chain(own.iter().cloned()).collect();
        let value = env::var_os(variable).map(|value| value.to_string_lossy().into_owned());
        Self { variable, own, known, wanted: value.as_deref().and_then(names) }
    }

    /// What is known or wanted.
    fn all(&self) -> BTreeSet<String> {
        self.known.iter().chain(self.wanted.iter().flatten()).cloned().collect()
    }

    fn strangers(&self) -> impl Iterator<Item = String> {
        self.wanted.iter().flatten().filter(|name| !self.known.contains(*name)).cloned()
    }

    fn check(&self) -> Result<(), String> {
        let Some(name) = self.strangers().next() else { return Ok(()) };
        let known: Vec<&str> = self.known.iter().map(String::as_str).collect();
        Err(format!(
            "{} names {name:?}, which is neither built in nor in a row of any test of this program; known are {}",
            self.variable,
            known.join(", ")
        ))
    }

    fn left_out(&self) -> Option<String> {
        let wanted = self.wanted.as_ref()?;
        let other = self.own.iter().find(|name| !wanted.contains(*name))?;
        let wanted: Vec<&str> = wanted.iter().map(String::as_str).collect();
        Some(format!("left out by {}={}: it runs on {other}", self.variable, wanted.join(",")))
    }
}

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// The names in a list. An empty variable is an unset one, as everywhere in a shell.
fn names(value: &str) -> Option<BTreeSet<String>> {
    let names: BTreeSet<String> =
        value.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect();
    (!names.is_empty()).then_some(names)
}

/// Whether a test of a program is a row with a name, by what tests are called: `module::test::broker_backend`.
fn has_row(tests: &[String], name: &str, others: &BTreeSet<String>, is_broker: bool) -> bool {
    tests.iter().filter_map(|test| test.rsplit("::").next()).any(|row| {
        let other = if is_broker {
            row.strip_prefix(name).and_then(|rest| rest.strip_prefix('_'))
        } else {
            row.strip_suffix(name).and_then(|rest| rest.strip_suffix('_'))
        };
        other.is_some_and(|other| others.contains(other))
    })
}

/// The names of all tests of this program. Empty for a program that is no test binary.
async fn listed(test: &str) -> &'static [String] {
    static LISTED: OnceCell<Vec<String>> = OnceCell::const_new();

    let all = LISTED.get_or_init(|| async { list().await.unwrap_or_default() }).await;
    tracing::debug!(test, tests = all.len(), "looked for the rows of other tests");
    all
}

async fn list() -> Option<Vec<String>> {
    let mut command = Command::new(env::current_exe().ok()?);
    command.args(["--list", "--format", "terse"]).env(LISTS, "1").stdin(Stdio::null()).kill_on_drop(true);
    let output = timeout(LISTING, command.output()).await.ok()?.ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    Some(text.lines().filter_map(|line| line.strip_suffix(": test")).map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_split_and_trimmed() {
        let both = BTreeSet::from(["redis".to_owned(), "rabbitmq".to_owned()]);
        assert_eq!(names("redis, rabbitmq,"), Some(both));
        assert_eq!(names(" , "), None);
    }

    #[test]
    fn rows_of_other_tests_are_known_by_their_names() {
        let tests = ["a::b::valkey_redis", "a::plain_test", "c::my_own_rpc"].map(str::to_owned);
        let others = BTreeSet::from(["redis", "rpc"].map(str::to_owned));
        assert!(has_row(&tests, "valkey", &others, true) && has_row(&tests, "my_own", &others, true));
        assert!(!has_row(&tests, "plain", &others, true) && !has_row(&tests, "valkey", &others, false));
        let brokers = BTreeSet::from(["valkey".to_owned()]);
        assert!(has_row(&tests, "redis", &brokers, false) && !has_row(&tests, "rpc", &brokers, false));
    }
}
