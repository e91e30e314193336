//! Messages in AMQP's types.

use std::time::Duration;

use lapin::{
    BasicProperties,
    message::Delivery,
    protocol::basic,
    types::{AMQPValue, FieldTable, ShortString},
};
use serde_json::{Map, Number, Value};
use testcelery_client::{Error, Message, Properties, Result};

/// The properties and headers of a message as AMQP has them.
pub(crate) fn to_amqp(message: &Message) -> Result<BasicProperties> {
    let properties = &message.properties;
    let refuse = |option, problem| refused(message, option, problem);
    let mut out = BasicProperties::default()
        .with_content_type(short(&properties.content_type).map_err(|text| refuse("content_type", text))?)
        .with_content_encoding(
            short(&properties.content_encoding).map_err(|text| refuse("content_encoding", text))?,
        )
        .with_delivery_mode(if properties.persistent { 2 } else { 1 })
        .with_headers(table(&message.headers).map_err(|text| refuse("headers", text))?);
    if let Some(id) = &properties.correlation_id {
        out = out.with_correlation_id(short(id).map_err(|text| refuse("correlation_id", text))?);
    }
    if let Some(queue) = &properties.reply_to {
        out = out.with_reply_to(short(queue).map_err(|text| refuse("reply_to", text))?);
    }
    if let Some(priority) = properties.priority {
        out = out.with_priority(priority);
    }
    if let Some(expiration) = properties.expiration {
        // Decimal milliseconds as a string (RabbitMQ, "Per-Message TTL").
        out = out.with_expiration(
            short(&expiration.as_millis().to_string()).map_err(|text| refuse("expires", text))?,
        );
    }
    Ok(out)
}

/// The name of a queue or an exchange.
pub(crate) fn name(message: &Message, option: &'static str, name: &str) -> Result<ShortString> {
    match name {
        // AMQP would take it for "choose a name".
        "" => Err(refused(message, option, "a name must not be empty".to_owned())),
        name => short(name).map_err(|problem| refused(message, option, problem)),
    }
}

/// A message that came. What JSON has no word for becomes text.
pub(crate) fn from_amqp(delivery: Delivery) -> Message {
    let properties = &delivery.properties;
    let text = |value: &Option<ShortString>| value.as_ref().map(ToString::to_string);
    let mut out = Properties::default();
    out.correlation_id = text(properties.correlation_id());
    out.reply_to = text(properties.reply_to());
    out.content_type = text(properties.content_type()).unwrap_or_default();
    out.content_encoding = text(properties.content_encoding()).unwrap_or_default();
    out.persistent = *properties.delivery_mode() == Some(2);
    out.priority = *properties.priority();
    out.expiration =
        text(properties.expiration()).and_then(|text| text.parse().ok()).map(Duration::from_millis);
    Message {
        headers: properties.headers().as_ref().map(object).unwrap_or_default(),
        properties: out,
        body: delivery.data,
    }
}

/// Bytes that a content header frame holds besides the properties: seven in front, class, weight and size of the body, and the end (AMQP
/// 0-9-1, sections 2.3.5 and 2.3.5.2).
const HEADER_FRAME: usize = 7 + 2 + 2 + 8 + 1;

/// Checks that properties and headers fit into the one frame that AMQP has for them. A broker closes the whole connection for a larger frame.
pub(crate) fn check_size(properties: &BasicProperties, frame_max: u32) -> Result<(), String> {
    let written = basic::gen_properties(properties)(Vec::new().into()).map(|written| written.into_inner().1);
    let size = written.map_err(|error| format!("its headers cannot be written: {error}"))?;
    let size = usize::try_from(size).unwrap_or(usize::MAX).saturating_add(HEADER_FRAME);
    let limit = usize::try_from(frame_max).unwrap_or(usize::MAX);
    if size <= limit {
        return Ok(());
    }
    Err(format!(
        "its headers and properties take {size} bytes, and the broker accepts {limit} (frame_max); shorten the headers, or put the data into the \
         arguments of the task"
    ))
}

/// An error for an option that AMQP cannot carry.
pub(crate) fn refused(message: &Message, option: &'static str, problem: String) -> Error {
    let task = message.headers.get("task").and_then(Value::as_str);
    Error::Option { task: task.unwrap_or("(none)").to_owned(), option, problem }
}

pub(crate) fn short(text: &str) -> Result<ShortString, String> {
    ShortString::try_new(text).map_err(|_| format!("{} bytes are more than AMQP's 255", text.len()))
}

pub(crate) fn table(map: &Map<String, Value>) -> Result<FieldTable, String> {
    let mut out = FieldTable::default();
    for (key, value) in map {
        let value = field(value).map_err(|problem| format!("`{key}`: {problem}"))?;
        let key = short(key).map_err(|problem| format!("a key: {problem}"))?;
        out.insert(key, value);
    }
    Ok(out)
}

/// Older py-amqp reads `l` as unsigned and `s` as a short string: integers are `I` where they fit, texts always `S`.
fn field(value: &Value) -> Result<AMQPValue, String> {
    Ok(match value {
        Value::Null => AMQPValue::Void,
        Value::Bool(value) => AMQPValue::Boolean(*value),
        Value::Number(number) => self::number(number)?,
        Value::String(text) => AMQPValue::LongString(text.as_str().into()),
        Value::Array(items) => {
            let items: Result<Vec<_>, _> = items.iter().map(field).collect();
            AMQPValue::FieldArray(items?.into())
        }
        Value::Object(map) => AMQPValue::FieldTable(table(map)?),
    })
}

fn number(number: &Number) -> Result<AMQPValue, String> {
    match (number.as_i64(), number.as_f64()) {
        (Some(value), _) => {
            Ok(i32::try_from(value).map_or(AMQPValue::LongLongInt(value), AMQPValue::LongInt))
        }
        (None, Some(value)) if number.is_f64() => Ok(AMQPValue::Double(value)),
        _ => Err(format!("{number} does not fit into 64 signed bits")),
    }
}

fn object(table: &FieldTable) -> Map<String, Value> {
    table.into_iter().map(|(key, value)| (key.to_string(), json(value))).collect()
}

fn json(value: &AMQPValue) -> Value {
    match value {
        AMQPValue::Void => Value::Null,
        AMQPValue::Boolean(value) => (*value).into(),
        AMQPValue::ShortShortInt(value) => (*value).into(),
        AMQPValue::ShortShortUInt(value) => (*value).into(),
        AMQPValue::ShortInt(value) => (*value).into(),
        AMQPValue::ShortUInt(value) => (*value).into(),
        AMQPValue::LongInt(value) => (*value).into(),
        AMQPValue::LongUInt(value) => (*value).into(),
        AMQPValue::LongLongInt(value) => (*value).into(),
        AMQPValue::Timestamp(value) => (*value).into(),
        AMQPValue::Float(value) => f64::from(*value).into(),
        AMQPValue::Double(value) => (*value).into(),
        AMQPValue::DecimalValue(value) => {
            (f64::from(value.value) / 10f64.powi(i32::from(value.scale))).into()
        }
        AMQPValue::ShortString(text) => text.to_string().into(),
        AMQPValue::LongString(text) => text.to_string().into(),
        AMQPValue::ByteArray(bytes) => String::from_utf8_lossy(bytes.as_slice()).into(),
        AMQPValue::FieldArray(items) => items.as_slice().iter().map(json).collect(),
        AMQPValue::FieldTable(table) => Value::Object(object(table)),
    }
}

#[cfg(test)]
mod tests {
    use lapin::types::AMQPType;
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn message(headers: Value) -> Message {
        let Value::Object(headers) = headers else { panic!("headers are an object") };
        Message { headers, properties: Properties::default(), body: b"[[],{},{}]".to_vec() }
    }

    fn round_trip(message: &Message) -> Message {
        let mut delivery = Delivery::mock(1, "".into(), "q".into(), false, message.body.clone());
        delivery.properties = to_amqp(message).unwrap();
        from_amqp(delivery)
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<i32>().prop_map(Value::from),
            (-1e300f64..1e300).prop_map(Value::from),
            "\\PC{0,300}".prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 24, 4, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                proptest::collection::btree_map("[a-zé]{1,9}", inner, 0..4)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn headers_survive(value in any_json()) {
            let message = message(json!({ "x": value }));
            prop_assert_eq!(round_trip(&message), message);
        }
    }

    #[test]
    fn properties_survive() {
        let mut message = message(json!({"task": "t"}));
        message.properties.correlation_id = Some("id".to_owned());
        message.properties.reply_to = Some("oid".to_owned());
        message.properties.persistent = false;
        message.properties.priority = Some(7);
        message.properties.expiration = Some(Duration::from_millis(60_001));
        let amqp = to_amqp(&message).unwrap();
        assert_eq!(amqp.expiration().as_ref().unwrap().as_str(), "60001");
        assert_eq!(*amqp.delivery_mode(), Some(1));
        assert_eq!(round_trip(&message), message);
    }

    #[test]
    fn each_type_is_the_one_that_py_amqp_reads() {
        let kinds = |value: Value| field(&value).unwrap().get_type();
        assert_eq!(kinds(json!(i32::MAX)), AMQPType::LongInt);
        assert_eq!(kinds(json!(i64::from(i32::MIN) - 1)), AMQPType::LongLongInt);
        assert_eq!(kinds(json!(1.0)), AMQPType::Double);
        assert_eq!(kinds(json!("short")), AMQPType::LongString);
        assert_eq!(kinds(json!(null)), AMQPType::Void);
        assert_eq!(kinds(json!([1, "a"])), AMQPType::FieldArray);
    }

    #[test]
    fn headers_have_to_fit_into_one_frame() {
        let of = |bytes: usize| to_amqp(&message(json!({"task": "t", "blob": "x".repeat(bytes)}))).unwrap();
        let overhead = {
            let problem = check_size(&of(0), 1).unwrap_err();
            let digits = problem.split(' ').find_map(|word| word.parse::<usize>().ok());
            digits.unwrap()
        };
        check_size(&of(131_072 - overhead), 131_072).unwrap();
        let problem = check_size(&of(131_073 - overhead), 131_072).unwrap_err();
        assert!(problem.contains("take 131073 bytes, and the broker accepts 131072"), "{problem}");
    }

    #[test]
    fn what_amqp_cannot_carry_is_named() {
        let problem = |message: &Message| to_amqp(message).unwrap_err().to_string();
        let large = message(json!({"task": "t", "stamps": {"n": u64::MAX}}));
        assert_eq!(
            problem(&large),
            "option headers of task t: `stamps`: `n`: 18446744073709551615 does not fit into 64 signed bits"
        );
        let mut long = message(json!({"task": "t"}));
        long.properties.correlation_id = Some("i".repeat(256));
        assert_eq!(problem(&long), "option correlation_id of task t: 256 bytes are more than AMQP's 255");
        assert!(name(&long, "queue", &"q".repeat(256)).is_err());
        assert!(name(&long, "queue", "").is_err());
    }
}
