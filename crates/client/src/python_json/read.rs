//! Python's JSON as any type that `serde` can make.

use std::{any::type_name, borrow::Cow};

use serde::de::{
    self, DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer, MapAccess, SeqAccess, VariantAccess,
    Visitor,
};

use super::{
    JsonError, MAX_DEPTH, PythonJson, RAW,
    scan::{Scanner, Token, number},
    text,
};

/// Reads one value of a text that was checked before.
#[derive(Debug)]
pub(super) struct Reader<'de> {
    text: &'de str,
    scanner: Scanner<'de>,
    /// How many more arrays and objects may be open.
    depth: usize,
}

impl<'de> Reader<'de> {
    pub(super) fn new(text: &'de str) -> Self {
        Self { text, scanner: Scanner::new(text), depth: MAX_DEPTH }
    }

    fn enter(&mut self) -> Result<(), JsonError> {
        self.depth = self.depth.checked_sub(1).ok_or_else(|| {
            JsonError::new(format!("it is nested more than {MAX_DEPTH} levels deep; read its text instead"))
        })?;
        Ok(())
    }

    fn array<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, JsonError> {
        self.enter()?;
        let mut items = Items { reader: self, is_first: true };
        let value = with_stack(|| visitor.visit_seq(&mut items))?;
        if items.advance()? {
            return Err(JsonError::new("the array has more items than expected".to_owned()));
        }
        self.depth += 1;
        Ok(value)
    }

    fn object<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, JsonError> {
        self.enter()?;
        let mut entries = Entries { reader: self, is_first: true };
        let value = with_stack(|| visitor.visit_map(&mut entries))?;
        if entries.advance()? {
            return Err(JsonError::new("the object has more entries than expected".to_owned()));
        }
        self.depth += 1;
        Ok(value)
    }
}

impl<'de> Deserializer<'de> for &mut Reader<'de> {
    type Error = JsonError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, JsonError> {
        match self.scanner.token()? {
            Token::Null => visitor.visit_unit(),
            Token::Bool(value) => visitor.visit_bool(value),
            Token::Integer(digits) => integer(digits, visitor),
            Token::Float(digits) => {
                let value = float(digits)?;
                if !value.is_finite() && loses_infinity(type_name::<V::Value>()) {
                    return Err(JsonError::new(format!(
                        "{digits}, which a serde_json::Value, a flattened struct and an untagged enum cannot hold; read it as an f64 \
                         or a PythonJson"
                    )));
                }
                visitor.visit_f64(value)
            }
            Token::String(literal) => string(literal, visitor),
            Token::ArrayStart => self.array(visitor),
            Token::ObjectStart => self.object(visitor),
        }
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, JsonError> {
        self.deserialize_f64(visitor)
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, JsonError> {
        match self.scanner.clone().token()? {
            Token::Integer(digits) => {
                self.scanner.token()?;
                let value = float(digits)?;
                if !value.is_finite() {
                    return Err(too_large(digits));
                }
                visitor.visit_f64(value)
            }
            Token::Float(digits) => {
                self.scanner.token()?;
                visitor.visit_f64(float(digits)?)
            }
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, JsonError> {
        if self.scanner.peek() == Some(b'n') {
            self.scanner.token()?;
            return visitor.visit_none();
        }
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, JsonError> {
        if name == RAW {
            let span = self.scanner.skip()?;
            return visitor.visit_borrowed_str(&self.text[span]);
        }
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, JsonError> {
        if !self.scanner.take(b'{') {
            let name = exact(self.scanner.string()?)?;
            return visitor.visit_enum(IntoDeserializer::<JsonError>::into_deserializer(name));
        }
        self.enter()?;
        let value = with_stack(|| visitor.visit_enum(Variant { reader: self }))?;
        self.depth += 1;
        self.scanner.expect(b'}')?;
        Ok(value)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, JsonError> {
        self.scanner.skip()?;
        visitor.visit_unit()
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 char str string bytes byte_buf unit unit_struct seq tuple tuple_struct map
        struct identifier
    }
}

/// Returns whether a type makes null of NaN and infinity: `serde_json` does, and serde keeps what it flattens, or tries as one variant of an
/// enum after the other, in a type from which `serde_json` may take it.
fn loses_infinity(type_name: &str) -> bool {
    type_name == self::type_name::<serde_json::Value>()
        || (type_name.starts_with("serde") && type_name.contains("::Content"))
}

/// Stack that one level of a value may need, and stack that is added where less is left.
const RED_ZONE: usize = 64 * 1024;
const MORE_STACK: usize = 1024 * 1024;

/// Reads what is inside an array or object. Every level needs stack, of which a thread of a runtime or a test has 2 MiB.
fn with_stack<T>(read: impl FnOnce() -> T) -> T {
    stacker::maybe_grow(RED_ZONE, MORE_STACK, read)
}

/// A whole number, in the smallest of the types that visitors expect it in.
fn integer<'de, V: Visitor<'de>>(digits: &str, visitor: V) -> Result<V::Value, JsonError> {
    if let Ok(value) = digits.parse() {
        return visitor.visit_u64(value);
    }
    if let Ok(value) = digits.parse() {
        return visitor.visit_i64(value);
    }
    // Types that hold no such integer do not all name it.
    let named = |error: JsonError| JsonError::new(format!("integer {digits}: {error}"));
    if let Ok(value) = digits.parse() {
        return visitor.visit_u128(value).map_err(named);
    }
    if let Ok(value) = digits.parse() {
        return visitor.visit_i128(value).map_err(named);
    }
    Err(too_large(digits))
}

fn too_large(digits: &str) -> JsonError {
    let count = digits.trim_start_matches('-').len();
    let digits = testcelery_api::shorten(digits);
    JsonError::new(format!(
        "an integer of {count} digits, which no Rust number holds ({digits}); read it as a PythonJson"
    ))
}

fn float(digits: &str) -> Result<f64, JsonError> {
    // Rust rounds as Python does: to the nearest, ties to even.
    digits.parse().map_err(|error| JsonError::new(format!("{digits}: {error}")))
}

fn string<'de, V: Visitor<'de>>(literal: &'de str, visitor: V) -> Result<V::Value, JsonError> {
    match exact(literal)? {
        Cow::Borrowed(text) => visitor.visit_borrowed_str(text),
        Cow::Owned(text) => visitor.visit_string(text),
    }
}

fn exact(literal: &str) -> Result<Cow<'_, str>, JsonError> {
    text::exact(literal).ok_or_else(|| {
        let shown = testcelery_api::shorten(literal);
        JsonError::new(format!(
            "a string with a lone surrogate, which no Rust string holds (\"{shown}\"); read it as a PythonJson"
        ))
    })
}

/// The items of an array.
struct Items<'r, 'de> {
    reader: &'r mut Reader<'de>,
    is_first: bool,
}

impl Items<'_, '_> {
    /// Goes to the next item, or past the end; says whether there is one.
    fn advance(&mut self) -> Result<bool, JsonError> {
        let scanner = &mut self.reader.scanner;
        if scanner.take(b']') {
            return Ok(false);
        }
        if !std::mem::take(&mut self.is_first) {
            scanner.expect(b',')?;
        }
        Ok(true)
    }
}

impl<'de> SeqAccess<'de> for &mut Items<'_, 'de> {
    type Error = JsonError;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, JsonError> {
        if self.reader.scanner.peek() == Some(b']') {
            return Ok(None);
        }
        self.advance()?;
        seed.deserialize(&mut *self.reader).map(Some)
    }
}

/// The entries of an object.
struct Entries<'r, 'de> {
    reader: &'r mut Reader<'de>,
    is_first: bool,
}

impl Entries<'_, '_> {
    fn advance(&mut self) -> Result<bool, JsonError> {
        let scanner = &mut self.reader.scanner;
        if scanner.take(b'}') {
            return Ok(false);
        }
        if !std::mem::take(&mut self.is_first) {
            scanner.expect(b',')?;
        }
        Ok(true)
    }
}

impl<'de> MapAccess<'de> for &mut Entries<'_, 'de> {
    type Error = JsonError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, JsonError> {
        if self.reader.scanner.peek() == Some(b'}') {
            return Ok(None);
        }
        self.advance()?;
        let literal = self.reader.scanner.string()?;
        seed.deserialize(Key(literal)).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, JsonError> {
        self.reader.scanner.expect(b':')?;
        seed.deserialize(&mut *self.reader)
    }
}

/// A key of an object: a string, and for Python often a number, a boolean or None that was turned into one.
struct Key<'de>(&'de str);

impl<'de> Key<'de> {
    fn scalar<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, JsonError> {
        match (self.0, number(self.0)) {
            (_, Some(Token::Integer(digits))) => integer(digits, visitor),
            (_, Some(Token::Float(digits))) => visitor.visit_f64(float(digits)?),
            ("true", _) => visitor.visit_bool(true),
            ("false", _) => visitor.visit_bool(false),
            _ => string(self.0, visitor),
        }
    }
}

macro_rules! scalars {
    ($($method:ident)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, JsonError> {
            self.scalar(visitor)
        })*
    };
}

impl<'de> Deserializer<'de> for Key<'de> {
    type Error = JsonError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, JsonError> {
        string(self.0, visitor)
    }

    scalars! {
        deserialize_bool deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128 deserialize_u8 deserialize_u16
        deserialize_u32 deserialize_u64 deserialize_u128 deserialize_f32 deserialize_f64
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, JsonError> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, JsonError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, JsonError> {
        visitor.visit_enum(IntoDeserializer::<JsonError>::into_deserializer(exact(self.0)?))
    }

    serde::forward_to_deserialize_any! {
        char str string bytes byte_buf unit unit_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}

/// An enum's variant with its data, written as an object of one entry.
struct Variant<'r, 'de> {
    reader: &'r mut Reader<'de>,
}

impl<'de> EnumAccess<'de> for Variant<'_, 'de> {
    type Error = JsonError;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), JsonError> {
        let literal = self.reader.scanner.string()?;
        let value = seed.deserialize(Key(literal))?;
        self.reader.scanner.expect(b':')?;
        Ok((value, self))
    }
}

impl<'de> VariantAccess<'de> for Variant<'_, 'de> {
    type Error = JsonError;

    fn unit_variant(self) -> Result<(), JsonError> {
        de::Deserialize::deserialize(self.reader)
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, JsonError> {
        seed.deserialize(self.reader)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, JsonError> {
        self.reader.deserialize_any(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, JsonError> {
        self.reader.deserialize_any(visitor)
    }
}

impl<'de> de::Deserialize<'de> for PythonJson {
    /// Takes the text of a value as it is. Works within a value of this kind only: other formats are an error.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Raw;
        impl Visitor<'_> for Raw {
            type Value = PythonJson;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a value of Python's JSON")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<PythonJson, E> {
                PythonJson::parse(text.as_bytes()).map_err(E::custom)
            }
        }
        deserializer.deserialize_newtype_struct(RAW, Raw)
    }
}
