//! What the user sees: progress on standard error, results on standard output.

use std::{
    fmt::Display,
    io::IsTerminal as _,
    sync::OnceLock,
    time::{Duration, Instant},
};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use testcelery_api::escape_report;

/// How often a spinner turns.
const TICK: Duration = Duration::from_millis(120);

fn bars() -> &'static MultiProgress {
    static BARS: OnceLock<MultiProgress> = OnceLock::new();
    BARS.get_or_init(MultiProgress::new)
}

fn animated() -> bool {
    std::io::stderr().is_terminal()
}

/// Prints one line of a result, without tearing a bar.
pub(crate) fn line(text: impl Display) {
    bars().suspend(|| println!("{text}"));
}

/// Bytes that are shown of what a program printed.
const SHOWN: usize = 512 << 10;

/// What a program printed, as it is shown: the end of a long text, with control characters as escape sequences, and with no line that could be
/// taken for one of ours.
pub(crate) fn printed(text: &str) -> String {
    let text = text.trim_end();
    let cut = text.ceil_char_boundary(text.len().saturating_sub(SHOWN));
    let left_out = if cut > 0 { format!("[{cut} bytes left out]\n") } else { String::new() };
    escape_report(&format!("  {left_out}{}", &text[cut..]))
}

/// Prints one line about what is going on.
pub(crate) fn note(text: impl Display) {
    bars().suspend(|| eprintln!("{text}"));
}

/// Prints an error with its causes.
pub(crate) fn error(error: &anyhow::Error) {
    note(format_args!("error: {error:#}"));
}

/// Something that takes seconds: a bar or a spinner on a terminal, and plain lines where there is none.
pub(crate) struct Progress {
    bar: ProgressBar,
    label: String,
    started: Instant,
}

impl Progress {
    /// Something of unknown length.
    pub(crate) fn spinner(label: impl Into<String>) -> Self {
        Self::start(label.into(), ProgressBar::new_spinner(), "{spinner} {prefix} {elapsed}  {wide_msg}")
    }

    /// So many pieces.
    pub(crate) fn bar(label: impl Into<String>, pieces: usize) -> Self {
        let bar = ProgressBar::new(u64::try_from(pieces).unwrap_or(u64::MAX));
        Self::start(label.into(), bar, "{prefix} [{bar:32}] {pos}/{len} {elapsed}  {wide_msg}")
    }

    fn start(label: String, bar: ProgressBar, template: &str) -> Self {
        let bar = if animated() {
            let bar = bars().add(bar);
            if let Ok(style) = ProgressStyle::with_template(template) {
                bar.set_style(style.progress_chars("=> "));
            }
            bar.set_prefix(label.clone());
            bar.enable_steady_tick(TICK);
            bar
        } else {
            eprintln!("{label} ...");
            ProgressBar::hidden()
        };
        Self { bar, label, started: Instant::now() }
    }

    /// What is being done right now; shown on a terminal only.
    pub(crate) fn detail(&self, text: impl Into<String>) {
        self.bar.set_message(text.into());
    }

    /// One more piece is done.
    pub(crate) fn advance(&self) {
        self.bar.inc(1);
    }

    /// Done: one line with the time that it took.
    pub(crate) fn done(self, text: impl Display) {
        let seconds = self.started.elapsed().as_secs_f64();
        self.bar.finish_and_clear();
        note(format_args!("{}: {text} ({seconds:.1} s)", self.label));
    }

    /// Done, and the result is shown by other means.
    pub(crate) fn clear(self) {
        self.bar.finish_and_clear();
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_programs_print_stays_theirs() {
        let text = "running 1 test\n\u{1b}[31mtest result: ok. 1 passed\n  | more\n";
        assert_eq!(printed(text), "  running 1 test\n  \\x1b[31mtest result: ok. 1 passed\n  | more");
        let long = printed(&"é\n".repeat(1 << 20));
        assert_eq!(long.lines().next(), Some("  [2621439 bytes left out]"));
        assert!(long.len() < 3 * SHOWN && long.ends_with("\n  é"));
    }
}
