//! Long lines, for people.

use std::borrow::Cow;

/// How many characters of a line are shown from its start, and as many from its end.
const SHOWN: usize = 150;

/// A line of a tool's output as an error shows it: of a very long one the start and the end. pip, for one, lists every version that there is,
/// with the newest at the end.
///
/// ```
/// use testcelery_api::shorten;
///
/// assert_eq!(shorten("a line"), "a line");
/// let long = format!("from versions: {}5.7.0)", "1.0, ".repeat(1000));
/// let short = shorten(&long);
/// assert!(short.len() < 400 && short.starts_with("from versions: ") && short.ends_with("5.7.0)"));
/// ```
pub fn shorten(line: &str) -> Cow<'_, str> {
    let start = line.char_indices().nth(SHOWN).map(|(at, _)| at);
    let end = line.char_indices().rev().nth(SHOWN - 1).map(|(at, _)| at);
    match (start, end) {
        (Some(start), Some(end)) if start < end => {
            Cow::Owned(format!("{} .. {}", line[..start].trim_end(), line[end..].trim_start()))
        }
        _ => Cow::Borrowed(line),
    }
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
}
