//! Rust values as JSON, and nothing that would be lost on the way.

use serde::Serialize;
use serde_content::{Data, Number, Value as Content};
use serde_json::Value;
use serde_path_to_error::{Segment, Track};

use crate::depth;

/// A value that JSON cannot carry.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// Which one, as `args[1].price`.
    pub(crate) argument: String,
    /// Why.
    pub(crate) reason: String,
}

/// Turns a value into JSON. `root` is what it is called: `args`, `kwargs` or `kwargs["limit"]`.
///
/// `serde_json` alone would turn NaN and infinity into `null`, and keys that are numbers into texts; both are refused here. So is a value that is nested too deeply.
pub(crate) fn to_value<T: Serialize + ?Sized>(root: &str, value: &T) -> Result<Value, Refusal> {
    depth::check(value).map_err(|reason| Refusal { argument: root.to_owned(), reason })?;
    let mut track = Track::new();
    let serializer = serde_path_to_error::Serializer::new(serde_json::value::Serializer, &mut track);
    let json = value.serialize(serializer);
    let json = json.map_err(|error| Refusal {
        argument: spell(root, &segments(track.path().iter())),
        reason: error.to_string(),
    })?;
    let mut path = Vec::new();
    let checked = serde_content::Serializer::new()
        .human_readable()
        .serialize(value)
        .map_err(|error| error.to_string())
        .and_then(|content| check(&content, &mut path));
    match checked {
        Ok(()) => Ok(json),
        Err(reason) => Err(Refusal { argument: spell(root, &path), reason }),
    }
}

#[derive(Debug)]
enum Step {
    Index(usize),
    Key(String),
}

/// Looks for what JSON has no word for. Where it finds something, the path stays where it was found.
fn check(content: &Content<'_>, path: &mut Vec<Step>) -> Result<(), String> {
    match content {
        Content::Number(Number::F32(number)) => finite(f64::from(*number)),
        Content::Number(Number::F64(number)) => finite(*number),
        Content::Seq(items) | Content::Tuple(items) => check_items(items, path),
        Content::Map(entries) => {
            for (key, value) in entries {
                path.push(Step::Key(text_key(key)?));
                check(value, path)?;
                path.pop();
            }
            Ok(())
        }
        Content::Option(Some(value)) => check(value, path),
        Content::Struct(value) => check_data(&value.data, path),
        Content::Enum(value) if matches!(value.data, Data::Unit) => Ok(()),
        Content::Enum(value) => {
            path.push(Step::Key(value.variant.to_string()));
            check_data(&value.data, path)?;
            path.pop();
            Ok(())
        }
        _ => Ok(()),
    }
}

fn check_data(data: &Data<'_>, path: &mut Vec<Step>) -> Result<(), String> {
    match data {
        Data::Unit => Ok(()),
        Data::NewType { value } => check(value, path),
        Data::Tuple { values } => check_items(values, path),
        Data::Struct { fields } => {
            for (name, value) in fields {
                path.push(Step::Key(name.to_string()));
                check(value, path)?;
                path.pop();
            }
            Ok(())
        }
    }
}

fn check_items(items: &[Content<'_>], path: &mut Vec<Step>) -> Result<(), String> {
    for (index, item) in items.iter().enumerate() {
        path.push(Step::Index(index));
        check(item, path)?;
        path.pop();
    }
    Ok(())
}

fn finite(number: f64) -> Result<(), String> {
    if number.is_finite() { Ok(()) } else { Err(format!("{number} is no JSON number")) }
}

/// A key of a map, where it is a text in Rust too.
fn text_key(key: &Content<'_>) -> Result<String, String> {
    match key {
        Content::String(text) => Ok(text.to_string()),
        Content::Char(letter) => Ok(letter.to_string()),
        Content::Enum(value) if matches!(value.data, Data::Unit) => Ok(value.variant.to_string()),
        Content::Struct(value) => match &value.data {
            Data::NewType { value } => text_key(value),
            _ => Err(NOT_TEXT.to_owned()),
        },
        _ => Err(NOT_TEXT.to_owned()),
    }
}

const NOT_TEXT: &str = "a key of the map is no string";

fn segments<'a>(segments: impl Iterator<Item = &'a Segment>) -> Vec<Step> {
    segments
        .filter_map(|segment| match segment {
            Segment::Seq { index } => Some(Step::Index(*index)),
            Segment::Map { key } => Some(Step::Key(key.clone())),
            Segment::Enum { variant } => Some(Step::Key(variant.clone())),
            Segment::Unknown => None,
        })
        .collect()
}

/// Spells a path as one would reach the value in Python: the first key of `kwargs` in brackets, fields below with a dot.
fn spell(root: &str, path: &[Step]) -> String {
    let mut out = root.to_owned();
    for step in path {
        match step {
            Step::Index(index) => out.push_str(&format!("[{index}]")),
            Step::Key(key) if out != "kwargs" && is_identifier(key) => out.push_str(&format!(".{key}")),
            Step::Key(key) => out.push_str(&format!("[{key:?}]")),
        }
    }
    out
}

fn is_identifier(key: &str) -> bool {
    !key.starts_with(|c: char| c.is_ascii_digit())
        && !key.is_empty()
        && key.chars().all(|c| c.is_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[derive(Serialize)]
    struct Item {
        name: &'static str,
        price: f64,
    }

    fn refusal<T: Serialize>(root: &str, value: T) -> (String, String) {
        let refusal = to_value(root, &value).unwrap_err();
        (refusal.argument, refusal.reason)
    }

    fn is(argument: &str, reason: &str) -> (String, String) {
        (argument.to_owned(), reason.to_owned())
    }

    #[test]
    fn numbers_that_are_none_are_refused_where_they_are() {
        let item = Item { name: "tea", price: f64::NAN };
        assert_eq!(refusal("args", (1, item)), is("args[1].price", "NaN is no JSON number"));
        assert_eq!(refusal("args", [[f32::INFINITY]]), is("args[0][0]", "inf is no JSON number"));
        let limits = HashMap::from([("limit", f64::NEG_INFINITY)]);
        assert_eq!(refusal("kwargs", &limits), is(r#"kwargs["limit"]"#, "-inf is no JSON number"));
        assert_eq!(refusal("kwargs[\"a\"]", &limits), is(r#"kwargs["a"].limit"#, "-inf is no JSON number"));
    }

    #[test]
    fn keys_that_are_no_texts_are_refused() {
        assert_eq!(refusal("args", [HashMap::from([(1, 2)])]), is("args[0]", NOT_TEXT));
        assert_eq!(refusal("args", [HashMap::from([(true, 2)])]), is("args[0]", NOT_TEXT));
        let (argument, reason) = refusal("args", (0, HashMap::from([((1, 2), 2)])));
        assert_eq!((argument.as_str(), reason.as_str()), ("args[1]", "key must be a string"));
    }

    #[test]
    fn a_value_that_fails_to_serialize_is_named() {
        struct Broken;
        impl Serialize for Broken {
            fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
                Err(serde::ser::Error::custom("out of order"))
            }
        }
        assert_eq!(
            refusal("args", (HashMap::from([("a b", Broken)]),)),
            is(r#"args[0]["a b"]"#, "out of order")
        );
    }

    #[test]
    fn what_json_can_carry_is_what_serde_json_makes_of_it() {
        #[derive(Serialize)]
        enum Kind {
            Plain,
            Sized(u8),
            Named { at: Option<char> },
        }
        let value = (
            (),
            Some(1),
            Kind::Plain,
            Kind::Sized(2),
            Kind::Named { at: Some('x') },
            HashMap::from([('k', "v")]),
        );
        assert_eq!(
            to_value("args", &value).unwrap(),
            json!([null, 1, "Plain", {"Sized": 2}, {"Named": {"at": "x"}}, {"k": "v"}])
        );
        let item = Item { name: "tea", price: 1.5 };
        assert_eq!(to_value("args", &item).unwrap(), json!({"name": "tea", "price": 1.5}));
    }

    proptest! {
        #[test]
        fn every_float_is_either_kept_or_refused(number in proptest::num::f64::ANY) {
            match to_value("args", &[number]) {
                Ok(json) => prop_assert_eq!(json[0].as_f64(), Some(number)),
                Err(refusal) => {
                    prop_assert!(!number.is_finite());
                    prop_assert_eq!(refusal.argument, "args[0]");
                }
            }
        }
    }
}
