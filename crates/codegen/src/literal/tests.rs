use jiff::{SignedDuration, Timestamp, civil};

use super::*;
use crate::value::nested::MAX_DEPTH;

fn literal(value: impl Into<PyValue>) -> String {
    value.into().to_literal().unwrap()
}

fn refused(value: impl Into<PyValue>) -> String {
    value.into().render("key").unwrap_err().to_string()
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
    assert_eq!(literal("it's \"Grüße\"\n\\ \u{202e}\u{1f600}"), r#"'it\'s "Grüße"\n\\ \u202e\U0001f600'"#);
    assert_eq!(literal(PyValue::bytes(*b"a'\x00\xff")), r"b'a\'\x00\xff'");
}

#[test]
fn big_ints() {
    for (digits, expected) in [("-007", "-7"), ("+1", "1"), ("-0", "0"), ("000", "0")] {
        assert_eq!(literal(PyValue::big_int(digits)), expected);
    }
    for digits in ["", "-", "1e3", "1_000", " 1", "--1", "0x1", "١"] {
        let problem = refused(PyValue::big_int(digits));
        assert!(problem.contains("is no whole number"), "{digits}: {problem}");
    }
    literal(PyValue::big_int("9".repeat(4_300)));
    assert_eq!(
        refused(PyValue::big_int("9".repeat(4_301))),
        "setting `key`: a number of 4301 digits; Python reads no more than 4300"
    );
}

#[test]
fn containers() {
    assert_eq!(literal(vec![1, 2]), "[1, 2]");
    assert_eq!(literal(PyValue::tuple([1])), "(1,)");
    assert_eq!(literal(PyValue::Tuple(Vec::new())), "()");
    assert_eq!(literal(PyValue::dict([("b", 1), ("a", 2)])), "{'b': 1, 'a': 2}");
    assert_eq!(literal(PyValue::Set(Vec::new())), "set()");
    assert_eq!(literal(PyValue::set(["b", "a"])), literal(PyValue::set(["a", "b"])));
}

#[test]
fn calls() {
    let inner = PyValue::call("kombu.Exchange", ["e".into()], []);
    let call = PyValue::call("kombu.Queue", ["q".into(), inner], [("durable", false.into())]);
    assert_eq!(literal(call.clone()), "kombu.Queue('q', kombu.Exchange('e'), durable=False)");
    assert_eq!(literal(PyValue::call("a.b.C", [], [("x", 1.into())])), "a.b.C(x=1)");
    let deep = PyValue::dict([(PyValue::tuple([call]), PyValue::set([SignedDuration::ZERO]))]);
    assert_eq!(Vec::from_iter(deep.imports()), ["datetime", "kombu"]);
    for path in ["Queue", "kombu.", ".Queue", "kombu.Queue()", "a b.c", "a.class", ""] {
        let problem = refused(PyValue::call(path, [], []));
        assert!(problem.contains("is no module and a name in it"), "{path}: {problem}");
    }
    assert_eq!(
        refused(PyValue::call("a.b", [], [("x-y", 1.into())])),
        "setting `key`: `x-y` is no name of an argument of `a.b`"
    );
    assert_eq!(
        refused(PyValue::call("a.b", [], [("x", 1.into()), ("x", 2.into())])),
        "setting `key`: `a.b` gets the argument `x` twice"
    );
}

#[test]
fn times_that_python_does_not_have() {
    literal(SignedDuration::from_hours(24 * 999_999_999));
    literal(SignedDuration::from_hours(-24 * 999_999_999));
    let day = "Python's timedelta has no more than 999999999";
    assert!(refused(SignedDuration::from_hours(24 * 1_000_000_000)).contains(day));
    assert!(
        refused(SignedDuration::from_hours(-24 * 999_999_999) - SignedDuration::from_micros(1)).contains(day)
    );
    assert_eq!(
        refused(SignedDuration::from_nanos(-1)),
        "setting `key`: a time with 1 ns beyond its microseconds; Python's datetime has no nanoseconds, so round it first"
    );
    assert!(refused(Timestamp::MAX).contains("999 ns beyond its microseconds"));
    assert!(refused(civil::date(1, 1, 1).at(0, 0, 0, 1)).contains("1 ns beyond"));
    literal(civil::date(1, 1, 1).at(0, 0, 0, 0));
    for year in [0, -1] {
        assert_eq!(
            refused(civil::date(year, 12, 31).at(0, 0, 0, 0)),
            format!("setting `key`: the year {year}; Python's datetime begins with the year 1")
        );
    }
    assert!(refused(Timestamp::MIN).contains("the year -9999"));
}

#[test]
fn an_error_names_the_path() {
    let bad = PyValue::dict([(PyValue::tuple([PyValue::list([1])]), 1)]);
    let value = PyValue::dict([("x", PyValue::list([PyValue::None, bad]))]);
    assert_eq!(
        value.render("task_routes").unwrap_err().to_string(),
        "setting `task_routes['x'][1]`: key 1 of the dict is or holds a list, which Python cannot hash"
    );
    let key = PyValue::dict([(PyValue::big_int("x"), 1)]);
    assert!(refused(key).starts_with("setting `key`: key 1 of the dict: \"x\" is no whole number"));
    let arguments = PyValue::call("a.b", [PyValue::list([PyValue::big_int("x")])], []);
    assert!(refused([arguments]).starts_with("setting `key[0].args[0][0]`: "));
    let arguments = PyValue::call("a.b", [], [("c", PyValue::tuple([PyValue::big_int("x")]))]);
    assert!(refused([arguments]).starts_with("setting `key[0].c[0]`: "));
}

#[test]
fn one_key_twice() {
    assert_eq!(
        PyValue::dict([("x", 1), ("x", 2)]).to_literal().unwrap_err().to_string(),
        "setting `value`: the dict has the key 'x' twice"
    );
    assert_eq!(
        refused(PyValue::set([PyValue::from(1), 2.into(), true.into()])),
        "setting `key`: for Python the members 1 and True of the set are the same"
    );
}

#[test]
fn too_deep() {
    let nested = |depth| (0..depth).fold(PyValue::None, |inner, _| PyValue::list([inner]));
    literal(nested(MAX_DEPTH));
    let problem = refused(nested(MAX_DEPTH + 1));
    assert!(
        problem.ends_with("more than 64 brackets within each other, which is more than every Python reads")
    );
}
