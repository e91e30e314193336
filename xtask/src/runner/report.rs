//! What a test says about itself: one JSON object a line in the file that `TESTCELERY_REPORT` names.

use std::{path::Path, time::Duration};

use serde::Deserialize;

/// One test's report.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(crate) struct Report {
    boot_ms: Option<f64>,
    body_ms: Option<f64>,
    teardown_ms: Option<f64>,
    components_ms: Option<f64>,
    /// Why it was skipped.
    reason: Option<String>,
}

impl Report {
    /// Until the stack was ready.
    pub(crate) fn boot(&self) -> Option<Duration> {
        milliseconds(self.boot_ms)
    }

    /// The test's own code.
    pub(crate) fn body(&self) -> Option<Duration> {
        milliseconds(self.body_ms)
    }

    /// Until everything was gone.
    pub(crate) fn teardown(&self) -> Option<Duration> {
        milliseconds(self.teardown_ms)
    }

    /// The part of the boot and the teardown that was not spent waiting for containers to boot.
    pub(crate) fn own(&self) -> Option<Duration> {
        let spent = self.boot()? + self.teardown()?;
        Some(spent.saturating_sub(milliseconds(self.components_ms)?))
    }

    /// Why the engine could not run the test, where that is so.
    pub(crate) fn skipped(&self) -> Option<&str> {
        self.reason.as_deref()
    }

    /// All three together, where all three were measured.
    pub(crate) fn total(&self) -> Option<Duration> {
        Some(self.boot()? + self.body()? + self.teardown()?)
    }
}

fn milliseconds(value: Option<f64>) -> Option<Duration> {
    Duration::try_from_secs_f64(value? / 1000.0).ok()
}

/// The last report in a file; `None` where a test made none, as one that never got as far.
pub(crate) fn read(path: &Path) -> Option<Report> {
    last(&std::fs::read_to_string(path).ok()?)
}

fn last(text: &str) -> Option<Report> {
    text.lines().rev().find_map(|line| serde_json::from_str(line).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_whole_line_counts() {
        let text = "{\"test\":\"a\",\"boot_ms\":1,\"body_ms\":2,\"teardown_ms\":3}\n\
            {\"test\":\"b\",\"boot_ms\":1500.5,\"body_ms\":20,\"teardown_ms\":0,\"outcome\":\"passed\"}\n\
            {\"test\":\"c\",\"boo";
        let report = last(text).unwrap();
        assert_eq!(report.boot(), Some(Duration::from_micros(1_500_500)));
        assert_eq!(report.total(), Some(Duration::from_micros(1_520_500)));
    }

    #[test]
    fn what_was_not_reached_is_not_zero() {
        let report = last("{\"test\":\"a\",\"boot_ms\":null,\"outcome\":\"failed\"}").unwrap();
        assert_eq!((report.boot(), report.total()), (None, None));
        assert_eq!(last(""), None);
        assert_eq!(last("not json"), None);
    }
}
