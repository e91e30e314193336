//! What Python takes for equal, which is what makes two keys of a dict one.

use crate::PyValue;

impl PyValue {
    /// What Python says it is, if it cannot be the key of a dict. What a call gives is left to Python.
    pub(super) fn unhashable(&self) -> Option<&'static str> {
        match self {
            Self::List(_) => Some("list"),
            Self::Set(_) => Some("set"),
            Self::Dict(_) => Some("dict"),
            Self::Tuple(items) => items.iter().find_map(Self::unhashable),
            _ => None,
        }
    }

    /// The same text for two values if and only if Python takes them for equal: numbers of all types by what they amount to.
    /// `None` for what equals nothing, not even itself: NaN, and a tuple of it.
    pub(super) fn identity(&self) -> Option<String> {
        match self {
            Self::Bool(value) => Some(i32::from(*value).to_string()),
            Self::Float(value) if value.is_nan() => None,
            // Rust writes all digits of it.
            Self::Float(value) if value.fract() == 0.0 => Some(format!("{:.0}", value + 0.0)),
            Self::Tuple(items) => {
                let items: Option<Vec<String>> = items.iter().map(Self::identity).collect();
                Some(format!("({})", items?.join(", ")))
            }
            other => {
                let mut text = String::new();
                other.write(&mut text).ok()?;
                Some(text)
            }
        }
    }
}
