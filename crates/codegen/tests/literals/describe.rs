//! What a value is, said in another way than by an expression of Python.

use testcelery_codegen::PyValue;

use crate::EPOCH;

/// The value in JSON, without an expression of Python in it.
pub(crate) fn describe(value: &PyValue) -> String {
    let join = |kind: char, parts: Vec<String>| {
        format!("[\"{kind}\"{}]", parts.iter().map(|part| format!(",{part}")).collect::<String>())
    };
    let all = |kind, items: &[PyValue]| join(kind, items.iter().map(describe).collect());
    let digits = |text: String| {
        let sign = u8::from(text.starts_with('-')).to_string();
        let digits = text.chars().filter(char::is_ascii_digit).map(String::from);
        join('i', [sign].into_iter().chain(digits).collect())
    };
    let pairs = |items: Vec<(String, &PyValue)>| {
        join('d', items.into_iter().map(|(key, value)| format!("[{key},{}]", describe(value))).collect())
    };
    match value {
        PyValue::None => join('n', Vec::new()),
        PyValue::Bool(value) => join('b', vec![i32::from(*value).to_string()]),
        PyValue::Int(value) => digits(value.to_string()),
        PyValue::BigInt(text) => digits(text.clone()),
        PyValue::Float(value) => join('f', vec![format!("\"{:016x}\"", value.to_bits())]),
        PyValue::Str(text) => join('s', text.chars().map(|c| u32::from(c).to_string()).collect()),
        PyValue::Bytes(bytes) => join('y', bytes.iter().map(u8::to_string).collect()),
        PyValue::List(items) => all('l', items),
        PyValue::Tuple(items) => all('t', items),
        PyValue::Set(items) => all('e', items),
        PyValue::Dict(items) => pairs(items.iter().map(|(key, value)| (describe(key), value)).collect()),
        PyValue::TimeDelta(nanoseconds) => join('D', vec![(nanoseconds / 1_000).to_string()]),
        PyValue::DateTime(moment) => join('N', vec![moment.duration_since(EPOCH).as_micros().to_string()]),
        PyValue::Timestamp(moment) => join('U', vec![moment.as_microsecond().to_string()]),
        PyValue::Call { path, args, kwargs } => {
            let (module, name) = path.rsplit_once('.').unwrap();
            let kwargs = kwargs.iter().map(|(name, value)| (describe(&name.as_str().into()), value));
            let module = format!("\"{module}\"");
            join('c', vec![module, format!("\"{name}\""), all('l', args), pairs(kwargs.collect())])
        }
        other => unreachable!("a kind of value without a description: {other:?}"),
    }
}
