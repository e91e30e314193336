//! Values as Python shows them, for the headers `argsrepr` and `kwargsrepr` that logs, events and `inspect` show.

use serde_json::{Map, Value};

/// Where the text is cut (`Celery.amqp.argsrepr_maxsize` and `kwargsrepr_maxsize`).
const LIMIT: usize = 1024;

/// Positional arguments, as a tuple.
pub(crate) fn args(args: &[Value]) -> String {
    let mut repr = Repr::default();
    repr.items('(', args, if args.len() == 1 { ",)" } else { ")" });
    repr.finish()
}

/// Keyword arguments, as a dict.
pub(crate) fn kwargs(kwargs: &Map<String, Value>) -> String {
    let mut repr = Repr::default();
    repr.dict(kwargs);
    repr.finish()
}

/// A text that stops growing at its limit, so that a huge argument costs nothing.
#[derive(Default)]
struct Repr {
    out: String,
}

impl Repr {
    fn value(&mut self, value: &Value) {
        match value {
            Value::Null => self.out.push_str("None"),
            Value::Bool(true) => self.out.push_str("True"),
            Value::Bool(false) => self.out.push_str("False"),
            Value::Number(number) if number.is_f64() => self.out.push_str(&float(number)),
            Value::Number(number) => self.out.push_str(&number.to_string()),
            Value::String(text) => self.text(text),
            Value::Array(items) => self.items('[', items, "]"),
            Value::Object(entries) => self.dict(entries),
        }
    }

    fn items(&mut self, open: char, items: &[Value], close: &str) {
        self.out.push(open);
        for (index, item) in items.iter().enumerate() {
            if self.is_full() {
                return;
            }
            if index > 0 {
                self.out.push_str(", ");
            }
            self.value(item);
        }
        self.out.push_str(close);
    }

    fn dict(&mut self, entries: &Map<String, Value>) {
        self.out.push('{');
        for (index, (key, value)) in entries.iter().enumerate() {
            if self.is_full() {
                return;
            }
            if index > 0 {
                self.out.push_str(", ");
            }
            self.text(key);
            self.out.push_str(": ");
            self.value(value);
        }
        self.out.push('}');
    }

    fn text(&mut self, text: &str) {
        let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
        self.out.push(quote);
        for c in text.chars() {
            if self.is_full() {
                return;
            }
            match c {
                '\n' => self.out.push_str("\\n"),
                '\r' => self.out.push_str("\\r"),
                '\t' => self.out.push_str("\\t"),
                '\\' => self.out.push_str("\\\\"),
                c if c == quote => self.out.extend(['\\', c]),
                c if c.is_control() => self.out.push_str(&format!("\\x{:02x}", u32::from(c))),
                c => self.out.push(c),
            }
        }
        self.out.push(quote);
    }

    fn is_full(&self) -> bool {
        self.out.len() > LIMIT
    }

    fn finish(mut self) -> String {
        if self.is_full() {
            self.out.truncate(self.out.floor_char_boundary(LIMIT - 3));
            self.out.push_str("...");
        }
        self.out
    }
}

/// Rust and Python agree on floats but for the exponent: `1e16` is `1e+16`, `1e-7` is `1e-07`.
fn float(number: &serde_json::Number) -> String {
    let text = format!("{:?}", number.as_f64().unwrap_or_default());
    match text.split_once('e') {
        None => text,
        Some((mantissa, exponent)) => {
            let (sign, digits) = match exponent.strip_prefix('-') {
                Some(digits) => ('-', digits),
                None => ('+', exponent),
            };
            format!("{mantissa}e{sign}{digits:0>2}")
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn shown(value: Value) -> String {
        args(&[value])
    }

    #[test]
    fn is_what_python_shows() {
        assert_eq!(args(&[]), "()");
        assert_eq!(args(&[json!(1)]), "(1,)");
        assert_eq!(args(&[json!(1), json!(null), json!([true, false])]), "(1, None, [True, False])");
        assert_eq!(kwargs(json!({"a": {"b": "c"}}).as_object().unwrap()), "{'a': {'b': 'c'}}");
        assert_eq!(shown(json!("it's")), r#"("it's",)"#);
        assert_eq!(shown(json!("it's \"it\"\n\u{1}é")), r#"('it\'s "it"\n\x01é',)"#);
        for (number, text) in [
            (1.0, "1.0"),
            (0.1, "0.1"),
            (1e16, "1e+16"),
            (1e-7, "1e-07"),
            (5e-5, "5e-05"),
            (1.5e300, "1.5e+300"),
        ] {
            assert_eq!(shown(json!(number)), format!("({text},)"));
        }
    }

    #[test]
    fn long_texts_are_cut() {
        let text = shown(json!("é".repeat(5000)));
        assert!(text.len() <= LIMIT && text.len() > LIMIT - 8, "{}", text.len());
        assert!(text.ends_with("é..."));
    }

    proptest! {
        #[test]
        fn never_longer_than_the_limit(items in proptest::collection::vec("\\PC{0,80}", 0..60)) {
            let items: Vec<Value> = items.into_iter().map(Value::from).collect();
            prop_assert!(args(&items).len() <= LIMIT);
        }
    }
}
