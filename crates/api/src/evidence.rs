//! What is known of a container when something went wrong with it.

use std::{fmt, time::Duration};

use crate::{ExitStatus, Logs, logs::KEPT_LINES, shorten};

/// How many of the last log lines an error carries.
pub const EVIDENCE_LINES: usize = 40;

/// What a failure says of a container: what was waited for, how long, how it ended and what it logged last.
#[derive(Clone, PartialEq, Eq)]
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
    /// Number of log lines that were dropped before the wait could look at them.
    pub missed_lines: u64,
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
            missed_lines: 0,
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

impl fmt::Debug for Evidence {
    /// Writes the beginning and the end of long lines.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Evidence")
            .field("container", &self.container)
            .field("waited_for", &self.waited_for)
            .field("elapsed", &self.elapsed)
            .field("exit", &self.exit)
            .field("last_attempt", &self.last_attempt.as_deref().map(shorten))
            .field("missed_lines", &self.missed_lines)
            .field("last_lines", &self.last_lines.iter().map(|line| shorten(line)).collect::<Vec<_>>())
            .finish()
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
            write!(f, "\n  last attempt: {}", shorten(reason))?;
        }
        if self.missed_lines > 0 {
            write!(
                f,
                "\n  {} lines were dropped before the wait saw them: a log keeps its last {KEPT_LINES} lines, at most 64 MiB",
                self.missed_lines
            )?;
        }
        if self.last_lines.is_empty() {
            return write!(f, "\n  {} logged nothing", self.container);
        }
        write!(f, "\n  last {} lines of {}:", self.last_lines.len(), self.container)?;
        for line in &self.last_lines {
            write!(f, "\n  | {}", shorten(line))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Stream;

    #[test]
    fn what_others_wrote_stays_text_and_short() {
        let logs = Logs::new("worker");
        logs.push(Stream::Stdout, b"\x1b[32mready\x1b[0m\rtest result: ok. 1 passed\n");
        logs.push(Stream::Stderr, &[b'x'; 200_000]);
        logs.push(Stream::Stderr, b"\n");
        let evidence = Evidence::collect(&logs, "readiness", Duration::ZERO);
        let evidence = evidence.last_attempt(Some("refused\ntest result: ok".to_owned()));
        let text = evidence.to_string();
        assert!(text.contains("\n  | \\x1b[32mready\\x1b[0m\\rtest result: ok. 1 passed\n"), "{text}");
        assert!(text.contains("last attempt: refused\\ntest result: ok"), "{text}");
        assert!(text.len() < 1000 && format!("{evidence:?}").len() < 1000, "{text}");
        assert!(text.lines().skip(1).all(|line| line.starts_with("  ")), "{text}");
    }
}
