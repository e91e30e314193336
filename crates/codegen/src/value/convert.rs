//! Rust values as Python's.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    time::Duration,
};

use jiff::{SignedDuration, Timestamp, civil};

use crate::PyValue;

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

impl From<isize> for PyValue {
    fn from(value: isize) -> Self {
        Self::Int(value as i128)
    }
}

impl From<usize> for PyValue {
    fn from(value: usize) -> Self {
        Self::Int(value as i128)
    }
}

impl From<u128> for PyValue {
    fn from(value: u128) -> Self {
        i128::try_from(value).map_or_else(|_| Self::BigInt(value.to_string()), Self::Int)
    }
}

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

macro_rules! from_texts {
    ($($text:ty)*) => {
        $(impl From<$text> for PyValue {
            fn from(text: $text) -> Self {
                Self::Str(text.into())
            }
        })*
    };
}

from_texts!(&str &String String Cow<'_, str>);

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

/// A list.
impl<T: Into<PyValue> + Clone> From<&[T]> for PyValue {
    fn from(items: &[T]) -> Self {
        Self::list(items.iter().cloned())
    }
}

/// A set.
impl<T: Into<PyValue>> From<BTreeSet<T>> for PyValue {
    fn from(members: BTreeSet<T>) -> Self {
        Self::set(members)
    }
}

/// A set.
impl<T: Into<PyValue> + Ord, S> From<HashSet<T, S>> for PyValue {
    fn from(members: HashSet<T, S>) -> Self {
        Self::set(members.into_iter().collect::<BTreeSet<T>>())
    }
}

/// A dict.
impl<K: Into<PyValue>, V: Into<PyValue>> From<BTreeMap<K, V>> for PyValue {
    fn from(items: BTreeMap<K, V>) -> Self {
        Self::dict(items)
    }
}

/// A dict, in the order of its keys.
impl<K: Into<PyValue> + Ord, V: Into<PyValue>, S> From<HashMap<K, V, S>> for PyValue {
    fn from(items: HashMap<K, V, S>) -> Self {
        Self::dict(items.into_iter().collect::<BTreeMap<K, V>>())
    }
}

macro_rules! from_tuples {
    ($(($($item:ident)*))*) => {
        $(
            /// A tuple.
            impl<$($item: Into<PyValue>),*> From<($($item,)*)> for PyValue {
                #[expect(non_snake_case, reason = "an item is named after its type")]
                fn from(($($item,)*): ($($item,)*)) -> Self {
                    Self::Tuple(vec![$($item.into()),*])
                }
            }
        )*
    };
}

from_tuples!((A)(A B)(A B C)(A B C D)(A B C D E)(A B C D E F));

impl From<Duration> for PyValue {
    fn from(value: Duration) -> Self {
        // The longest one is 2^64 seconds, far below what this can hold.
        Self::TimeDelta(i128::from(value.as_secs()) * 1_000_000_000 + i128::from(value.subsec_nanos()))
    }
}

impl From<SignedDuration> for PyValue {
    fn from(value: SignedDuration) -> Self {
        Self::TimeDelta(value.as_nanos())
    }
}

/// Without a time zone.
impl From<civil::DateTime> for PyValue {
    fn from(value: civil::DateTime) -> Self {
        Self::DateTime(value)
    }
}

/// In UTC.
impl From<Timestamp> for PyValue {
    fn from(value: Timestamp) -> Self {
        Self::Timestamp(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn literal(value: impl Into<PyValue>) -> String {
        value.into().to_literal().unwrap()
    }

    #[test]
    fn integers_of_all_sizes() {
        assert_eq!(literal(usize::MAX), usize::MAX.to_string());
        assert_eq!(literal(isize::MIN), isize::MIN.to_string());
        assert_eq!(literal(u128::MAX), "340282366920938463463374607431768211455");
    }

    #[test]
    fn texts_and_sequences() {
        let name = String::from("a");
        assert_eq!(literal([PyValue::from(&name), Cow::Borrowed("b").into()]), "['a', 'b']");
        assert_eq!(literal(&[1, 2][..]), "[1, 2]");
        assert_eq!(literal((1,)), "(1,)");
        assert_eq!(literal((1, "x", (true, [0.5]))), "(1, 'x', (True, [0.5]))");
    }

    #[test]
    fn what_has_no_order_gets_one() {
        assert_eq!(literal(HashSet::from(["b", "c", "a"])), "{'a', 'b', 'c'}");
        assert_eq!(literal(BTreeSet::from([2, 1])), "{1, 2}");
        assert_eq!(literal(HashMap::from([("b", 1), ("c", 2), ("a", 3)])), "{'a': 3, 'b': 1, 'c': 2}");
    }

    #[test]
    fn times() {
        assert_eq!(
            literal(Duration::from_millis(1_500)),
            "datetime.timedelta(seconds=1, microseconds=500000)"
        );
        assert_eq!(literal(SignedDuration::from_secs(-1)), "datetime.timedelta(days=-1, seconds=86399)");
        assert!(PyValue::from(Duration::MAX).to_literal().is_err());
        let moment = civil::date(2024, 2, 29).at(13, 5, 0, 0);
        assert_eq!(literal(moment), "datetime.datetime(2024, 2, 29, 13, 5)");
        assert_eq!(
            literal(Timestamp::UNIX_EPOCH + Duration::from_micros(7)),
            "datetime.datetime(1970, 1, 1, 0, 0, 0, 7, tzinfo=datetime.timezone.utc)"
        );
    }
}
