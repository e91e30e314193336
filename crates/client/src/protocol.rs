//! Task messages, protocol version 2 (`celery.app.amqp.AMQP.as_task_v2`).

use std::{sync::LazyLock, time::Duration};

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::{Properties, TaskBody, repr};

/// The headers that the protocol has for itself, and what can stand in them.
const HEADERS: [(&str, Shape); 20] = [
    ("lang", Shape::Text),
    ("task", Shape::Name),
    ("id", Shape::Name),
    ("shadow", Shape::Text),
    ("eta", Shape::Time),
    ("expires", Shape::Time),
    ("group", Shape::Text),
    ("group_index", Shape::Index),
    ("retries", Shape::Count),
    ("timelimit", Shape::Limits),
    ("root_id", Shape::Text),
    ("parent_id", Shape::Text),
    ("argsrepr", Shape::Text),
    ("kwargsrepr", Shape::Text),
    ("origin", Shape::Text),
    ("ignore_result", Shape::Flag),
    ("replaced_task_nesting", Shape::Count),
    ("stamped_headers", Shape::Names),
    ("stamps", Shape::Object),
    ("compression", Shape::Absent),
];

/// What a header of the protocol holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// A text that is not empty.
    Name,
    /// A text, or null.
    Text,
    /// A time with its offset, or null.
    Time,
    /// A number from 0 on.
    Count,
    /// A number from 0 on, or null.
    Index,
    /// The hard and the soft time limit.
    Limits,
    /// A boolean, or null where the task's own option counts.
    Flag,
    /// A list of texts, or null.
    Names,
    /// An object.
    Object,
    /// Nothing: the client has no use for it.
    Absent,
}

impl Shape {
    /// The shape of a header of the protocol; `None` for the user's own.
    pub(crate) fn of(header: &str) -> Option<Self> {
        HEADERS.iter().find(|(name, _)| *name == header).map(|(_, shape)| *shape)
    }
}

/// Who sends: `gen<pid>@<host>`, as Celery's `anon_nodename`.
static ORIGIN: LazyLock<String> = LazyLock::new(|| {
    let host = gethostname::gethostname();
    format!("gen{}@{}", std::process::id(), host.to_string_lossy())
});

/// Everything that a task message says.
#[derive(Debug, Default)]
pub(crate) struct TaskMessage {
    pub(crate) task: String,
    pub(crate) id: String,
    pub(crate) args: Vec<Value>,
    pub(crate) kwargs: Map<String, Value>,
    pub(crate) eta: Option<Timestamp>,
    /// When it expires, and how long that is from now.
    pub(crate) expires: Option<(Timestamp, Duration)>,
    pub(crate) time_limit: Option<Duration>,
    pub(crate) soft_time_limit: Option<Duration>,
    /// `None` leaves it to the task's own option, as `Celery.send_task` does: the header is null then.
    pub(crate) ignore_result: Option<bool>,
    pub(crate) priority: Option<u8>,
    pub(crate) reply_to: String,
    pub(crate) headers: Map<String, Value>,
}

/// A message whose body is not serialised yet.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) headers: Map<String, Value>,
    pub(crate) properties: Properties,
    pub(crate) body: TaskBody,
}

impl TaskMessage {
    /// Headers, properties and body.
    pub(crate) fn into_parts(self) -> Parts {
        let protocol = json!({
            "lang": "rust",
            "task": self.task,
            "id": self.id,
            "shadow": null,
            "eta": self.eta.map(isoformat),
            "expires": self.expires.map(|(at, _)| isoformat(at)),
            "group": null,
            "group_index": null,
            "retries": 0,
            // The hard limit first, other than the documentation of the protocol says.
            "timelimit": [self.time_limit.map(seconds), self.soft_time_limit.map(seconds)],
            "root_id": self.id,
            "parent_id": null,
            "argsrepr": repr::args(&self.args),
            "kwargsrepr": repr::kwargs(&self.kwargs),
            "origin": *ORIGIN,
            "ignore_result": self.ignore_result,
            "replaced_task_nesting": 0,
            "stamped_headers": null,
            "stamps": {},
        });
        let mut headers = self.headers;
        if let Value::Object(protocol) = protocol {
            headers.extend(protocol);
        }
        let embed = ["callbacks", "errbacks", "chain", "chord"].map(|name| (name.to_owned(), Value::Null));
        Parts {
            headers,
            properties: Properties {
                correlation_id: Some(self.id),
                reply_to: Some(self.reply_to),
                // Kombu's producer sends 0 where a call sets none, and tasks see it in `request.delivery_info`.
                priority: Some(self.priority.unwrap_or(0)),
                expiration: self.expires.map(|(_, after)| after),
                ..Properties::default()
            },
            body: TaskBody { args: self.args, kwargs: self.kwargs, embed: Map::from_iter(embed) },
        }
    }
}

/// As Python's `datetime.isoformat()` of an aware UTC time, with microseconds where there are some. Always with an offset: workers take a naive
/// time for one of their own zone.
fn isoformat(at: Timestamp) -> String {
    let is_whole = at.subsec_nanosecond() / 1000 == 0;
    let format = if is_whole { "%Y-%m-%dT%H:%M:%S+00:00" } else { "%Y-%m-%dT%H:%M:%S%.6f+00:00" };
    at.strftime(format).to_string()
}

/// Seconds, as an integer where they are whole.
fn seconds(duration: Duration) -> Value {
    if duration.subsec_nanos() == 0 { json!(duration.as_secs()) } else { json!(duration.as_secs_f64()) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn full() -> TaskMessage {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        TaskMessage {
            task: "tasks.add".to_owned(),
            id: "4c5b0e0e-0000-4000-8000-000000000001".to_owned(),
            args: vec![json!(2), json!("three")],
            kwargs: json!({"debug": true}).as_object().cloned().unwrap(),
            eta: Some(at("2026-11-22T21:41:22.642061Z")),
            expires: Some((at("2026-11-22T22:00:00Z"), Duration::from_secs(60))),
            time_limit: Some(Duration::from_secs(30)),
            soft_time_limit: Some(Duration::from_millis(1500)),
            ignore_result: Some(true),
            priority: Some(3),
            reply_to: "5f000000-0000-4000-8000-000000000002".to_owned(),
            headers: json!({"tenant": "blue"}).as_object().cloned().unwrap(),
        }
    }

    fn snapshot(message: TaskMessage) -> String {
        let mut message = message.into_parts();
        let origin = message.headers.insert("origin".to_owned(), json!("[origin]"));
        assert_eq!(origin, Some(json!(*ORIGIN)));
        let body: Value = serde_json::from_slice(&message.body.into_bytes()).unwrap();
        format!("headers {:#}\nbody {body}\n{:#?}", Value::Object(message.headers), message.properties)
    }

    #[test]
    fn a_full_message() {
        insta::assert_snapshot!(snapshot(full()));
    }

    #[test]
    fn a_bare_message() {
        let message = TaskMessage {
            task: "tasks.ping".to_owned(),
            id: "1".to_owned(),
            reply_to: "2".to_owned(),
            ..TaskMessage::default()
        };
        insta::assert_snapshot!(snapshot(message));
    }

    #[test]
    fn all_headers_are_the_protocols_own() {
        let mut task = full();
        task.headers.clear();
        let message = task.into_parts();
        // `compression` is only there where the body is compressed.
        assert_eq!(message.headers.len(), HEADERS.len() - 1);
        for key in message.headers.keys() {
            assert!(Shape::of(key).is_some(), "{key}");
        }
    }

    /// Any JSON that has a few levels and awkward texts.
    fn json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            proptest::num::f64::NORMAL.prop_map(Value::from),
            "\\PC{0,8}".prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 24, 4, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                proptest::collection::btree_map("\\PC{0,4}", inner, 0..4)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn arguments_arrive_as_they_were(args in proptest::collection::vec(json(), 0..4), key in "\\PC{0,4}", value in json()) {
            let kwargs = Map::from_iter([(key, value)]);
            let task = TaskMessage { args: args.clone(), kwargs: kwargs.clone(), ..full() };
            let body: Value = serde_json::from_slice(&task.into_parts().body.into_bytes()).unwrap();
            prop_assert_eq!(&body[0], &Value::Array(args));
            prop_assert_eq!(&body[1], &Value::Object(kwargs));
        }
    }

    #[test]
    fn the_origin_names_process_and_host() {
        let expected = format!("gen{}@", std::process::id());
        assert!(ORIGIN.starts_with(&expected) && ORIGIN.len() > expected.len());
    }
}
