//! What is known of a container when something went wrong with it.

use std::{fmt, time::Duration};

use crate::{ExitStatus, Logs};

/// How many of the last log lines an error carries.
pub const EVIDENCE_LINES: usize = 40;

/// What a failure says of a container: what was waited for, how long, how it ended and what it logged last.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Evidence {
    /// The container's name.
    pub container: String,
    /// What was waited for.
    pub waited_for: String,
    /// How long.
    pub elapsed: Duration,
    /// How the container ended; `None` while it runs.
    pub exit: Option<ExitStatus>,
    /// The last failed attempt, where something was tried repeatedly.
    pub last_attempt: Option<String>,
    /// The last lines of the log, oldest first; at most [`EVIDENCE_LINES`].
    pub last_lines: Vec<String>,
}

impl Evidence {
    /// Collects what the log of a container knows.
    pub fn collect(logs: &Logs, waited_for: impl Into<String>, elapsed: Duration) -> Self {
        Self {
            container: logs.container().to_owned(),
            waited_for: waited_for.into(),
            elapsed,
            exit: logs.ended(),
            last_attempt: None,
            last_lines: logs.tail(EVIDENCE_LINES).into_iter().map(|line| line.text).collect(),
        }
    }

    /// Adds the reason for which the last attempt failed.
    #[must_use]
    pub fn last_attempt(mut self, reason: Option<String>) -> Self {
        self.last_attempt = reason;
        self
    }
}

impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "waited {:.1?} for {}", self.elapsed, self.waited_for)?;
        match &self.exit {
            Some(exit) => write!(f, "; the container {exit}")?,
            None => f.write_str("; the container is still running")?,
        }
        if let Some(reason) = &self.last_attempt {
            write!(f, "\n  last attempt: {reason}")?;
        }
        if self.last_lines.is_empty() {
            return write!(f, "\n  {} logged nothing", self.container);
        }
        write!(f, "\n  last {} lines of {}:", self.last_lines.len(), self.container)?;
        for line in &self.last_lines {
            write!(f, "\n  | {line}")?;
        }
        Ok(())
    }
}
