//! Python sources, parsed on the host: a syntax error costs milliseconds instead of a worker that does not start.

use ruff_python_parser::ParseError;

use crate::Error;

/// The most characters of a line that an error shows.
const LONGEST_LINE: usize = 160;

/// The error for a text that is not Python; `path` is what it calls the file.
pub(crate) fn syntax_error(path: &str, text: &str, error: &ParseError) -> Error {
    error_at(path, text, error.location.start().to_usize(), error.error.to_string())
}

/// An error at a place of a text; `offset` is in bytes.
pub(crate) fn error_at(path: &str, text: &str, offset: usize, message: String) -> Error {
    let place = place(text, offset);
    Error::Syntax {
        path: path.to_owned(),
        line: place.line,
        column: place.column,
        message,
        text: place.shown(),
    }
}

/// A place in a text, as people count.
pub(crate) struct Place<'a> {
    /// The line, from 1.
    pub(crate) line: usize,
    /// The column in characters, from 1.
    pub(crate) column: usize,
    /// The line itself.
    pub(crate) text: &'a str,
}

impl Place<'_> {
    /// The part of the line around the column: all of it, unless it is long.
    pub(crate) fn shown(&self) -> String {
        if self.text.chars().count() <= LONGEST_LINE {
            return self.text.to_owned();
        }
        let skipped = self.column.saturating_sub(LONGEST_LINE / 2);
        let part: String = self.text.chars().skip(skipped).take(LONGEST_LINE).collect();
        format!("{}{part}..", if skipped == 0 { "" } else { ".." })
    }
}

/// The place that is so many bytes behind the beginning.
pub(crate) fn place(text: &str, offset: usize) -> Place<'_> {
    let before = text.get(..offset.min(text.len())).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    Place {
        line: before.matches('\n').count() + 1,
        column: before[line_start..].chars().count() + 1,
        text: text[line_start..].lines().next().unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use crate::{Error, scan::scan};

    fn check(path: &str, text: &str) -> Result<(), Error> {
        scan(path, "a", text).map(drop)
    }

    #[test]
    fn python_passes() {
        for text in [
            "",
            "x = 1",
            "\u{feff}x = 1\r\n",
            "async def f[T](x: T, /) -> T:\n    match x:\n        case _: return x\n",
        ] {
            check("a.py", text).unwrap();
        }
    }

    #[test]
    fn an_error_shows_the_place() {
        let error = check("tests/tasks.py", "x = 1\ndef f(:\n    pass\n").unwrap_err();
        assert_eq!(
            error.to_string(),
            "tests/tasks.py:2:7: Expected a parameter or the end of the parameter list\n  | def f(:"
        );
    }

    #[test]
    fn nests_are_refused_with_their_place() {
        let error = check("a.py", &format!("x = 1\ny = {}", "(".repeat(2_000))).unwrap_err().to_string();
        let problem =
            "a.py:2:205: more than 200 brackets within each other, which is more than Python reads\n  | ..";
        assert!(error.starts_with(problem), "{error}");
        assert!(error.len() < 300, "the line is long: {error}");
    }

    #[test]
    fn columns_are_characters() {
        let error = check("a.py", "x = 'Grüße' 世界 =\n").unwrap_err().to_string();
        assert!(error.starts_with("a.py:1:13: "), "{error}");
    }

    #[test]
    fn an_error_at_the_end_has_a_place() {
        let error = check("a.py", "def f():\n").unwrap_err().to_string();
        assert!(error.starts_with("a.py:1:9: ") && error.ends_with("\n  | def f():"), "{error}");
    }
}
