//! Python values that a setting can have.

use std::collections::BTreeMap;

/// A Python value, to be written as a literal.
///
/// Most of them come from Rust values by `into()`.
///
/// ```
/// use testcelery_codegen::PyValue;
///
/// let routes = PyValue::dict([("tests.tasks.*", PyValue::dict([("queue", "fast")]))]);
/// assert_eq!(routes.to_literal()?, "{'tests.tasks.*': {'queue': 'fast'}}");
/// assert_eq!(PyValue::from([1, 2]).to_literal()?, "[1, 2]");
/// # Ok::<(), testcelery_codegen::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum PyValue {
    /// `None`.
    None,
    /// `True` or `False`.
    Bool(bool),
    /// An `int`.
    Int(i128),
    /// A `float`; the infinities and NaN are rendered as `float('inf')` and so on.
    Float(f64),
    /// A `str`.
    Str(String),
    /// A `bytes`.
    Bytes(Vec<u8>),
    /// A `list`.
    List(Vec<PyValue>),
    /// A `tuple`.
    Tuple(Vec<PyValue>),
    /// A `dict`, in this order.
    Dict(Vec<(PyValue, PyValue)>),
}

impl PyValue {
    /// A `bytes`.
    pub fn bytes(bytes: impl Into<Vec<u8>>) -> Self {
        Self::Bytes(bytes.into())
    }

    /// A `list`.
    pub fn list<T: Into<Self>>(items: impl IntoIterator<Item = T>) -> Self {
        Self::List(items.into_iter().map(Into::into).collect())
    }

    /// A `tuple`.
    pub fn tuple<T: Into<Self>>(items: impl IntoIterator<Item = T>) -> Self {
        Self::Tuple(items.into_iter().map(Into::into).collect())
    }

    /// A `dict` that keeps the order of its items.
    pub fn dict<K: Into<Self>, V: Into<Self>>(items: impl IntoIterator<Item = (K, V)>) -> Self {
        Self::Dict(items.into_iter().map(|(key, value)| (key.into(), value.into())).collect())
    }
}

macro_rules! from_integers {
    ($($integer:ty)*) => {
        $(impl From<$integer> for PyValue {
            fn from(value: $integer) -> Self {
                Self::Int(value.into())
            }
        })*
    };
}

from_integers!(i8 i16 i32 i64 i128 u8 u16 u32 u64);

impl From<bool> for PyValue {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<f64> for PyValue {
    fn from(value: f64) -> Self {
        Self::Float(value)
    }
}

impl From<&str> for PyValue {
    fn from(value: &str) -> Self {
        Self::Str(value.to_owned())
    }
}

impl From<String> for PyValue {
    fn from(value: String) -> Self {
        Self::Str(value)
    }
}

/// `None` is Python's.
impl<T: Into<PyValue>> From<Option<T>> for PyValue {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::None, Into::into)
    }
}

/// A list.
impl<T: Into<PyValue>> From<Vec<T>> for PyValue {
    fn from(items: Vec<T>) -> Self {
        Self::list(items)
    }
}

/// A list.
impl<T: Into<PyValue>, const N: usize> From<[T; N]> for PyValue {
    fn from(items: [T; N]) -> Self {
        Self::list(items)
    }
}

/// A dict.
impl<K: Into<PyValue>, V: Into<PyValue>> From<BTreeMap<K, V>> for PyValue {
    fn from(items: BTreeMap<K, V>) -> Self {
        Self::dict(items)
    }
}
