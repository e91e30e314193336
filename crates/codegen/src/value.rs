//! Python values that a setting can have.

mod convert;
mod copies;
pub(crate) mod nested;

use std::collections::BTreeSet;

use jiff::{Timestamp, civil};

/// A Python value, to be written as an expression.
///
/// At most 64 of them are within each other: a value that is deeper is an error when it is rendered, or as a setting.
///
/// Most of them come from Rust values by `into()`:
///
/// | Rust | Python |
/// |---|---|
/// | `bool`, integers up to 128 bits, `f64`, texts | `bool`, `int`, `float`, `str` |
/// | `Option` | `None` or the value |
/// | `Vec`, arrays, slices | `list` |
/// | tuples of up to six | `tuple` |
/// | `BTreeSet`, `HashSet` | `set` |
/// | `BTreeMap`, `HashMap` | `dict`, by key |
/// | [`std::time::Duration`], [`jiff::SignedDuration`] | `datetime.timedelta` |
/// | [`jiff::civil::DateTime`] | `datetime.datetime` without a time zone |
/// | [`jiff::Timestamp`] | `datetime.datetime` in UTC |
/// | [`Queue`](crate::Queue), [`Exchange`](crate::Exchange), [`Crontab`](crate::Crontab) | the call of their constructor |
///
/// ```
/// use testcelery_codegen::PyValue;
///
/// let routes = PyValue::dict([("tests.tasks.*", PyValue::dict([("queue", "fast")]))]);
/// assert_eq!(routes.to_literal()?, "{'tests.tasks.*': {'queue': 'fast'}}");
/// assert_eq!(PyValue::from([1, 2]).to_literal()?, "[1, 2]");
/// assert_eq!(PyValue::from(("a", 1.5, None::<i64>)).to_literal()?, "('a', 1.5, None)");
/// # Ok::<(), testcelery_codegen::Error>(())
/// ```
#[non_exhaustive]
pub enum PyValue {
    /// `None`.
    None,
    /// `True` or `False`.
    Bool(bool),
    /// An `int`.
    Int(i128),
    /// An `int` of any size, in decimal digits.
    BigInt(String),
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
    /// A `set`; its order is of no meaning, and rendered it is always the same.
    Set(Vec<PyValue>),
    /// A `dict`, in this order.
    Dict(Vec<(PyValue, PyValue)>),
    /// A `datetime.timedelta`, in nanoseconds. Python has whole microseconds.
    TimeDelta(i128),
    /// A `datetime.datetime` without a time zone.
    DateTime(civil::DateTime),
    /// A `datetime.datetime` in UTC.
    Timestamp(Timestamp),
    /// A call of a class or function, see [`call`](Self::call).
    Call {
        /// The module and the name in it, as `kombu.Queue`.
        path: String,
        /// The arguments by place.
        args: Vec<PyValue>,
        /// The arguments by name, in this order.
        kwargs: Vec<(String, PyValue)>,
    },
}

impl PyValue {
    /// A `bytes`.
    pub fn bytes(bytes: impl Into<Vec<u8>>) -> Self {
        Self::Bytes(bytes.into())
    }

    /// An `int` of any size from its decimal digits, with a sign before them or without. Python itself reads 4,300 digits and no more.
    ///
    /// ```
    /// use testcelery_codegen::PyValue;
    ///
    /// let googol = format!("1{}", "0".repeat(100));
    /// assert_eq!(PyValue::big_int(googol.as_str()).to_literal()?, googol);
    /// assert!(PyValue::big_int("1e100").to_literal().is_err());
    /// # Ok::<(), testcelery_codegen::Error>(())
    /// ```
    pub fn big_int(digits: impl Into<String>) -> Self {
        Self::BigInt(digits.into())
    }

    /// A `list`.
    pub fn list<T: Into<Self>>(items: impl IntoIterator<Item = T>) -> Self {
        Self::List(items.into_iter().map(Into::into).collect())
    }

    /// A `tuple`.
    pub fn tuple<T: Into<Self>>(items: impl IntoIterator<Item = T>) -> Self {
        Self::Tuple(items.into_iter().map(Into::into).collect())
    }

    /// A `set`. A member that Python cannot hash, or that is there twice, is an error when it is rendered.
    pub fn set<T: Into<Self>>(members: impl IntoIterator<Item = T>) -> Self {
        Self::Set(members.into_iter().map(Into::into).collect())
    }

    /// A `dict` that keeps the order of its items.
    pub fn dict<K: Into<Self>, V: Into<Self>>(items: impl IntoIterator<Item = (K, V)>) -> Self {
        Self::Dict(items.into_iter().map(|(key, value)| (key.into(), value.into())).collect())
    }

    /// A call of a class or a function by its module and its name in it: `kombu.Queue` comes from the module `kombu`. The module is
    /// imported before the settings are read, so it has to be one that the worker has.
    ///
    /// ```
    /// use testcelery_codegen::PyValue;
    ///
    /// let noon = PyValue::call("celery.schedules.solar", ["solar_noon".into()], [("lat", 52.5.into()), ("lon", 13.4.into())]);
    /// assert_eq!(noon.to_literal()?, "celery.schedules.solar('solar_noon', lat=52.5, lon=13.4)");
    /// assert_eq!(Vec::from_iter(noon.imports()), ["celery.schedules"]);
    /// # Ok::<(), testcelery_codegen::Error>(())
    /// ```
    pub fn call<'a>(
        path: impl Into<String>,
        args: impl IntoIterator<Item = Self>,
        kwargs: impl IntoIterator<Item = (&'a str, Self)>,
    ) -> Self {
        Self::Call {
            path: path.into(),
            args: args.into_iter().collect(),
            kwargs: kwargs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
        }
    }

    /// The modules that [`to_literal`](Self::to_literal) names, by their full names: each needs an `import` of its own.
    pub fn imports(&self) -> BTreeSet<String> {
        let mut modules = BTreeSet::new();
        let mut todo = vec![self];
        while let Some(value) = todo.pop() {
            match value {
                Self::TimeDelta(_) | Self::DateTime(_) | Self::Timestamp(_) => {
                    modules.insert("datetime".to_owned());
                }
                Self::Call { path, .. } => {
                    modules.extend(path.rsplit_once('.').map(|(module, _)| module.to_owned()));
                }
                _ => {}
            }
            value.push_inner(&mut todo);
        }
        modules
    }
}
