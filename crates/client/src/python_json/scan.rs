//! The grammar of Python's JSON, without recursion: where a value ends, and whether it is one.

use std::ops::Range;

use super::{JsonError, text};

/// What Python writes for floats that JSON has no word for. Rust reads the same words.
const WORDS: [&str; 3] = ["NaN", "Infinity", "-Infinity"];

/// A value of a document: where it is.
pub(super) type Span = Range<usize>;

/// What a value begins with, or is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Token<'a> {
    Null,
    Bool(bool),
    /// Digits with an optional sign.
    Integer(&'a str),
    /// Digits with a fraction or an exponent, or one of [`WORDS`].
    Float(&'a str),
    /// What is between the quotes, with its escapes.
    String(&'a str),
    ArrayStart,
    ObjectStart,
}

/// Reads one document from its start to its end.
#[derive(Debug, Clone)]
pub(super) struct Scanner<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Scanner<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    /// Skips white space, and returns the next byte without taking it.
    pub(super) fn peek(&mut self) -> Option<u8> {
        let rest = &self.text.as_bytes()[self.at..];
        let space = rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r')).count();
        self.at += space;
        rest.get(space).copied()
    }

    /// Takes a byte, if it is the next one.
    pub(super) fn take(&mut self, byte: u8) -> bool {
        let is_next = self.peek() == Some(byte);
        self.at += usize::from(is_next);
        is_next
    }

    pub(super) fn expect(&mut self, byte: u8) -> Result<(), JsonError> {
        if self.take(byte) { Ok(()) } else { Err(self.unexpected(&format!("`{}`", char::from(byte)))) }
    }

    /// Takes a string and returns what is between its quotes.
    pub(super) fn string(&mut self) -> Result<&'a str, JsonError> {
        match self.token()? {
            Token::String(text) => Ok(text),
            _ => Err(self.unexpected("a string")),
        }
    }

    /// Takes a scalar, or the opening bracket of an array or object.
    pub(super) fn token(&mut self) -> Result<Token<'a>, JsonError> {
        match self.peek() {
            Some(b'[') => {
                self.at += 1;
                Ok(Token::ArrayStart)
            }
            Some(b'{') => {
                self.at += 1;
                Ok(Token::ObjectStart)
            }
            Some(b'"') => self.quoted(),
            Some(_) => self.scalar(),
            None => Err(self.unexpected("a value")),
        }
    }

    /// Takes a whole value, however deep.
    pub(super) fn skip(&mut self) -> Result<Span, JsonError> {
        // One byte a level: the closing bracket that it waits for.
        let mut open: Vec<u8> = Vec::new();
        self.peek();
        let start = self.at;
        loop {
            match self.token()? {
                Token::ArrayStart if !self.take(b']') => {
                    open.push(b']');
                    continue;
                }
                Token::ObjectStart if !self.take(b'}') => {
                    open.push(b'}');
                    self.key()?;
                    continue;
                }
                _ => {}
            }
            // A value has ended; so may what it is in.
            loop {
                let Some(&close) = open.last() else {
                    return Ok(start..self.at);
                };
                if self.take(close) {
                    open.pop();
                } else if self.take(b',') {
                    if close == b'}' {
                        self.key()?;
                    }
                    break;
                } else {
                    return Err(self.unexpected(&format!("`,` or `{}`", char::from(close))));
                }
            }
        }
    }

    /// Says that nothing is left.
    pub(super) fn end(&mut self) -> Result<(), JsonError> {
        if self.peek().is_none() { Ok(()) } else { Err(self.unexpected("the end")) }
    }

    fn key(&mut self) -> Result<(), JsonError> {
        self.string()?;
        self.expect(b':')
    }

    fn quoted(&mut self) -> Result<Token<'a>, JsonError> {
        let start = self.at + 1;
        let mut at = start;
        let bytes = self.text.as_bytes();
        loop {
            match bytes.get(at) {
                Some(b'"') => break,
                Some(b'\\') => {
                    let Some(length) = text::escape_length(&bytes[at..]) else {
                        self.at = at;
                        return Err(self.unexpected("an escape sequence"));
                    };
                    at += length;
                }
                // Python refuses control characters too.
                Some(byte) if *byte >= b' ' => at += 1,
                _ => {
                    self.at = at;
                    return Err(self.unexpected("the end of a string"));
                }
            }
        }
        self.at = at + 1;
        Ok(Token::String(&self.text[start..at]))
    }

    fn scalar(&mut self) -> Result<Token<'a>, JsonError> {
        let rest = &self.text[self.at..];
        let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'+' | b'.');
        let word = &rest[..rest.bytes().take_while(|byte| is_part(byte)).count()];
        let token = match word {
            "null" => Token::Null,
            "true" => Token::Bool(true),
            "false" => Token::Bool(false),
            _ if WORDS.contains(&word) => Token::Float(word),
            _ => number(word).ok_or_else(|| self.unexpected("a value"))?,
        };
        self.at += word.len();
        Ok(token)
    }

    fn unexpected(&self, expected: &str) -> JsonError {
        let found = match self.text[self.at..].chars().next() {
            Some(character) => format!("{character:?}"),
            None => "the end".to_owned(),
        };
        JsonError::new(format!("expected {expected} at byte {}, found {found}", self.at))
    }
}

/// A number as JSON writes it.
pub(super) fn number(word: &str) -> Option<Token<'_>> {
    let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    let unsigned = word.strip_prefix('-').unwrap_or(word);
    let whole = digits(unsigned);
    if whole == 0 || (whole > 1 && unsigned.starts_with('0')) {
        return None;
    }
    let mut rest = &unsigned[whole..];
    if rest.is_empty() {
        return Some(Token::Integer(word));
    }
    if let Some(fraction) = rest.strip_prefix('.') {
        let count = digits(fraction);
        if count == 0 {
            return None;
        }
        rest = &fraction[count..];
    }
    if let Some(exponent) = rest.strip_prefix(['e', 'E']) {
        let exponent = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
        let count = digits(exponent);
        if count == 0 {
            return None;
        }
        rest = &exponent[count..];
    }
    rest.is_empty().then_some(Token::Float(word))
}
