//! JSON as Python writes it: wider than the standard, and wider than what `serde_json` reads.
//!
//! Results, exceptions and replies of workers go through here. A value is kept as its text, so that nothing is lost before it is read as a
//! type, and so that a value that no Rust type holds costs nothing but itself.

mod read;
mod scan;
#[cfg(test)]
mod tests;
mod text;

use std::{borrow::Cow, fmt, ops::Range, sync::Arc};

use serde::de::{self, DeserializeOwned};

use read::Reader;
use scan::{Scanner, Token};

/// How deep arrays and objects may be nested in what is read as a type. Python's encoder stops near 1,000 levels up to Python 3.11.
const MAX_DEPTH: usize = 1000;

/// The name by which [`PythonJson`] asks its own reader for the text of a value.
const RAW: &str = "$testcelery_client::PythonJson";

/// A JSON value as Python's `json` module writes it, kept as its text.
///
/// Python's JSON knows more than the standard: `NaN`, `Infinity` and `-Infinity`, integers of any size, and strings with lone surrogates
/// such as `"caf\udce9"` (a file name that is not UTF-8). [`read`](Self::read) turns a value into any Rust type that holds it exactly; for
/// another type it is an error. Within a type, a field of the type `PythonJson` takes any value.
///
/// ```
/// use testcelery_client::PythonJson;
///
/// let value = PythonJson::parse(br#"{"ratio": NaN, "count": 18446744073709551617}"#)?;
/// assert!(value.get("ratio").is_some_and(|ratio| ratio.read::<f64>().is_ok_and(f64::is_nan)));
/// assert_eq!(value.get("count").map(|count| count.read::<u128>()), Some(Ok(18446744073709551617)));
/// assert!(value.read::<serde_json::Value>().is_err());
/// # Ok::<(), testcelery_client::JsonError>(())
/// ```
#[derive(Clone)]
pub struct PythonJson {
    document: Arc<str>,
    span: Range<usize>,
}

impl PythonJson {
    /// Checks a document and keeps it.
    ///
    /// # Errors
    /// When it is not UTF-8, or not what Python's `json.loads` reads.
    pub fn parse(document: &[u8]) -> Result<Self, JsonError> {
        let document = str::from_utf8(document).map_err(|error| JsonError::new(error.to_string()))?;
        let mut scanner = Scanner::new(document);
        let span = scanner.skip()?;
        scanner.end()?;
        Ok(Self { document: document.into(), span })
    }

    /// The value's JSON, as it was written.
    pub fn text(&self) -> &str {
        &self.document[self.span.clone()]
    }

    /// Reads it as a type. Arrays and objects may be nested up to 1,000 levels deep.
    ///
    /// # Errors
    /// When it is not a `T`, and when a `T` cannot hold it exactly: an integer that is too large, a string with a lone surrogate, NaN and
    /// infinity in a `serde_json::Value`, in a struct with `#[serde(flatten)]` or in an untagged enum. A number that is read as a float is
    /// rounded as Python rounds it.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, JsonError> {
        T::deserialize(&mut Reader::new(self.text()))
    }

    /// Returns whether it is null.
    pub fn is_null(&self) -> bool {
        self.text() == "null"
    }

    /// Returns the entry of an object; of several with one name the last, as Python does.
    pub fn get(&self, key: &str) -> Option<Self> {
        let mut found = None;
        self.walk(b'{', |name, span| {
            if name.is_some_and(|name| text::readable(name) == key) {
                found = Some(span);
            }
        });
        found.map(|span| self.part(span))
    }

    /// Returns the items of an array.
    pub fn items(&self) -> Option<Vec<Self>> {
        let mut items = Vec::new();
        self.walk(b'[', |_, span| items.push(self.part(span))).then_some(items)
    }

    /// Returns the entries of an object, in their order. Lone surrogates in keys are shown as escape sequences.
    pub fn entries(&self) -> Option<Vec<(Cow<'_, str>, Self)>> {
        let mut entries = Vec::new();
        let is_object = self.walk(b'{', |name, span| {
            entries.push((name.map(text::readable).unwrap_or_default(), self.part(span)));
        });
        is_object.then_some(entries)
    }

    /// Returns a string for people: lone surrogates are shown as escape sequences, for example `\udce9`. `None` if the value is no string.
    pub fn readable(&self) -> Option<String> {
        match Scanner::new(self.text()).token() {
            Ok(Token::String(literal)) => Some(text::readable(literal).into_owned()),
            _ => None,
        }
    }

    fn part(&self, span: Range<usize>) -> Self {
        let start = self.span.start;
        Self { document: Arc::clone(&self.document), span: start + span.start..start + span.end }
    }

    /// Visits the parts of an array or object, if the value is one that opens so, with their keys and where they are.
    fn walk<'a>(&'a self, open: u8, mut visit: impl FnMut(Option<&'a str>, Range<usize>)) -> bool {
        let mut scanner = Scanner::new(self.text());
        if !scanner.take(open) {
            return false;
        }
        let mut visit_all = || -> Result<(), JsonError> {
            loop {
                if matches!(scanner.peek(), Some(b']' | b'}') | None) {
                    return Ok(());
                }
                let key = if open == b'{' { Some(scanner.string()?) } else { None };
                if key.is_some() {
                    scanner.expect(b':')?;
                }
                visit(key, scanner.skip()?);
                scanner.take(b',');
            }
        };
        // The document was checked when it came.
        visit_all().is_ok()
    }
}

impl Default for PythonJson {
    /// Null.
    fn default() -> Self {
        Self { document: "null".into(), span: 0..4 }
    }
}

impl From<serde_json::Value> for PythonJson {
    fn from(value: serde_json::Value) -> Self {
        let document = value.to_string();
        Self { span: 0..document.len(), document: document.into() }
    }
}

impl PartialEq for PythonJson {
    /// Compares the texts.
    fn eq(&self, other: &Self) -> bool {
        self.text() == other.text()
    }
}

impl PartialEq<serde_json::Value> for PythonJson {
    /// Compares the values.
    fn eq(&self, other: &serde_json::Value) -> bool {
        self.read::<serde_json::Value>().is_ok_and(|value| value == *other)
    }
}

impl fmt::Display for PythonJson {
    /// Writes the whole text.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

impl fmt::Debug for PythonJson {
    /// Writes the beginning and the end of the text.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&testcelery_api::shorten(self.text()))
    }
}

/// Why a text is not JSON, or is no value of the type that was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{problem}")]
pub struct JsonError {
    problem: Box<str>,
}

impl JsonError {
    pub(crate) fn new(problem: String) -> Self {
        Self { problem: problem.into() }
    }
}

impl de::Error for JsonError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        // Serde repeats a string that was not expected, whatever its length.
        Self::new(testcelery_api::shorten(&message.to_string()).into_owned())
    }
}
