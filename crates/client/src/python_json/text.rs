//! Strings of Python's JSON. Python's own may hold halves of surrogate pairs, which no Rust string can hold.

use std::borrow::Cow;

/// A piece of a string.
enum Piece {
    Char(char),
    /// Half of a surrogate pair, alone.
    Lone(u16),
}

/// The length of a valid escape sequence at the start of a text, for example of `\n` or `\u00e9`.
pub(super) fn escape_length(bytes: &[u8]) -> Option<usize> {
    match bytes.get(1)? {
        b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Some(2),
        b'u' => bytes.get(2..6)?.iter().all(u8::is_ascii_hexdigit).then_some(6),
        _ => None,
    }
}

/// The string that a literal stands for; `None` where it holds a lone surrogate.
pub(super) fn exact(literal: &str) -> Option<Cow<'_, str>> {
    unescape(literal, |_, _| false)
}

/// The string that a literal stands for, with lone surrogates as escape sequences. For people.
pub(super) fn readable(literal: &str) -> Cow<'_, str> {
    let shown = unescape(literal, |text, half| {
        text.push_str(&format!("\\u{half:04x}"));
        true
    });
    shown.unwrap_or(Cow::Borrowed(literal))
}

fn unescape(literal: &str, lone: impl Fn(&mut String, u16) -> bool) -> Option<Cow<'_, str>> {
    if !literal.contains('\\') {
        return Some(Cow::Borrowed(literal));
    }
    let mut text = String::with_capacity(literal.len());
    let mut rest = literal;
    while let Some(at) = rest.find('\\') {
        text.push_str(&rest[..at]);
        rest = &rest[at..];
        let (piece, length) = piece(rest)?;
        match piece {
            Piece::Char(character) => text.push(character),
            Piece::Lone(half) => {
                if !lone(&mut text, half) {
                    return None;
                }
            }
        }
        rest = &rest[length..];
    }
    text.push_str(rest);
    Some(Cow::Owned(text))
}

/// What the escape sequence at the start of a text stands for, and its length.
fn piece(text: &str) -> Option<(Piece, usize)> {
    let character = match text.as_bytes().get(1)? {
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        b'u' => return unicode(text),
        byte => char::from(*byte),
    };
    Some((Piece::Char(character), 2))
}

fn unicode(text: &str) -> Option<(Piece, usize)> {
    let first = unit(text)?;
    let pair = unit(text.get(6..).unwrap_or_default()).map(|second| [first, second]);
    if let Some(Ok(character)) = pair.and_then(|pair| char::decode_utf16(pair).next())
        && character > '\u{ffff}'
    {
        return Some((Piece::Char(character), 12));
    }
    let piece = char::from_u32(u32::from(first)).map_or(Piece::Lone(first), Piece::Char);
    Some((piece, 6))
}

/// The code unit that `\uXXXX` at the start of a text stands for.
fn unit(text: &str) -> Option<u16> {
    u16::from_str_radix(text.strip_prefix("\\u")?.get(..4)?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_what_python_means_by_them() {
        assert_eq!(exact("plain é").as_deref(), Some("plain é"));
        assert_eq!(exact(r#"\"\\\/\b\f\n\r\t\u00e9"#).as_deref(), Some("\"\\/\u{8}\u{c}\n\r\té"));
        assert_eq!(exact(r"a\ud83d\ude00b").as_deref(), Some("a😀b"));
    }

    #[test]
    fn halves_of_pairs_are_no_text() {
        for literal in [r"caf\udce9", r"\ud83d", r"\ude00\ud83d", r"\ud83d\u0041", r"\ud83dx"] {
            assert_eq!(exact(literal), None, "{literal}");
        }
        assert_eq!(readable(r"caf\udce9\n"), "caf\\udce9\n");
        assert_eq!(readable(r"\ud83d\ud83d\ude00"), "\\ud83d😀");
    }

    #[test]
    fn sequences_have_a_length() {
        assert_eq!(escape_length(br"\n"), Some(2));
        assert_eq!(escape_length(br"\u00e9x"), Some(6));
        for wrong in [&br"\"[..], br"\x", br"\u12", br"\u12g4"] {
            assert_eq!(escape_length(wrong), None, "{wrong:?}");
        }
    }
}
