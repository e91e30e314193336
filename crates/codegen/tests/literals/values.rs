//! Values of all kinds.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp, civil};
use proptest::{collection::vec, prelude::*};
use testcelery_codegen::PyValue;

use crate::EPOCH;

/// Values that Python can hash.
fn leaf() -> impl Strategy<Value = PyValue> {
    let text = prop_oneof![any::<String>(), r#"[\\'"nr{}\x00\n\t\u{2028}\u{feff}\u{1f600}é]{0,6}"#];
    let delta = prop_oneof![
        -86_399_999_913_600_000_000..=86_399_999_999_999_999_999_i128,
        -2_000_000..2_000_000_i128
    ];
    // From the year 1 on.
    let timestamp = -62_135_596_800_000_000..=Timestamp::MAX.as_microsecond();
    let end = civil::date(9999, 12, 31).at(23, 59, 59, 999_999_999);
    let since = |moment: civil::DateTime| moment.duration_since(EPOCH).as_micros();
    let naive = since(civil::date(1, 1, 1).at(0, 0, 0, 0))..=since(end);
    // Times with nothing behind their minutes and seconds are written in a form of their own.
    let round = prop_oneof![Just(1_i128), Just(1_000_000), Just(60_000_000)];
    prop_oneof![
        Just(PyValue::None),
        any::<bool>().prop_map(PyValue::from),
        any::<i128>().prop_map(PyValue::from),
        any::<u128>().prop_map(PyValue::from),
        any::<i8>().prop_map(PyValue::from),
        "[+-]?[0-9]{1,90}".prop_map(PyValue::big_int),
        any::<f64>().prop_map(PyValue::from),
        prop_oneof![Just(f64::NAN), Just(f64::INFINITY), Just(-0.0), Just(5e-324), Just(1e16)]
            .prop_map(PyValue::from),
        text.prop_map(PyValue::from),
        any::<Vec<u8>>().prop_map(PyValue::bytes),
        delta.prop_map(|microseconds| PyValue::TimeDelta(microseconds * 1_000)),
        (naive, round.clone()).prop_map(|(microseconds, round)| {
            let microseconds = microseconds.div_euclid(round) * round;
            PyValue::from(EPOCH + SignedDuration::from_micros_i128(microseconds))
        }),
        (timestamp, round.prop_map(|round| round as i64)).prop_map(|(microseconds, round)| {
            let microsecond = microseconds.div_euclid(round) * round;
            PyValue::from(Timestamp::from_microsecond(microsecond).unwrap())
        }),
    ]
}

/// Keys of a dict or members of a set that are different ones for Python, because of their places.
fn distinct(values: Vec<(u8, PyValue)>) -> Vec<PyValue> {
    let distinct = |(place, (kind, value)): (usize, (u8, PyValue))| match (kind, &value) {
        (0, _) => PyValue::from(place),
        (1, _) => PyValue::big_int(format!("{place}{}", "0".repeat(50))),
        (2, _) => PyValue::from(Duration::from_micros(place as u64)),
        (_, PyValue::Str(text)) => PyValue::from(format!("{place}{text}")),
        (_, PyValue::Bytes(bytes)) => PyValue::bytes([&[place as u8][..], bytes].concat()),
        _ => PyValue::tuple([place.into(), value]),
    };
    values.into_iter().enumerate().map(distinct).collect()
}

pub(crate) fn value() -> impl Strategy<Value = PyValue> {
    let set = vec((0..9_u8, leaf()), 0..4).prop_map(|members| PyValue::set(distinct(members)));
    prop_oneof![9 => leaf(), 1 => set].prop_recursive(3, 24, 4, |inner| {
        let pairs = vec(((0..9_u8, leaf()), inner.clone()), 0..4).prop_map(|pairs| {
            let (keys, values): (Vec<_>, Vec<_>) = pairs.into_iter().unzip();
            distinct(keys).into_iter().zip(values).collect::<Vec<_>>()
        });
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(PyValue::list),
            vec(inner.clone(), 0..4).prop_map(PyValue::tuple),
            pairs.prop_map(PyValue::dict),
            (vec(inner.clone(), 0..3), inner).prop_map(|(args, value)| {
                // It keeps what it is given.
                let kwargs = [("a", value), ("größe", PyValue::Tuple(args.clone()))];
                PyValue::list([
                    PyValue::call("types.SimpleNamespace", [], kwargs),
                    PyValue::call("builtins.tuple", [PyValue::List(args)], []),
                ])
            }),
        ]
    })
}
