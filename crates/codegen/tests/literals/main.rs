//! Values, read by a real Python: what was meant is what arrives, and what it takes for equal is one key.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod describe;
mod values;

use std::{
    cell::RefCell,
    io::Write,
    process::{Command, Stdio},
};

use jiff::{SignedDuration, Timestamp, civil};
use proptest::{collection::vec, prelude::*};
use testcelery_codegen::PyValue;

/// Where times are counted from.
const EPOCH: civil::DateTime = civil::date(1970, 1, 1).at(0, 0, 0, 0);

/// Reads `expression TAB imports TAB description` lines, and prints those whose values differ. A description says a value in another way
/// than the expression does: by code points, bytes, the bits of a float, digits, and distances in time.
const COMPARE: &str = r"
import datetime, importlib, json, struct, sys, types
utc = datetime.timezone.utc
def build(d):
    kind, rest = d[0], d[1:]
    if kind == 'n': return None
    if kind == 'b': return rest[0] == 1
    if kind == 'i': return (-1 if rest[0] else 1) * sum(digit * 10 ** place for place, digit in enumerate(rest[:0:-1]))
    if kind == 'f': return struct.unpack('>d', bytes.fromhex(rest[0]))[0]
    if kind == 's': return ''.join(map(chr, rest))
    if kind == 'y': return bytes(rest)
    if kind == 'l': return [build(x) for x in rest]
    if kind == 't': return tuple(build(x) for x in rest)
    if kind == 'e': return set(build(x) for x in rest)
    if kind == 'd': return dict((build(k), build(v)) for k, v in rest)
    if kind == 'D': return datetime.timedelta.resolution * rest[0]
    if kind == 'N': return datetime.datetime(1970, 1, 1) + datetime.timedelta.resolution * rest[0]
    if kind == 'U': return datetime.datetime.fromtimestamp(0, utc) + datetime.timedelta.resolution * rest[0]
    if kind == 'c': return getattr(importlib.import_module(rest[0]), rest[1])(*build(rest[2]), **build(rest[3]))
def show(v):
    if isinstance(v, (list, tuple)): return type(v), [show(x) for x in v]
    if isinstance(v, set): return type(v), sorted(map(str, map(show, v)))
    if isinstance(v, dict): return type(v), [(show(k), show(x)) for k, x in v.items()]
    if isinstance(v, types.SimpleNamespace): return type(v), show(vars(v))
    return type(v), repr(v)
for number, line in enumerate(sys.stdin.buffer.read().decode().split('\n')[:-1]):
    expression, imports, description = line.split('\t')
    names = {}
    exec('\n'.join('import ' + module for module in imports.split()), names)
    meant, got = show(build(json.loads(description))), show(eval(expression, names))
    if meant != got:
        print(number, expression, meant, got)
";

/// Reads `pair TAB same` lines, and prints those where Python is of another opinion.
const SAME: &str = r"
import datetime, sys
for line in sys.stdin.buffer.read().decode().split('\n')[:-1]:
    pair, _, same = line.partition('\t')
    if (len(set(eval(pair))) == 1) != (same == 'true'):
        print(line)
";

/// What a program prints when it is given a text.
fn answer(program: &str, input: &str) -> String {
    let mut python = Command::new("python3")
        .args(["-I", "-X", "utf8", "-c", program])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("this test needs python3 on PATH");
    python.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = python.wait_with_output().unwrap();
    assert!(output.status.success());
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn cases() -> ProptestConfig {
    ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() }
}

#[test]
fn python_reads_what_was_meant() {
    let lines = RefCell::new(String::new());
    proptest!(cases(), |(value in values::value())| {
        let literal = value.to_literal().expect("such values are all renderable");
        prop_assert!(!literal.contains(['\n', '\t']), "{}", literal);
        let imports = Vec::from_iter(value.imports()).join(" ");
        lines.borrow_mut().push_str(&format!("{literal}\t{imports}\t{}\n", describe::describe(&value)));
    });
    assert_eq!(answer(COMPARE, &lines.into_inner()), "");
}

#[test]
fn python_takes_the_same_keys_for_one() {
    let number = prop_oneof![
        prop_oneof![Just(0), Just(1), Just(-1), Just(1 << 53), Just(1 << 100)].prop_flat_map(
            |number: i128| {
                let zeros = Just(PyValue::big_int(format!("00{number}").replace("00-", "-00")));
                prop_oneof![Just(PyValue::from(number)), zeros, Just(PyValue::from(number as f64))]
            }
        ),
        any::<bool>().prop_map(PyValue::from),
        prop_oneof![Just(-0.0), Just(0.5), Just(f64::NAN), Just(f64::INFINITY), Just(1e300)]
            .prop_map(PyValue::from),
        Just(PyValue::big_int(format!("{:.0}", 1e300))),
    ];
    let other = prop_oneof![
        Just(PyValue::None),
        prop_oneof![Just("1"), Just("")].prop_map(PyValue::from),
        prop_oneof![Just(*b"1"), Just(*b"0")].prop_map(PyValue::bytes),
        prop_oneof![Just(SignedDuration::ZERO), Just(SignedDuration::from_secs(1))].prop_map(PyValue::from),
        prop_oneof![Just(PyValue::from(EPOCH)), Just(PyValue::from(Timestamp::UNIX_EPOCH))],
    ];
    let key =
        prop_oneof![number, other].prop_recursive(2, 4, 2, |inner| vec(inner, 0..2).prop_map(PyValue::tuple));
    let lines = RefCell::new(String::new());
    proptest!(cases(), |(first in key.clone(), second in key)| {
        let pair = PyValue::list([first.clone(), second.clone()]).to_literal().unwrap();
        let dict = PyValue::dict([(first.clone(), 1), (second.clone(), 2)]).to_literal();
        let same = PyValue::set([first, second]).to_literal().is_err();
        prop_assert_eq!(same, dict.is_err());
        lines.borrow_mut().push_str(&format!("{pair}\t{same}\n"));
    });
    let lines = lines.into_inner();
    assert!(lines.contains("true") && lines.contains("false"));
    assert_eq!(answer(SAME, &lines), "");
}
