//! Text of others in errors: output of programs, log lines, exceptions. It is shortened, and what it holds stays text on a terminal.

use std::borrow::Cow;

/// Number of characters of a line that are shown from its start, and as many from its end.
const SHOWN: usize = 150;

/// Number of lines of a long text that are shown from its start, and from its end.
const FIRST_LINES: usize = 20;
const LAST_LINES: usize = 40;

/// Returns one line of text for an error. A long line loses its middle: pip, for one, lists every version that there is, with the newest at
/// the end. Control characters become escape sequences, so that the text cannot colour a terminal or begin a line of its own.
///
/// ```
/// use testcelery_api::shorten;
///
/// assert_eq!(shorten("a line"), "a line");
/// assert_eq!(shorten("\u{1b}[32mok\ntest result: ok"), r"\x1b[32mok\ntest result: ok");
/// let long = format!("from versions: {}5.7.0)", "1.0, ".repeat(1000));
/// let short = shorten(&long);
/// assert!(short.len() < 400 && short.starts_with("from versions: ") && short.ends_with("5.7.0)"));
/// ```
pub fn shorten(line: &str) -> Cow<'_, str> {
    let start = line.char_indices().nth(SHOWN).map(|(at, _)| at);
    let end = line.char_indices().rev().nth(SHOWN - 1).map(|(at, _)| at);
    match (start, end) {
        (Some(start), Some(end)) if start < end => {
            let (start, end) = (line[..start].trim_end(), line[end..].trim_start());
            Cow::Owned(format!("{} .. {}", escape(start), escape(end)))
        }
        _ => escape(line),
    }
}

/// Returns the lines of a text for an error: each [shortened](shorten) and behind `  | `, so that none of them can pass for a line of the
/// test's own output. Of more than 60 lines the middle is left out. The text begins with a line feed; it is empty if `text` has no lines.
///
/// ```
/// use testcelery_api::indent_lines;
///
/// assert_eq!(format!("it printed:{}", indent_lines("one\ntwo\n")), "it printed:\n  | one\n  | two");
/// ```
pub fn indent_lines(text: &str) -> String {
    let count = text.lines().count();
    let left_out = count.saturating_sub(FIRST_LINES + LAST_LINES);
    let mut shown = String::new();
    for (at, line) in text.lines().enumerate() {
        if left_out > 0 && at == FIRST_LINES {
            shown.push_str(&format!("\n  .. {left_out} lines left out"));
        }
        if left_out == 0 || at < FIRST_LINES || at >= count - LAST_LINES {
            shown.push_str("\n  | ");
            shown.push_str(&shorten(line));
        }
    }
    shown
}

/// Replaces control characters by escape sequences and keeps everything else, whatever its length. Line feeds and tabs stay; a line
/// behind a line feed is indented, unless it is already.
///
/// For whole reports that go to a terminal and hold text of others that was not [shortened](shorten) before.
///
/// ```
/// use testcelery_api::escape_report;
///
/// assert_eq!(escape_report("failed:\ntest result: ok\u{7}\n  | more"), "failed:\n  test result: ok\\x07\n  | more");
/// ```
pub fn escape_report(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for (at, line) in text.split('\n').enumerate() {
        if at > 0 {
            shown.push('\n');
            if !line.is_empty() && !line.starts_with([' ', '\t']) {
                shown.push_str("  ");
            }
        }
        shown.push_str(&escape(line));
    }
    shown
}

fn escape(line: &str) -> Cow<'_, str> {
    if !line.contains(is_hidden) {
        return Cow::Borrowed(line);
    }
    let mut shown = String::with_capacity(line.len());
    for character in line.chars() {
        match character {
            '\n' => shown.push_str("\\n"),
            '\r' => shown.push_str("\\r"),
            hidden if is_hidden(hidden) && u32::from(hidden) < 0x100 => {
                shown.push_str(&format!("\\x{:02x}", u32::from(hidden)));
            }
            hidden if is_hidden(hidden) => shown.push_str(&format!("\\u{{{:x}}}", u32::from(hidden))),
            plain => shown.push(plain),
        }
    }
    Cow::Owned(shown)
}

/// Returns true for characters that act on a terminal instead of being shown: control characters, line separators and those that turn the
/// direction of writing. A tab is harmless.
fn is_hidden(character: char) -> bool {
    character != '\t'
        && (character.is_control()
            || matches!(character, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_of_a_long_line_goes() {
        let fits = "ä".repeat(2 * SHOWN);
        assert_eq!(shorten(&fits), fits);
        let long = format!("{fits}x");
        assert_eq!(shorten(&long), format!("{} .. {}x", "ä".repeat(SHOWN), "ä".repeat(SHOWN - 1)));
    }

    #[test]
    fn what_acts_on_a_terminal_is_shown_instead() {
        for (text, shown) in [
            ("\u{1b}]0;title\u{7}", r"\x1b]0;title\x07"),
            ("a\r\nb\tc", "a\\r\\nb\tc"),
            ("\u{9b}31m\u{7f}", r"\x9b31m\x7f"),
            ("a\u{202e}b", r"a\u{202e}b"),
            ("naïve 😀", "naïve 😀"),
        ] {
            assert_eq!(shorten(text), shown);
        }
        let long = format!("\u{1b}{}\u{1b}", "x".repeat(1_000_000));
        assert!(shorten(&long).starts_with("\\x1bxxx") && shorten(&long).ends_with("xxx\\x1b"));
    }

    #[test]
    fn no_line_of_others_begins_a_line() {
        assert_eq!(indent_lines(""), "");
        assert_eq!(indent_lines("a\r\n\ntest result: ok\rb"), "\n  | a\n  | \n  | test result: ok\\rb");
        assert_eq!(escape_report("a\nb\n\n  c\n"), "a\n  b\n\n  c\n");
    }

    #[test]
    fn the_middle_of_a_long_text_goes() {
        let text: String = (1..=1000).map(|number| format!("line {number}\n")).collect();
        let shown = indent_lines(&text);
        let lines: Vec<&str> = shown.lines().skip(1).collect();
        assert_eq!(
            (lines[0], lines[19], lines[20]),
            ("  | line 1", "  | line 20", "  .. 940 lines left out")
        );
        assert_eq!((lines[21], lines[60], lines.len()), ("  | line 961", "  | line 1000", 61));
    }
}
