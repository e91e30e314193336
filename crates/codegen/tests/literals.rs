//! Literals, read by a real Python: what was meant is what arrives.

use std::{
    io::Write,
    process::{Command, Stdio},
};

use proptest::{collection::vec, prelude::*};
use testcelery_codegen::PyValue;

/// Reads `literal TAB description` lines, and prints those whose values differ. A description says a value in another way than a literal
/// does: by code points, by bytes and by the bits of a float.
const COMPARE: &str = r"
import struct, sys
nan = float('nan')
def build(d):
    kind, rest = d[0], d[1:]
    if kind == 'n': return None
    if kind == 'b': return rest[0] == 1
    if kind == 'i': return int(rest[0], 16)
    if kind == 'f': return struct.unpack('>d', bytes.fromhex(rest[0]))[0]
    if kind == 's': return ''.join(map(chr, rest))
    if kind == 'y': return bytes(rest)
    if kind == 'l': return [build(x) for x in rest]
    if kind == 't': return tuple(build(x) for x in rest)
    if kind == 'd': return {build(k): build(v) for k, v in rest}
import json
for number, line in enumerate(sys.stdin.buffer.read().decode().split('\n')[:-1]):
    literal, _, description = line.partition('\t')
    meant, got = build(json.loads(description)), eval(literal)
    if repr(meant) != repr(got):
        print(number, literal, repr(meant), repr(got))
";

/// The value in JSON, without a literal of Python in it.
fn describe(value: &PyValue) -> String {
    let join = |parts: Vec<String>| parts.iter().map(|part| format!(",{part}")).collect::<String>();
    match value {
        PyValue::None => r#"["n"]"#.to_owned(),
        PyValue::Bool(value) => format!(r#"["b",{}]"#, i32::from(*value)),
        PyValue::Int(value) => {
            format!(r#"["i","{}{:x}"]"#, if *value < 0 { "-" } else { "" }, value.unsigned_abs())
        }
        PyValue::Float(value) => format!(r#"["f","{:016x}"]"#, value.to_bits()),
        PyValue::Str(text) => {
            format!(r#"["s"{}]"#, join(text.chars().map(|c| u32::from(c).to_string()).collect()))
        }
        PyValue::Bytes(bytes) => format!(r#"["y"{}]"#, join(bytes.iter().map(u8::to_string).collect())),
        PyValue::List(items) => format!(r#"["l"{}]"#, join(items.iter().map(describe).collect())),
        PyValue::Tuple(items) => format!(r#"["t"{}]"#, join(items.iter().map(describe).collect())),
        PyValue::Dict(items) => {
            let items = items.iter().map(|(key, value)| format!("[{},{}]", describe(key), describe(value)));
            format!(r#"["d"{}]"#, join(items.collect()))
        }
        other => unreachable!("a kind of value without a description: {other:?}"),
    }
}

fn value() -> impl Strategy<Value = PyValue> {
    let text = prop_oneof![any::<String>(), r#"[\\'"nr{}\x00\n\t\u{2028}\u{feff}\u{1f600}é]{0,6}"#];
    let leaf = prop_oneof![
        Just(PyValue::None),
        any::<bool>().prop_map(PyValue::from),
        any::<i128>().prop_map(PyValue::from),
        any::<i8>().prop_map(PyValue::from),
        any::<f64>().prop_map(PyValue::from),
        prop_oneof![Just(f64::NAN), Just(f64::INFINITY), Just(-0.0), Just(5e-324), Just(1e16)]
            .prop_map(PyValue::from),
        text.prop_map(PyValue::from),
        any::<Vec<u8>>().prop_map(PyValue::bytes),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(PyValue::list),
            vec(inner.clone(), 0..4).prop_map(PyValue::tuple),
            // Prefixed keys, so that no two of them are the same.
            vec((any::<String>(), inner), 0..4).prop_map(|items| {
                PyValue::dict(
                    items
                        .into_iter()
                        .enumerate()
                        .map(|(place, (key, value))| (format!("{place}{key}"), value)),
                )
            }),
        ]
    })
}

#[test]
fn python_reads_what_was_meant() {
    let cases = std::cell::RefCell::new(Vec::new());
    let config = ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() };
    proptest!(config, |(value in value())| {
        let literal = value.to_literal().expect("such values are all renderable");
        prop_assert!(!literal.contains(['\n', '\t']), "{}", literal);
        cases.borrow_mut().push(format!("{literal}\t{}\n", describe(&value)));
    });
    let mut python = Command::new("python3")
        .args(["-X", "utf8", "-c", COMPARE])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("this test needs python3 on PATH");
    python.stdin.take().unwrap().write_all(cases.into_inner().concat().as_bytes()).unwrap();
    let output = python.wait_with_output().unwrap();
    assert!(output.status.success());
    assert_eq!(String::from_utf8_lossy(&output.stdout), "");
}
