//! One log per container: lines, in order, with cursors.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use tokio::sync::Notify;

use crate::{ExitStatus, LogPattern, LogWait};

/// Number of lines that are kept. Older ones are dropped first.
pub(crate) const KEPT_LINES: usize = 20_000;

/// Bytes of text that are kept in all lines together. Older lines are dropped first.
const KEPT_BYTES: usize = 64 << 20;

/// Bytes of one line that are kept.
const LINE_BYTES: usize = 256 << 10;

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
    /// The text, with what is not UTF-8 replaced. Of a line of more than 256 KiB it is the beginning, and how much is left out.
    pub text: String,
}

/// A position between two lines of one log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct LogCursor(pub(crate) u64);

/// The log of a container, fed by its engine over one stream and read by everyone.
///
/// It keeps the last 20,000 lines, and fewer where they have more than 64 MiB together. Cloning is cheap and gives the same log. Waits look at the lines since the container's **last start**, so that a wait after a
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
    /// Bytes of text in `lines`.
    bytes: usize,
    next: u64,
    started_at: u64,
    partial: [Partial; 2],
    ended: Option<ExitStatus>,
    restarts: usize,
}

/// The beginning of a line whose end has not come.
#[derive(Debug, Default)]
struct Partial {
    kept: Vec<u8>,
    /// Bytes that came after those.
    left_out: u64,
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

    /// Number of the oldest lines that are not kept any more.
    pub fn dropped(&self) -> u64 {
        self.state().first()
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

    /// For engines: the container is going to be started again by the caller, which lasts until the answer is dropped.
    #[must_use = "the restart is over when this is dropped"]
    pub fn begin_restart(&self) -> Restarting {
        self.state().restarts += 1;
        Restarting(self.clone())
    }

    /// Returns whether a restart is under way: the container may have ended, and is going to be started again.
    pub fn is_restarting(&self) -> bool {
        self.state().restarts > 0
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

    /// The `times`-th line behind `cursor` that matches, or how the container ended without one. Lines that were dropped before they were
    /// looked at are counted in `missed`.
    pub(crate) async fn find(
        &self,
        pattern: &LogPattern,
        cursor: LogCursor,
        times: usize,
        missed: &AtomicU64,
    ) -> Result<LogLine, ExitStatus> {
        let mut cursor = cursor;
        let mut seen = 0;
        loop {
            let changed = self.shared.changed.notified();
            let mut changed = std::pin::pin!(changed);
            changed.as_mut().enable();
            {
                let state = self.state();
                missed.fetch_add(state.first().saturating_sub(cursor.0), Ordering::Relaxed);
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

/// A restart that is under way; see [`Logs::begin_restart`].
#[derive(Debug)]
pub struct Restarting(Logs);

impl Drop for Restarting {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.restarts = state.restarts.saturating_sub(1);
    }
}

impl State {
    /// The number of the oldest line that is kept.
    fn first(&self) -> u64 {
        self.next - self.lines.len() as u64
    }

    fn since(&self, cursor: LogCursor) -> impl Iterator<Item = &LogLine> {
        let skip = usize::try_from(cursor.0.saturating_sub(self.first())).unwrap_or(usize::MAX);
        self.lines.iter().skip(skip)
    }

    fn push(&mut self, stream: Stream, bytes: &[u8]) {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let (text, is_end) = match piece.strip_suffix(b"\n") {
                Some(text) => (text, true),
                None => (piece, false),
            };
            self.partial[stream as usize].push(text);
            if is_end {
                self.finish_line(stream);
            }
        }
    }

    fn flush(&mut self) {
        for stream in [Stream::Stdout, Stream::Stderr] {
            if !self.partial[stream as usize].kept.is_empty() {
                self.finish_line(stream);
            }
        }
    }

    fn finish_line(&mut self, stream: Stream) {
        let text = self.partial[stream as usize].take();
        self.bytes += text.len();
        self.lines.push_back(LogLine { number: self.next, stream, text });
        self.next += 1;
        while self.lines.len() > KEPT_LINES || (self.bytes > KEPT_BYTES && self.lines.len() > 1) {
            self.bytes -= self.lines.pop_front().map_or(0, |line| line.text.len());
        }
    }
}

impl Partial {
    fn push(&mut self, bytes: &[u8]) {
        let room = LINE_BYTES - self.kept.len();
        let (kept, left_out) = bytes.split_at(bytes.len().min(room));
        self.kept.extend_from_slice(kept);
        self.left_out += left_out.len() as u64;
    }

    fn take(&mut self) -> String {
        let Self { mut kept, mut left_out } = std::mem::take(self);
        if left_out > 0 {
            // Nothing of a character that was cut in two.
            let cut = kept.utf8_chunks().last().map_or(0, |last| last.invalid().len());
            kept.truncate(kept.len() - cut);
            left_out += cut as u64;
        }
        let text = String::from_utf8_lossy(&kept);
        let text = text.trim_end_matches('\r');
        if left_out == 0 { text.to_owned() } else { format!("{text} .. [{left_out} bytes left out]") }
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
        assert_eq!(logs.dropped(), 5);
    }

    #[test]
    fn a_long_line_keeps_its_beginning() {
        let logs = Logs::new("c");
        let frame = "é".repeat(50_000);
        logs.push(Stream::Stdout, b"x");
        for _ in 0..2_000 {
            logs.push(Stream::Stdout, frame.as_bytes());
        }
        assert!(
            logs.state().partial[0].kept.capacity() <= 2 * LINE_BYTES,
            "what is left out takes no memory"
        );
        logs.push(Stream::Stdout, b"\nnext\n");
        let lines = logs.lines();
        let left_out = 1 + 2_000 * frame.len() - (LINE_BYTES - 1);
        assert!(
            lines[0].text.ends_with(&format!("éé .. [{left_out} bytes left out]")),
            "{}",
            lines[0].text.len()
        );
        assert_eq!((lines[0].text.len() / 1024, lines[1].text.as_str()), (LINE_BYTES / 1024, "next"));
    }

    #[test]
    fn lines_have_a_size_together() {
        let logs = Logs::new("c");
        let line = "x".repeat(LINE_BYTES) + "\n";
        for _ in 0..300 {
            logs.push(Stream::Stdout, line.as_bytes());
        }
        assert_eq!(logs.lines().len(), KEPT_BYTES / LINE_BYTES);
        assert_eq!(logs.dropped(), 300 - (KEPT_BYTES / LINE_BYTES) as u64);
    }

    #[test]
    fn the_last_line_needs_no_line_end() {
        let logs = Logs::new("c");
        logs.push(Stream::Stderr, b"Traceback");
        logs.end_run(ExitStatus::Code(1));
        assert_eq!(logs.text(), "Traceback\n");
    }
}
