//! Python sources, parsed on the host: a syntax error costs milliseconds instead of a worker that does not start.

use ruff_python_parser::parse_module;

use crate::Error;

/// Checks that a text is Python of the newest version that the parser knows; `path` is for the error.
pub(crate) fn check(path: &str, text: &str) -> Result<(), Error> {
    let Err(error) = parse_module(text) else {
        return Ok(());
    };
    let offset = error.location.start().to_usize().min(text.len());
    let before = text.get(..offset).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    Err(Error::Syntax {
        path: path.to_owned(),
        line: before.matches('\n').count() + 1,
        column: before[line_start..].chars().count() + 1,
        message: error.error.to_string(),
        text: text[line_start..].lines().next().unwrap_or_default().to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

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
