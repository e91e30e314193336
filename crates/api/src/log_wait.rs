//! Waiting for lines of a log.

use std::{
    fmt,
    future::{Future, IntoFuture},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;

use crate::{Error, Evidence, LogCursor, LogLine, Logs, Result};

/// How long a wait for a log line takes at most, unless it says otherwise: 60 s, as pytest-celery's `wait_for_log`.
pub const DEFAULT_LOG_TIMEOUT: Duration = Duration::from_secs(60);

/// What a line has to be.
///
/// Text is a substring, a [`regex::Regex`] is searched for, and [`LogPattern::predicate`] takes any function.
#[derive(Clone)]
pub struct LogPattern(Kind);

#[derive(Clone)]
enum Kind {
    Substring(String),
    Regex(regex::Regex),
    Predicate(String, Arc<dyn Fn(&str) -> bool + Send + Sync>),
}

impl LogPattern {
    /// A regular expression.
    ///
    /// # Errors
    /// When the expression cannot be parsed.
    pub fn regex(pattern: &str) -> Result<Self, regex::Error> {
        regex::Regex::new(pattern).map(|regex| Self(Kind::Regex(regex)))
    }

    /// Any function of a line, with a description for error messages.
    pub fn predicate(
        description: impl Into<String>,
        matches: impl Fn(&str) -> bool + Send + Sync + 'static,
    ) -> Self {
        Self(Kind::Predicate(description.into(), Arc::new(matches)))
    }

    /// Whether a line matches.
    pub fn matches(&self, line: &str) -> bool {
        match &self.0 {
            Kind::Substring(text) => line.contains(text.as_str()),
            Kind::Regex(regex) => regex.is_match(line),
            Kind::Predicate(_, matches) => matches(line),
        }
    }
}

impl From<&str> for LogPattern {
    fn from(text: &str) -> Self {
        Self(Kind::Substring(text.to_owned()))
    }
}

impl From<String> for LogPattern {
    fn from(text: String) -> Self {
        Self(Kind::Substring(text))
    }
}

impl From<regex::Regex> for LogPattern {
    fn from(regex: regex::Regex) -> Self {
        Self(Kind::Regex(regex))
    }
}

impl fmt::Display for LogPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Substring(text) => write!(f, "a log line with {text:?}"),
            Kind::Regex(regex) => write!(f, "a log line that matches /{regex}/"),
            Kind::Predicate(description, _) => write!(f, "a log line: {description}"),
        }
    }
}

impl fmt::Debug for LogPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A wait for a log line. Awaiting it waits.
///
/// ```
/// use std::time::Duration;
/// use testcelery_api::{LogPattern, Logs, Stream};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let logs = Logs::new("worker");
/// let before = logs.cursor();
/// logs.push(Stream::Stderr, b"Task add[1] received\nTask add[2] received\n");
/// let second = logs
///     .wait(LogPattern::regex(r"Task add\[\d\] received")?)
///     .since(before)
///     .times(2)
///     .timeout(Duration::from_secs(5))
///     .await?;
/// assert_eq!(second.text, "Task add[2] received");
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
#[must_use = "a wait does nothing until it is awaited"]
pub struct LogWait {
    logs: Logs,
    pattern: LogPattern,
    since: LogCursor,
    times: usize,
    timeout: Duration,
}

impl LogWait {
    pub(crate) fn new(logs: Logs, pattern: LogPattern) -> Self {
        let since = logs.start_cursor();
        Self { logs, pattern, since, times: 1, timeout: DEFAULT_LOG_TIMEOUT }
    }

    /// Looks at lines behind a position only.
    pub fn since(mut self, cursor: LogCursor) -> Self {
        self.since = cursor;
        self
    }

    /// Looks at lines that are still to come only.
    pub fn since_now(self) -> Self {
        let now = self.logs.cursor();
        self.since(now)
    }

    /// Looks at all lines that are kept, those from before a restart included. If older lines were dropped, the error of a wait that fails
    /// has their number.
    pub fn from_beginning(self) -> Self {
        self.since(LogCursor(0))
    }

    /// Waits for that many matching lines; 1 by default, and 0 counts as 1.
    pub fn times(mut self, times: usize) -> Self {
        self.times = times.max(1);
        self
    }

    /// Waits that long at most; [`DEFAULT_LOG_TIMEOUT`] by default.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    async fn run(self) -> Result<LogLine> {
        let begin = Instant::now();
        let missed = AtomicU64::new(0);
        let find = self.logs.find(&self.pattern, self.since, self.times, &missed);
        let found = tokio::time::timeout(self.timeout, find).await;
        let missed = missed.load(Ordering::Relaxed);
        match found {
            Ok(Ok(line)) => Ok(line),
            Ok(Err(_)) => Err(Error::Exited(self.evidence(begin, missed))),
            Err(_) => Err(Error::Timeout(self.evidence(begin, missed))),
        }
    }

    fn evidence(&self, begin: Instant, missed: u64) -> Box<Evidence> {
        let what = match self.times {
            1 => self.pattern.to_string(),
            times => format!("{times} times {}", self.pattern),
        };
        let mut evidence = Evidence::collect(&self.logs, what, begin.elapsed());
        evidence.missed_lines = missed;
        Box::new(evidence)
    }
}

impl IntoFuture for LogWait {
    type Output = Result<LogLine>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ExitStatus, Stream};

    fn pushed(lines: &str) -> Logs {
        let logs = Logs::new("worker");
        logs.push(Stream::Stdout, lines.as_bytes());
        logs
    }

    #[tokio::test]
    async fn a_wait_after_a_restart_ignores_the_first_run() {
        let logs = pushed("ready.\n");
        logs.end_run(ExitStatus::Code(0));
        logs.begin_run();
        let wait = tokio::spawn(logs.wait("ready.").into_future());
        logs.push(Stream::Stdout, b"booting\nready.\n");
        assert_eq!(wait.await.unwrap().unwrap().number, 2);
        assert_eq!(logs.wait("ready.").from_beginning().await.unwrap().number, 0);
    }

    #[tokio::test]
    async fn an_exit_is_an_error_at_once() {
        let logs = pushed("ImportError: no module\n");
        let wait = tokio::spawn(logs.wait("ready.").into_future());
        tokio::task::yield_now().await;
        logs.end_run(ExitStatus::Code(1));
        let error = wait.await.unwrap().unwrap_err();
        let text = error.to_string();
        assert!(matches!(error, Error::Exited(_)));
        assert!(text.contains("exited with code 1") && text.contains("| ImportError: no module"), "{text}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_timeout_says_what_was_waited_for() {
        let error = pushed("one\n").wait("two").timeout(Duration::from_secs(3)).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "container `worker`: waited 3.0s for a log line with \"two\"; the container is still running\n  last 1 lines of worker:\n  | one"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn lines_that_were_dropped_unseen_are_named() {
        let logs = pushed("the first line\n");
        for _ in 0..20_002 {
            logs.push(Stream::Stdout, b"more\n");
        }
        let wait = logs.wait("the first line").from_beginning().timeout(Duration::from_secs(1));
        let error = wait.await.unwrap_err();
        assert_eq!(error.evidence().unwrap().missed_lines, 3);
        let text = error.to_string();
        let said = "is still running\n  3 lines were dropped before the wait saw them: a log keeps its last 20000 lines, at most 64 MiB";
        assert!(text.contains(said), "{text}");
        let error =
            logs.wait("the first line").since_now().timeout(Duration::from_secs(1)).await.unwrap_err();
        assert_eq!(error.evidence().unwrap().missed_lines, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn counts_and_predicates() {
        let logs = pushed("a1\na2\nb\n");
        let starts_with_a = LogPattern::predicate("starts with a", |line| line.starts_with('a'));
        assert_eq!(logs.wait(starts_with_a.clone()).times(2).await.unwrap().text, "a2");
        assert!(logs.wait(starts_with_a.clone()).times(3).await.is_err());
        assert!(logs.wait(starts_with_a).since_now().await.is_err());
    }
}
