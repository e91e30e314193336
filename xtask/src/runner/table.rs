//! One row per test, in columns.

use std::{fmt::Write as _, time::Duration};

use super::{Outcome, Row};

/// The columns of a run. The names are known before the first row is printed, so every row is aligned with all others.
pub(crate) struct Table {
    name: usize,
}

impl Table {
    /// A table for tests of these names.
    pub(crate) fn new<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        let longest = names.into_iter().map(|name| name.chars().count()).max();
        Self { name: longest.unwrap_or_default().max("test".len()) }
    }

    /// The line above the rows.
    pub(crate) fn head(&self) -> String {
        let width = self.name;
        format!(
            "{:7}  {:width$}  {:>7}  {:>7}  {:>8}  {:>7}",
            "", "test", "boot", "body", "teardown", "process"
        )
    }

    /// One row: seconds, or `-` where nothing was measured.
    pub(crate) fn row(&self, row: &Row) -> String {
        let width = self.name;
        let mut line = format!("{:7}  {:width$}  ", status(&row.outcome), row.name);
        if let Outcome::Skipped(reason) = &row.outcome {
            line.push_str(reason);
            return line;
        }
        let report = row.report.as_ref();
        let times = [
            seconds(report.and_then(super::Report::boot)),
            seconds(report.and_then(super::Report::body)),
            seconds(report.and_then(super::Report::teardown)),
            seconds(Some(row.took)),
        ];
        let [boot, body, teardown, process] = times;
        // Writing to a string does not fail.
        let _ = write!(line, "{boot:>7}  {body:>7}  {teardown:>8}  {process:>7}");
        line
    }
}

fn status(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Passed => "ok",
        Outcome::Failed(_) => "FAILED",
        Outcome::Skipped(_) => "skipped",
    }
}

/// Seconds with two digits, or `-`.
fn seconds(time: Option<Duration>) -> String {
    time.map_or_else(|| "-".to_owned(), |time| format!("{:.2}", time.as_secs_f64()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_aligned_with_the_head() {
        let table = Table::new(["ping::redis", "a"]);
        let row = |name: &str, outcome| Row {
            name: name.into(),
            outcome,
            report: serde_json::from_str("{\"test\":\"a\",\"boot_ms\":1234,\"body_ms\":5}").ok(),
            took: Duration::from_millis(2340),
            output: String::new(),
            peak_kib: None,
        };
        let lines = [
            table.head(),
            table.row(&row("ping::redis", Outcome::Passed)),
            table.row(&row("a", Outcome::Failed("exit status: 101".into()))),
            table.row(&row("a", Outcome::Skipped("left out".into()))),
        ];
        let expected = [
            "         test            boot     body  teardown  process",
            "ok       ping::redis     1.23     0.01         -     2.34",
            "FAILED   a               1.23     0.01         -     2.34",
            "skipped  a            left out",
        ];
        assert_eq!(lines, expected);
    }
}
