//! Python values as Python source.

use std::fmt::Write;

use crate::{Error, PyValue};

impl PyValue {
    /// The value as one line of Python, which evaluates to exactly this value.
    ///
    /// # Errors
    /// [`Error::Setting`] for a dict with a key that Python cannot hash, or with one key twice. It names the path to the place.
    pub fn to_literal(&self) -> Result<String, Error> {
        self.render("value")
    }

    pub(crate) fn render(&self, path: &str) -> Result<String, Error> {
        Ok(match self {
            Self::None => "None".to_owned(),
            Self::Bool(true) => "True".to_owned(),
            Self::Bool(false) => "False".to_owned(),
            Self::Int(value) => value.to_string(),
            Self::Float(value) => float(*value),
            Self::Str(text) => string(text),
            Self::Bytes(bytes) => byte_string(bytes),
            Self::List(items) => format!("[{}]", sequence(items, path)?.join(", ")),
            Self::Tuple(items) => {
                let items = sequence(items, path)?;
                let comma = if items.len() == 1 { "," } else { "" };
                format!("({}{comma})", items.join(", "))
            }
            Self::Dict(items) => {
                let items = entries(items, path)?;
                let items: Vec<String> = items.iter().map(|(key, value)| format!("{key}: {value}")).collect();
                format!("{{{}}}", items.join(", "))
            }
        })
    }

    /// What Python says it is, if it cannot be the key of a dict.
    fn unhashable(&self) -> Option<&'static str> {
        match self {
            Self::List(_) => Some("list"),
            Self::Dict(_) => Some("dict"),
            Self::Tuple(items) => items.iter().find_map(Self::unhashable),
            _ => None,
        }
    }
}

fn sequence(items: &[PyValue], path: &str) -> Result<Vec<String>, Error> {
    items.iter().enumerate().map(|(place, item)| item.render(&format!("{path}[{place}]"))).collect()
}

fn entries(items: &[(PyValue, PyValue)], path: &str) -> Result<Vec<(String, String)>, Error> {
    let mut rendered: Vec<(String, String)> = Vec::with_capacity(items.len());
    for (place, (key, value)) in items.iter().enumerate() {
        let problem = |problem: String| Error::Setting { key: path.to_owned(), problem };
        if let Some(kind) = key.unhashable() {
            return Err(problem(format!(
                "key {} of the dict is or holds a {kind}, which Python cannot hash",
                place + 1
            )));
        }
        let key_text = key.render(path)?;
        if rendered.iter().any(|(existing, _)| *existing == key_text) {
            return Err(problem(format!("the dict has the key {key_text} twice")));
        }
        let value = value.render(&format!("{path}[{key_text}]"))?;
        rendered.push((key_text, value));
    }
    Ok(rendered)
}

fn float(value: f64) -> String {
    if value.is_nan() {
        "float('nan')".to_owned()
    } else if value.is_infinite() {
        format!("float('{}inf')", if value < 0.0 { "-" } else { "" })
    } else {
        // The shortest digits that read back as the same number, in a notation that Python shares.
        format!("{value:?}")
    }
}

/// Letters and digits of any script stay readable; whatever may be invisible or have a meaning of its own is escaped.
fn string(text: &str) -> String {
    let mut out = String::from("'");
    for c in text.chars() {
        match c {
            '\'' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            ' '..='~' => out.push(c),
            c if c.is_alphanumeric() => out.push(c),
            c => push_escape(&mut out, u32::from(c)),
        }
    }
    out.push('\'');
    out
}

fn byte_string(bytes: &[u8]) -> String {
    let mut out = String::from("b'");
    for byte in bytes {
        match byte {
            b'\'' | b'\\' => out.extend(['\\', char::from(*byte)]),
            b' '..=b'~' => out.push(char::from(*byte)),
            byte => push_escape(&mut out, u32::from(*byte)),
        }
    }
    out.push('\'');
    out
}

fn push_escape(out: &mut String, code: u32) {
    let written = match code {
        0..=0xff => write!(out, "\\x{code:02x}"),
        0x100..=0xffff => write!(out, "\\u{code:04x}"),
        _ => write!(out, "\\U{code:08x}"),
    };
    debug_assert!(written.is_ok(), "writing to a String does not fail");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn literal(value: impl Into<PyValue>) -> String {
        value.into().to_literal().unwrap()
    }

    #[test]
    fn scalars() {
        assert_eq!(literal(None::<bool>), "None");
        assert_eq!(literal(true), "True");
        assert_eq!(literal(u64::MAX), "18446744073709551615");
        assert_eq!(literal(0.1), "0.1");
        assert_eq!(literal(1e300), "1e300");
        assert_eq!(literal(-0.0), "-0.0");
        assert_eq!(literal(f64::NEG_INFINITY), "float('-inf')");
        assert_eq!(literal(f64::NAN), "float('nan')");
        assert_eq!(
            literal("it's \"Grüße\"\n\\ \u{202e}\u{1f600}"),
            r#"'it\'s "Grüße"\n\\ \u202e\U0001f600'"#
        );
        assert_eq!(PyValue::bytes(*b"a'\x00\xff").to_literal().unwrap(), r"b'a\'\x00\xff'");
    }

    #[test]
    fn containers() {
        assert_eq!(literal(vec![1, 2]), "[1, 2]");
        assert_eq!(PyValue::tuple([1]).to_literal().unwrap(), "(1,)");
        assert_eq!(PyValue::tuple([(); 0].map(|()| 1)).to_literal().unwrap(), "()");
        assert_eq!(PyValue::dict([("b", 1), ("a", 2)]).to_literal().unwrap(), "{'b': 1, 'a': 2}");
    }

    #[test]
    fn an_error_names_the_path() {
        let bad = PyValue::dict([(PyValue::tuple([PyValue::list([1])]), 1)]);
        let value = PyValue::dict([("x", PyValue::list([PyValue::None, bad]))]);
        assert_eq!(
            value.render("task_routes").unwrap_err().to_string(),
            "setting `task_routes['x'][1]`: key 1 of the dict is or holds a list, which Python cannot hash"
        );
        let twice = PyValue::dict([("x", 1), ("x", 2)]);
        assert_eq!(
            twice.to_literal().unwrap_err().to_string(),
            "setting `value`: the dict has the key 'x' twice"
        );
    }
}
