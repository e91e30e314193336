//! How deeply a Python source is nested, found from its tokens before it is parsed.
//!
//! A syntax tree is walked and freed by recursion, so its depth has to be bounded before there is one. [`check`] does that for
//! [`scan`](crate::scan), with the limits that Python itself has.

use ruff_python_ast::token::TokenKind;
use ruff_python_parser::{Mode, lexer};

/// Brackets within each other: `MAXLEVEL` of CPython's tokenizer.
const MAX_BRACKETS: usize = 200;

/// Levels of indentation: below `MAXINDENT` of CPython's tokenizer.
const MAX_INDENTS: usize = 99;

/// Operators and keywords within each other, for example `not not x`, `a.b.c` or `x + y + z`. CPython 3.11 compiles about 2,990 of them.
pub(crate) const MAX_OPERATORS: usize = 10_000;

/// A place in a source that is nested too deeply.
#[derive(Debug)]
pub(crate) struct TooDeep {
    /// The offset of the token in bytes.
    pub(crate) offset: usize,
    pub(crate) problem: String,
}

/// What is between two brackets, or outside of all.
#[derive(Debug, Default)]
struct Level {
    /// Operators and keywords since the last comma or line end: no path in the tree of this item goes through more.
    operators: usize,
    /// The deepest bracket of this item.
    inner: usize,
    /// The deepest earlier item.
    deepest: usize,
    /// Lambdas whose parameters have not ended. A comma between these ends no item.
    lambdas: usize,
}

impl Level {
    fn depth(&self) -> usize {
        self.operators + self.inner
    }

    fn end_item(&mut self) {
        self.deepest = self.deepest.max(self.depth());
        (self.operators, self.inner) = (0, 0);
    }
}

/// Returns a bound of the depth of the text's syntax tree, in operators and keywords.
///
/// # Errors
/// At the first token that is nested too deeply.
pub(crate) fn check(text: &str) -> Result<usize, TooDeep> {
    measure(text).map_err(|problem| TooDeep { offset: place(text), problem })
}

/// The offset of the first token that is nested too deeply. The lexer does not return the places of its tokens, so this is the end of the
/// shortest beginning of the text that is too deep.
fn place(text: &str) -> usize {
    let (mut fits, mut fails) = (0, text.len());
    while fails - fits > 1 {
        let middle = text.floor_char_boundary(fits + (fails - fits) / 2);
        if middle <= fits {
            break;
        }
        if measure(&text[..middle]).is_ok() {
            fits = middle;
        } else {
            fails = middle;
        }
    }
    let before = text.get(..fails).unwrap_or_default();
    let word = before.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    if word.len() < before.len() { word.len() } else { fits }
}

fn measure(text: &str) -> Result<usize, String> {
    let mut lexer = lexer::lex(text, Mode::Module);
    let mut outer: Vec<Level> = Vec::new();
    let mut level = Level::default();
    // The depth of all items that the current one is in.
    let mut above = 0;
    let mut indents = 0_usize;
    let mut deepest = 0;
    loop {
        let kind = lexer.next_token();
        match kind {
            TokenKind::EndOfFile => return Ok(deepest),
            TokenKind::Lpar | TokenKind::Lsqb | TokenKind::Lbrace => {
                level.operators += 1;
                above += level.operators;
                outer.push(std::mem::take(&mut level));
                if outer.len() > MAX_BRACKETS {
                    return Err(format!(
                        "more than {MAX_BRACKETS} brackets within each other, which is more than Python reads"
                    ));
                }
            }
            TokenKind::Rpar | TokenKind::Rsqb | TokenKind::Rbrace => {
                if let Some(parent) = outer.pop() {
                    level.end_item();
                    let inner = level.deepest;
                    level = parent;
                    above -= level.operators;
                    level.inner = level.inner.max(inner);
                }
            }
            TokenKind::Indent => {
                indents += 1;
                if indents > MAX_INDENTS {
                    return Err(format!(
                        "more than {MAX_INDENTS} levels of indentation, which is more than Python reads"
                    ));
                }
            }
            TokenKind::Dedent => indents = indents.saturating_sub(1),
            TokenKind::Newline | TokenKind::Semi if outer.is_empty() => level = Level::default(),
            TokenKind::Comma if level.lambdas == 0 => level.end_item(),
            TokenKind::Colon => level.lambdas = level.lambdas.saturating_sub(1),
            kind if deepens(kind) => {
                level.operators += 1;
                level.lambdas += usize::from(kind == TokenKind::Lambda);
            }
            _ => {}
        }
        deepest = deepest.max(above + level.depth());
        if deepest > MAX_OPERATORS {
            return Err(format!("more than {MAX_OPERATORS} operators within each other"));
        }
    }
}

/// Whether a token may put one expression or statement into another. Every token may but those that are listed.
fn deepens(kind: TokenKind) -> bool {
    !matches!(
        kind,
        TokenKind::Name
            | TokenKind::Int
            | TokenKind::Float
            | TokenKind::Complex
            | TokenKind::String
            | TokenKind::FStringStart
            | TokenKind::FStringMiddle
            | TokenKind::FStringEnd
            | TokenKind::TStringStart
            | TokenKind::TStringMiddle
            | TokenKind::TStringEnd
            | TokenKind::None
            | TokenKind::True
            | TokenKind::False
            | TokenKind::Ellipsis
            | TokenKind::Comment
            | TokenKind::NonLogicalNewline
            | TokenKind::Newline
            | TokenKind::Semi
            | TokenKind::Comma
            | TokenKind::Unknown
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The problem, without the limit in it.
    fn problem(text: &str) -> Option<&'static str> {
        let problem = check(text).err()?.problem;
        ["brackets", "indentation", "operators"].into_iter().find(|word| problem.contains(word))
    }

    #[test]
    fn as_deep_as_python_reads() {
        let brackets = |n: usize| format!("x = {}{}", "(".repeat(n), ")".repeat(n));
        assert_eq!(problem(&brackets(MAX_BRACKETS)), None);
        assert_eq!(problem(&brackets(MAX_BRACKETS + 1)), Some("brackets"));
        let indented = |n: usize| {
            let lines = (0..n).map(|depth| format!("{}if x:\n", " ".repeat(depth)));
            lines.chain([format!("{}pass\n", " ".repeat(n))]).collect::<String>()
        };
        assert_eq!(problem(&indented(MAX_INDENTS)), None);
        assert_eq!(problem(&indented(MAX_INDENTS + 1)), Some("indentation"));
        let chain = |n: usize| format!("{}x", "not ".repeat(n));
        assert_eq!(problem(&chain(MAX_OPERATORS)), None);
        assert_eq!(problem(&chain(MAX_OPERATORS + 1)), Some("operators"));
    }

    #[test]
    fn what_is_wide_is_not_deep() {
        let n = 2 * MAX_OPERATORS;
        for wide in [
            format!("x = [{}]", "-1, a.b, ".repeat(n)),
            format!("x = {{{}}}", "'a': f(b, not c), ".repeat(n)),
            format!("x = [{}]", "lambda a, b: a, ".repeat(n)),
            "x = not a.b\n".repeat(n),
            "x = -1; ".repeat(n),
            "'a' ".repeat(n),
            "if x:\n  pass\n".repeat(n),
            format!("x = 'a{}'", "(".repeat(n)),
            format!("# {}\n", "(".repeat(n)),
        ] {
            assert_eq!(problem(&wide), None, "{}", &wide[..30]);
        }
    }

    #[test]
    fn depth_adds_up_over_brackets() {
        let half = MAX_OPERATORS / 2 + 1;
        let (before, after) = ("-".repeat(half), "+a".repeat(half));
        assert_eq!(problem(&format!("{before}f({before}x)")), Some("operators"));
        assert_eq!(
            problem(&format!("(a{after}){after}")),
            Some("operators"),
            "a bracket is the first operand"
        );
        assert_eq!(problem(&format!("(a{after}, b), c{after}")), None, "two items");
        assert_eq!(problem(&"lambda a, b: ".repeat(MAX_OPERATORS + 1)), Some("operators"));
    }

    #[test]
    fn the_place_is_that_of_the_token() {
        let line = "name = 1\n";
        let offset = |text: &str| check(text).unwrap_err().offset;
        assert_eq!(
            offset(&format!("{line}é({}", "(".repeat(2 * MAX_BRACKETS))),
            line.len() + 2 + MAX_BRACKETS
        );
        assert_eq!(
            offset(&format!("{line}{}", "not ".repeat(2 * MAX_OPERATORS))),
            line.len() + 4 * MAX_OPERATORS
        );
    }

    #[test]
    fn closing_brackets_without_opening_ones_are_the_parser_s_affair() {
        assert_eq!(problem(")))]]]\n'''"), None);
    }
}
