//! Kombu's JSON envelope, in which a message lies in a list (`kombu.transport.virtual.Message`).

use std::time::Duration;

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Map, Value, json};
use testcelery_client::{Error, Message, Properties, Result};
use uuid::Uuid;

/// The envelope of a message. Exchange and routing key are not optional: a worker that misses them drops the message or dies.
pub(crate) fn encode(message: &Message, exchange: &str, routing_key: &str) -> String {
    let properties = &message.properties;
    let mut fields = Map::new();
    if let Some(id) = &properties.correlation_id {
        fields.insert("correlation_id".to_owned(), json!(id));
    }
    if let Some(reply_to) = &properties.reply_to {
        fields.insert("reply_to".to_owned(), json!(reply_to));
    }
    if let Some(expiration) = properties.expiration {
        // In milliseconds and as a text, as AMQP has it.
        fields.insert("expiration".to_owned(), json!(expiration.as_millis().to_string()));
    }
    fields.insert("delivery_mode".to_owned(), json!(if properties.persistent { 2 } else { 1 }));
    fields.insert("delivery_info".to_owned(), json!({"exchange": exchange, "routing_key": routing_key}));
    fields.insert("priority".to_owned(), json!(properties.priority.unwrap_or(0)));
    fields.insert("body_encoding".to_owned(), json!("base64"));
    fields.insert("delivery_tag".to_owned(), json!(Uuid::new_v4().hyphenated().to_string()));
    json!({
        "body": STANDARD.encode(&message.body),
        "content-encoding": properties.content_encoding,
        "content-type": properties.content_type,
        "headers": message.headers,
        "properties": fields,
    })
    .to_string()
}

/// Reads an envelope. What names no body encoding carries its body as it is.
pub(crate) fn decode(text: &[u8]) -> Result<Message> {
    let malformed =
        |problem: String| Error::Malformed { what: "a message in a Redis list".to_owned(), problem };
    let envelope: Value = serde_json::from_slice(text).map_err(|error| malformed(error.to_string()))?;
    let fields = &envelope["properties"];
    let string = |value: &Value| value.as_str().map(str::to_owned);
    let body = envelope["body"].as_str().ok_or_else(|| malformed("it has no body".to_owned()))?;
    let body = match fields["body_encoding"].as_str() {
        Some("base64") => STANDARD.decode(body).map_err(|error| malformed(error.to_string()))?,
        _ => body.as_bytes().to_vec(),
    };
    let mut properties = Properties::default();
    properties.correlation_id = string(&fields["correlation_id"]);
    properties.reply_to = string(&fields["reply_to"]);
    if let Some(content_type) = string(&envelope["content-type"]) {
        properties.content_type = content_type;
    }
    if let Some(encoding) = string(&envelope["content-encoding"]) {
        properties.content_encoding = encoding;
    }
    properties.persistent = fields["delivery_mode"] != json!(1);
    properties.priority = fields["priority"].as_u64().and_then(|priority| u8::try_from(priority).ok());
    properties.expiration =
        fields["expiration"].as_str().and_then(|millis| millis.parse().ok()).map(Duration::from_millis);
    let headers = envelope["headers"].as_object().cloned().unwrap_or_default();
    Ok(Message { headers, properties, body })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn message() -> Message {
        let mut properties = Properties::default();
        properties.correlation_id = Some("1".to_owned());
        properties.reply_to = Some("me".to_owned());
        properties.priority = Some(5);
        properties.expiration = Some(Duration::from_secs(60));
        Message {
            headers: json!({"task": "tasks.add"}).as_object().cloned().unwrap(),
            properties,
            body: b"[[1, 2], {}, {}]".to_vec(),
        }
    }

    #[test]
    fn is_what_kombu_writes() {
        let mut envelope: Value = serde_json::from_str(&encode(&message(), "", "celery")).unwrap();
        let tag = envelope["properties"]["delivery_tag"].take();
        assert!(Uuid::parse_str(tag.as_str().unwrap()).is_ok());
        assert_eq!(
            envelope,
            json!({
                "body": "W1sxLCAyXSwge30sIHt9XQ==",
                "content-encoding": "utf-8",
                "content-type": "application/json",
                "headers": {"task": "tasks.add"},
                "properties": {
                    "correlation_id": "1", "reply_to": "me", "delivery_mode": 2, "expiration": "60000",
                    "delivery_info": {"exchange": "", "routing_key": "celery"},
                    "priority": 5, "body_encoding": "base64", "delivery_tag": null,
                },
            })
        );
    }

    #[test]
    fn two_messages_never_share_a_tag() {
        assert_ne!(encode(&message(), "", "celery"), encode(&message(), "", "celery"));
    }

    #[test]
    fn decodes_what_it_encodes() {
        assert_eq!(decode(encode(&message(), "", "celery").as_bytes()).unwrap(), message());
    }

    proptest! {
        #[test]
        fn any_body_and_header_survive(body: Vec<u8>, header in "\\PC{0,12}", id in "\\PC{0,12}", millis: u32) {
            let mut message = message();
            message.body = body;
            message.headers.insert("h".to_owned(), json!(header));
            message.properties.correlation_id = Some(id);
            message.properties.expiration = Some(Duration::from_millis(millis.into()));
            prop_assert_eq!(decode(encode(&message, "", "celery").as_bytes()).unwrap(), message);
        }
    }

    #[test]
    fn a_body_without_an_encoding_is_plain() {
        let decoded = decode(br#"{"body": "{}", "properties": {}}"#).unwrap();
        assert_eq!(decoded.body, b"{}");
    }

    #[test]
    fn what_is_no_envelope_is_an_error() {
        for text in ["", "{}", r#"{"body": "%", "properties": {"body_encoding": "base64"}}"#] {
            assert!(matches!(decode(text.as_bytes()), Err(Error::Malformed { .. })), "{text}");
        }
    }
}
