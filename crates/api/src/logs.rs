//! One log per container: lines, in order, with cursors.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Notify;

use crate::{ExitStatus, LogPattern, LogWait};

/// How many lines are kept; older ones are dropped first.
const KEPT_LINES: usize = 20_000;

/// Which stream a line was written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// One line of a log, without its line end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// Its number since the container was created, from 0.
    pub number: u64,
    /// The stream it was written to.
    pub stream: Stream,
    /// The text, with what is not UTF-8 replaced.
    pub text: String,
}

/// A position between two lines of one log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct LogCursor(pub(crate) u64);

/// The log of a container, fed by its engine over one stream and read by everyone.
///
/// Cloning is cheap and gives the same log. Waits look at the lines since the container's **last start**, so that a wait after a
/// restart never matches what the run before it logged; [`LogWait::from_beginning`] and [`LogWait::since`] look elsewhere.
///
/// ```
/// use testcelery_api::{Logs, Stream};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> testcelery_api::Result<()> {
/// let logs = Logs::new("worker");
/// logs.push(Stream::Stdout, b"Task add[1] succ");
/// logs.push(Stream::Stdout, b"eeded in 0.1s\n");
/// let line = logs.wait_for("succeeded in").await?;
/// assert_eq!(line.text, "Task add[1] succeeded in 0.1s");
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
pub struct Logs {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    container: String,
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    lines: VecDeque<LogLine>,
    next: u64,
    started_at: u64,
    partial: [Vec<u8>; 2],
    ended: Option<ExitStatus>,
}

impl Logs {
    /// An empty log of a container of that name.
    pub fn new(container: impl Into<String>) -> Self {
        Self {
            shared: Arc::new(Shared {
                container: container.into(),
                state: Mutex::default(),
                changed: Notify::new(),
            }),
        }
    }

    /// The container's name.
    pub fn container(&self) -> &str {
        &self.shared.container
    }

    /// Waits at most 60 s for a line since the last start that matches: a substring, or any other [`LogPattern`].
    ///
    /// # Errors
    /// [`Error::Timeout`](crate::Error::Timeout) when no line matches in time, [`Error::Exited`](crate::Error::Exited) at once
    /// when the container ends without it.
    pub async fn wait_for(&self, pattern: impl Into<LogPattern>) -> crate::Result<LogLine> {
        self.wait(pattern).await
    }

    /// Describes a wait: from where, how often, how long. Awaiting it waits.
    pub fn wait(&self, pattern: impl Into<LogPattern>) -> LogWait {
        LogWait::new(self.clone(), pattern.into())
    }

    /// The position behind the last line.
    pub fn cursor(&self) -> LogCursor {
        LogCursor(self.state().next)
    }

    /// The position where the last start of the container begins.
    pub fn start_cursor(&self) -> LogCursor {
        LogCursor(self.state().started_at)
    }

    /// All lines that are kept.
    pub fn lines(&self) -> Vec<LogLine> {
        self.lines_since(LogCursor(0))
    }

    /// The lines behind a position.
    pub fn lines_since(&self, cursor: LogCursor) -> Vec<LogLine> {
        self.state().since(cursor).cloned().collect()
    }

    /// The last `count` lines, oldest first.
    pub fn tail(&self, count: usize) -> Vec<LogLine> {
        let state = self.state();
        let skip = state.lines.len().saturating_sub(count);
        state.lines.iter().skip(skip).cloned().collect()
    }

    /// Everything that is kept, as text.
    pub fn text(&self) -> String {
        self.state().lines.iter().flat_map(|line| [line.text.as_str(), "\n"]).collect()
    }

    /// Whether a line since the last start matches right now.
    pub fn contains(&self, pattern: impl Into<LogPattern>) -> bool {
        self.count(pattern) > 0
    }

    /// How many lines since the last start match right now.
    pub fn count(&self, pattern: impl Into<LogPattern>) -> usize {
        let pattern = pattern.into();
        let state = self.state();
        state.since(LogCursor(state.started_at)).filter(|line| pattern.matches(&line.text)).count()
    }

    /// How the container ended; `None` while it runs.
    pub fn ended(&self) -> Option<ExitStatus> {
        self.state().ended
    }

    /// For engines: bytes from a stream, cut anywhere.
    pub fn push(&self, stream: Stream, bytes: &[u8]) {
        self.state().push(stream, bytes);
        self.shared.changed.notify_waiters();
    }

    /// For engines: the container is about to start, again or for the first time.
    pub fn begin_run(&self) {
        let mut state = self.state();
        state.flush();
        state.started_at = state.next;
        state.ended = None;
    }

    /// For engines: the container ended and every byte of its log has been pushed.
    pub fn end_run(&self, status: ExitStatus) {
        let mut state = self.state();
        state.flush();
        state.ended = Some(status);
        drop(state);
        self.shared.changed.notify_waiters();
    }

    /// Waits until the container ends; forever, if it does not.
    pub async fn wait_ended(&self) -> ExitStatus {
        loop {
            let changed = self.shared.changed.notified();
            let mut changed = std::pin::pin!(changed);
            changed.as_mut().enable();
            if let Some(status) = self.ended() {
                return status;
            }
            changed.await;
        }
    }

    /// The `times`-th line behind `cursor` that matches, or how the container ended without one.
    pub(crate) async fn find(
        &self,
        pattern: &LogPattern,
        cursor: LogCursor,
        times: usize,
    ) -> Result<LogLine, ExitStatus> {
        let mut cursor = cursor;
        let mut seen = 0;
        loop {
            let changed = self.shared.changed.notified();
            let mut changed = std::pin::pin!(changed);
            changed.as_mut().enable();
            {
                let state = self.state();
                for line in state.since(cursor).filter(|line| pattern.matches(&line.text)) {
                    seen += 1;
                    if seen == times {
                        return Ok(line.clone());
                    }
                }
                cursor = LogCursor(state.next);
                if let Some(status) = state.ended {
                    return Err(status);
                }
            }
            changed.await;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic while the lock is held leaves plain data behind that is still worth reading.
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn since(&self, cursor: LogCursor) -> impl Iterator<Item = &LogLine> {
        let first = self.next - self.lines.len() as u64;
        let skip = usize::try_from(cursor.0.saturating_sub(first)).unwrap_or(usize::MAX);
        self.lines.iter().skip(skip)
    }

    fn push(&mut self, stream: Stream, bytes: &[u8]) {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.partial[stream as usize].extend_from_slice(piece);
            if piece.ends_with(b"\n") {
                self.finish_line(stream);
            }
        }
    }

    fn flush(&mut self) {
        for stream in [Stream::Stdout, Stream::Stderr] {
            if !self.partial[stream as usize].is_empty() {
                self.finish_line(stream);
            }
        }
    }

    fn finish_line(&mut self, stream: Stream) {
        let bytes = std::mem::take(&mut self.partial[stream as usize]);
        let text = String::from_utf8_lossy(&bytes);
        let text = text.trim_end_matches(['\n', '\r']).to_owned();
        if self.lines.len() == KEPT_LINES {
            self.lines.pop_front();
        }
        self.lines.push_back(LogLine { number: self.next, stream, text });
        self.next += 1;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// However the stream is cut, the lines are the same.
        #[test]
        fn lines_do_not_depend_on_frames(lines in proptest::collection::vec("[a-zß ]{0,9}", 0..9), cut in 1usize..7) {
            let text: String = lines.iter().flat_map(|line| [line.as_str(), "\n"]).collect();
            let logs = Logs::new("c");
            for frame in text.as_bytes().chunks(cut) {
                logs.push(Stream::Stdout, frame);
            }
            let got: Vec<String> = logs.lines().into_iter().map(|line| line.text).collect();
            prop_assert_eq!(got, lines);
        }
    }

    #[test]
    fn streams_do_not_mix() {
        let logs = Logs::new("c");
        logs.push(Stream::Stdout, b"out");
        logs.push(Stream::Stderr, b"err\n");
        logs.push(Stream::Stdout, b"put\r\n");
        let got: Vec<_> = logs.lines().into_iter().map(|line| (line.stream, line.text)).collect();
        assert_eq!(got, [(Stream::Stderr, "err".to_owned()), (Stream::Stdout, "output".to_owned())]);
    }

    #[test]
    fn old_lines_make_room() {
        let logs = Logs::new("c");
        for number in 0..KEPT_LINES + 5 {
            logs.push(Stream::Stdout, format!("{number}\n").as_bytes());
        }
        let lines = logs.lines();
        assert_eq!(lines.len(), KEPT_LINES);
        assert_eq!(lines[0].text, "5");
        assert_eq!(logs.lines_since(LogCursor(KEPT_LINES as u64 + 4)).len(), 1);
    }

    #[test]
    fn the_last_line_needs_no_line_end() {
        let logs = Logs::new("c");
        logs.push(Stream::Stderr, b"Traceback");
        logs.end_run(ExitStatus::Code(1));
        assert_eq!(logs.text(), "Traceback\n");
    }
}
