use std::collections::{BTreeMap, HashMap};

use proptest::prelude::*;
use serde::Deserialize;
use serde_json::{Value, json};

use super::*;

fn parsed(text: &str) -> PythonJson {
    PythonJson::parse(text.as_bytes()).unwrap()
}

fn read<T: DeserializeOwned>(text: &str) -> T {
    parsed(text).read().unwrap()
}

fn refusal<T: DeserializeOwned + fmt::Debug>(text: &str) -> String {
    parsed(text).read::<T>().unwrap_err().to_string()
}

fn problem(text: &[u8]) -> String {
    PythonJson::parse(text).unwrap_err().to_string()
}

#[test]
fn numbers_are_exact() {
    assert_eq!(read::<u128>("18446744073709551617"), (1 << 64) + 1);
    assert_eq!(read::<i128>("-9223372036854775809"), i128::from(i64::MIN) - 1);
    assert_eq!(read::<(u64, i64)>("[18446744073709551615, -9223372036854775808]"), (u64::MAX, i64::MIN));
    assert_eq!(
        read::<(f64, f32, f64)>("[2.5331983431485986e96, 1, 18446744073709551617]").0,
        2.5331983431485986e96
    );
    assert_eq!(read::<[f64; 2]>("[Infinity, -Infinity]"), [f64::INFINITY, f64::NEG_INFINITY]);
    assert!(read::<f64>("NaN").is_nan() && read::<Option<f64>>("NaN").is_some_and(f64::is_nan));
    assert!(read::<f64>("-0.0").is_sign_negative());
    assert_eq!(read::<Value>("[1, -2, 2.5]"), json!([1, -2, 2.5]));
}

#[test]
fn what_a_type_does_not_hold_is_an_error_of_that_type() {
    for text in ["18446744073709551617", "-9223372036854775809"] {
        assert!(refusal::<i64>(text).contains(text), "{}", refusal::<i64>(text));
        assert!(refusal::<Value>(text).contains(text), "{}", refusal::<Value>(text));
    }
    let huge = "9".repeat(4000);
    let error = refusal::<u128>(&huge);
    assert!(error.starts_with("an integer of 4000 digits") && error.len() < 500, "{error}");
    assert!(refusal::<f64>(&huge).starts_with("an integer of 4000 digits"));
    assert!(refusal::<f32>(&format!("-{huge}")).starts_with("an integer of 4000 digits"));
    assert_eq!(read::<PythonJson>(&huge).text(), huge);
    assert!(refusal::<Value>("[NaN]").starts_with("NaN, which a serde_json::Value, "));
    assert!(refusal::<String>(r#""caf\udce9""#).contains(r#""caf\udce9""#));
    assert!(refusal::<i64>("1.5").contains("floating point"));
}

#[test]
fn a_field_may_hold_what_no_other_type_does() {
    #[derive(Debug, Deserialize)]
    struct Answer {
        name: PythonJson,
        sizes: Vec<PythonJson>,
        count: u8,
    }
    let text = format!(
        r#"{{"count": 3, "name": "caf\udce9", "more": [NaN, {{}}], "sizes": [{}, null]}}"#,
        "1".repeat(50)
    );
    let answer: Answer = read(&text);
    assert_eq!((answer.name.text(), answer.count), (r#""caf\udce9""#, 3));
    assert_eq!((answer.sizes[0].text().len(), answer.sizes[1].is_null()), (50, true));
    assert!(serde_json::from_str::<PythonJson>("1").is_err(), "another format has no text to give");
}

#[test]
fn shapes_are_those_of_serde() {
    #[derive(Debug, PartialEq, Deserialize)]
    enum Kind {
        Plain,
        Sized(u8),
        Pair(u8, String),
        Named { at: Option<char> },
    }
    #[derive(Debug, PartialEq, Deserialize)]
    struct Wrapper(i8);
    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(untagged)]
    enum Either {
        Number(f64),
        Text(String),
    }
    let kinds: Vec<Kind> = read(
        r#"["Plain", {"Sized": 2}, {"Pair": [1, "x"]}, {"Named": {"at": "y"}}, {"Named": {"at": null}}]"#,
    );
    let expected = [
        Kind::Plain,
        Kind::Sized(2),
        Kind::Pair(1, "x".into()),
        Kind::Named { at: Some('y') },
        Kind::Named { at: None },
    ];
    assert_eq!(kinds, expected);
    assert_eq!(read::<(Wrapper, (), bool)>(" [ -1 , null , true ] "), (Wrapper(-1), (), true));
    assert_eq!(read::<BTreeMap<i64, u8>>(r#"{"-7": 1, "8": 2}"#), BTreeMap::from([(-7, 1), (8, 2)]));
    assert_eq!(read::<HashMap<bool, u8>>(r#"{"true": 1}"#), HashMap::from([(true, 1)]));
    assert_eq!(read::<Vec<Either>>(r#"[1.5, "x"]"#), [Either::Number(1.5), Either::Text("x".into())]);
    assert_eq!(refusal::<(u8, u8)>("[1, 2, 3]"), "the array has more items than expected");
    assert!(refusal::<Kind>(r#""Other""#).contains("unknown variant"));
    assert!(refusal::<Kind>(r#"{"Plain": null, "Sized": 1}"#).contains("expected `}`"));
}

#[test]
fn what_python_does_not_read_is_refused_where_it_is() {
    for (text, problem_of_it) in [
        ("", "expected a value at byte 0, found the end"),
        ("{", "expected a value at byte 1, found the end"),
        ("[1,]", "expected a value at byte 3, found ']'"),
        ("[1 2]", "expected `,` or `]` at byte 3, found '2'"),
        ("{1: 2}", "expected a string at byte 2, found ':'"),
        ("01", "expected a value at byte 0, found '0'"),
        ("nan", "expected a value at byte 0, found 'n'"),
        ("+1", "expected a value at byte 0, found '+'"),
        ("1.", "expected a value at byte 0, found '1'"),
        ("\"a\nb\"", "expected the end of a string at byte 2, found '\\n'"),
        (r#""\x""#, "expected an escape sequence at byte 1, found '\\\\'"),
        ("1 1", "expected the end at byte 2, found '1'"),
        ("'a'", "expected a value at byte 0, found '\\''"),
    ] {
        assert_eq!(problem(text.as_bytes()), problem_of_it, "{text}");
    }
    assert!(problem(b"\"\xff\"").contains("utf-8"));
    // The pickle of a dict.
    assert!(PythonJson::parse(b"\x80\x04}\x94.").is_err());
}

#[test]
fn depth_is_bounded_only_where_it_costs_stack() {
    let nested = |depth: usize| "[".repeat(depth) + "1" + &"]".repeat(depth);
    let mut value: Value = read(&nested(MAX_DEPTH));
    for _ in 0..MAX_DEPTH {
        value = value[0].take();
    }
    assert_eq!(value, 1);
    let deep = parsed(&format!(r#"{{"deep": {}, "status": "SUCCESS"}}"#, nested(100_000)));
    assert_eq!(deep.get("status").unwrap().read::<String>().unwrap(), "SUCCESS");
    let error = deep.get("deep").unwrap().read::<Value>().unwrap_err().to_string();
    assert_eq!(error, "it is nested more than 1000 levels deep; read its text instead");
    #[derive(Deserialize)]
    struct Status {
        status: String,
    }
    assert_eq!(
        deep.read::<Status>().unwrap().status,
        "SUCCESS",
        "a field that is not read may be of any depth"
    );
}

#[test]
fn parts_of_a_value() {
    let value = parsed(r#" {"a": [1, {"b": "x\u00e9"}], "n\u00e4me": 2, "a ": {}, "n\u00e4me": 3} "#);
    assert_eq!(
        value.get("a").unwrap().items().unwrap()[1].get("b").unwrap().readable().as_deref(),
        Some("xé")
    );
    assert_eq!(value.get("näme").unwrap().text(), "3");
    assert!(
        value.get("x").is_none() && value.items().is_none() && value.get("näme").unwrap().get("x").is_none()
    );
    assert_eq!(parsed("[]").items(), Some(Vec::new()));
    assert_eq!(PythonJson::from(json!({"a": [1]})).text(), r#"{"a":[1]}"#);
    assert!(PythonJson::default().is_null());
    assert_eq!(parsed(r#"{"b": 1.0, "a": [null]}"#), json!({"a": [null], "b": 1.0}));
    assert_ne!(parsed("NaN"), json!(null));
}

#[test]
fn a_large_value_is_short_in_debug() {
    let value = parsed(&format!("\"{}\"", "x".repeat(1_000_000)));
    assert!(format!("{value:?}").len() < 400);
    assert!(value.read::<i64>().unwrap_err().to_string().len() < 400);
}

/// Any value, and how Python writes it.
fn written() -> impl Strategy<Value = (Value, String)> {
    let leaf = prop_oneof![
        Just((Value::Null, "null".to_owned())),
        any::<bool>().prop_map(|value| (json!(value), value.to_string())),
        any::<i64>().prop_map(|value| (json!(value), value.to_string())),
        any::<u64>().prop_map(|value| (json!(value), value.to_string())),
        proptest::num::f64::NORMAL.prop_map(|value| (json!(value), format!("{value:e}"))),
        "\\PC{0,8}".prop_map(|value| (json!(value), ascii(&value))),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(|items| {
                let (values, texts): (Vec<_>, Vec<_>) = items.into_iter().unzip();
                (Value::Array(values), format!("[{}]", texts.join(", ")))
            }),
            proptest::collection::btree_map("\\PC{0,4}", inner, 0..4).prop_map(|entries| {
                let texts: Vec<_> =
                    entries.iter().map(|(key, (_, text))| format!("{}: {text}", ascii(key))).collect();
                let values = entries.into_iter().map(|(key, (value, _))| (key, value)).collect();
                (Value::Object(values), format!("{{{}}}", texts.join(", ")))
            }),
        ]
    })
}

/// A string as Python writes it: everything but ASCII as code units of UTF-16.
fn ascii(text: &str) -> String {
    let mut out = String::from('"');
    for unit in text.encode_utf16() {
        match u8::try_from(unit) {
            Ok(byte @ (b'"' | b'\\')) => out.extend(['\\', char::from(byte)]),
            Ok(byte @ b' '..=b'~') => out.push(char::from(byte)),
            _ => out.push_str(&format!("\\u{unit:04x}")),
        }
    }
    out + "\""
}

proptest! {
    #[test]
    fn everything_that_python_writes_is_read_as_it_was((value, text) in written()) {
        prop_assert_eq!(parsed(&text).read::<Value>().unwrap(), value);
    }

    #[test]
    fn any_text_is_read_or_refused(text in "[\\[\\]{}\",:0-9.eE+\\\\uNaInfty -]{0,24}") {
        if let Ok(value) = PythonJson::parse(text.as_bytes()) {
            let _ = value.read::<Value>();
            prop_assert_eq!(value.text(), text.trim_matches([' ', '\t', '\n', '\r']));
        }
    }

    #[test]
    fn what_serde_json_reads_is_read_alike(text in "[\\[\\]{}\",:0-9.eE+\\\\ud -]{0,24}") {
        if let Ok(expected) = serde_json::from_str::<Value>(&text) {
            let value = PythonJson::parse(text.as_bytes());
            prop_assert!(value.is_ok(), "{value:?}");
            // Large integers are where they differ: these are exact here.
            match value.unwrap().read::<Value>() {
                Ok(value) => prop_assert_eq!(value, expected),
                Err(error) => prop_assert!(error.to_string().contains("integer"), "{error}"),
            }
        }
    }
}

#[test]
fn no_infinity_becomes_null_on_the_way_through_serde() {
    #[derive(Debug, Deserialize)]
    struct Flat {
        #[serde(flatten)]
        rest: std::collections::BTreeMap<String, serde_json::Value>,
    }
    #[derive(Debug, Deserialize)]
    #[serde(untagged)]
    enum Either {
        Any(serde_json::Value),
    }
    let value = PythonJson::parse(br#"{"a": NaN}"#).unwrap();
    assert!(value.read::<Flat>().map(|flat| flat.rest).unwrap_err().to_string().contains("NaN, which"));
    let either = value.read::<Either>().map(|Either::Any(value)| value);
    assert!(either.unwrap_err().to_string().contains("NaN, which"));
    assert!(PythonJson::parse(br#"{"a": 1.5}"#).unwrap().read::<Flat>().is_ok());
}
