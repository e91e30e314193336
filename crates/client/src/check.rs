//! What a task message has to keep of the protocol when somebody has changed it.

use serde_json::{Map, Value};

use crate::{Error, Properties, Result, TaskBody, depth, protocol::Shape};

/// A message between the handlers of `before_task_publish` and the broker.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Changed<'a> {
    pub(crate) task: &'a str,
    pub(crate) id: &'a str,
    pub(crate) headers: &'a Map<String, Value>,
    pub(crate) properties: &'a Properties,
    pub(crate) body: &'a TaskBody,
}

impl Changed<'_> {
    /// Refuses what a worker would drop, misread or answer to nobody.
    pub(crate) fn check(self) -> Result<()> {
        self.depth()?;
        self.headers()?;
        self.properties()?;
        self.embed()
    }

    fn depth(self) -> Result<()> {
        let TaskBody { args, kwargs, embed } = self.body;
        for (part, checked) in [
            ("headers", depth::check(self.headers)),
            ("body.args", depth::check(args)),
            ("body.kwargs", depth::check(kwargs)),
            ("body.embed", depth::check(embed)),
        ] {
            checked.map_err(|problem| self.broken(part, problem))?;
        }
        Ok(())
    }

    fn headers(self) -> Result<()> {
        // A worker takes everything else for absent where it is (Celery's own minimum).
        for name in ["task", "id"] {
            if !self.headers.contains_key(name) {
                return Err(self.broken(format!("headers.{name}"), "it is gone"));
            }
        }
        for (name, value) in self.headers {
            if let Some(problem) = Shape::of(name).and_then(|shape| shape.problem(value)) {
                return Err(self.broken(format!("headers.{name}"), problem));
            }
        }
        if self.headers["id"] != self.id {
            let problem =
                format!("the call waits for the result of {}; name another id with `task_id`", self.id);
            return Err(self.broken("headers.id", problem));
        }
        Ok(())
    }

    fn properties(self) -> Result<()> {
        let properties = self.properties;
        if properties.correlation_id.as_deref() != Some(self.id) {
            return Err(self.broken("properties.correlation_id", "it is no longer the task's id"));
        }
        for (name, text, expected) in [
            ("content_type", &properties.content_type, "application/json"),
            ("content_encoding", &properties.content_encoding, "utf-8"),
        ] {
            if text != expected {
                let problem = format!("the body is written as {expected}, and this says {text:?}");
                return Err(self.broken(format!("properties.{name}"), problem));
            }
        }
        Ok(())
    }

    fn embed(self) -> Result<()> {
        for (name, value) in &self.body.embed {
            let problem = match (name.as_str(), value) {
                (_, Value::Null) => None,
                ("callbacks" | "errbacks" | "chain", Value::Array(items)) => {
                    let is_wrong = !items.iter().all(is_signature);
                    is_wrong.then_some("not every item is a signature, an object with a `task`")
                }
                ("callbacks" | "errbacks" | "chain", _) => {
                    Some("it is neither null nor a list of signatures")
                }
                ("chord", value) => (!is_signature(value)).then_some("it is neither null nor a signature"),
                _ => Some("workers know callbacks, errbacks, chain and chord only"),
            };
            if let Some(problem) = problem {
                return Err(self.broken(format!("body.embed.{name}"), problem));
            }
        }
        Ok(())
    }

    fn broken(self, part: impl Into<String>, problem: impl Into<String>) -> Error {
        Error::Broken { task: self.task.to_owned(), part: part.into(), problem: problem.into() }
    }
}

/// A serialised signature (`celery.canvas.Signature`): a dict that names its task.
fn is_signature(value: &Value) -> bool {
    value.get("task").is_some_and(Value::is_string)
}

impl Shape {
    /// Why a value cannot stand in a header of this shape.
    fn problem(self, value: &Value) -> Option<&'static str> {
        let (is_right, problem) = match self {
            Self::Name => {
                (value.as_str().is_some_and(|text| !text.is_empty()), "it is no text, or an empty one")
            }
            Self::Text => (value.is_string() || value.is_null(), "it is neither null nor a text"),
            Self::Time => (
                value.is_null() || value.as_str().is_some_and(|text| text.parse::<jiff::Timestamp>().is_ok()),
                "it is neither null nor a time in ISO 8601 with its offset, as 2030-01-02T03:04:05+00:00",
            ),
            Self::Count => (value.is_u64(), "it is no number from 0 on"),
            Self::Index => (value.is_null() || value.is_u64(), "it is neither null nor a number from 0 on"),
            Self::Limits => (
                value.as_array().is_some_and(|limits| {
                    limits.len() == 2 && limits.iter().all(|limit| limit.is_null() || limit.is_number())
                }),
                "it is no list of two, the hard and the soft limit, each null or a number of seconds",
            ),
            Self::Flag => (value.is_null() || value.is_boolean(), "it is neither null, true nor false"),
            Self::Names => (
                value.is_null() || value.as_array().is_some_and(|names| names.iter().all(Value::is_string)),
                "it is neither null nor a list of texts",
            ),
            Self::Object => (value.is_object(), "it is no object"),
            Self::Absent => (false, "the body is not compressed"),
        };
        (!is_right).then_some(problem)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// What is wrong with a message of these headers and this embed, and of nothing else.
    fn check(headers: Value, embed: Value) -> Option<String> {
        let object = |value: Value| value.as_object().cloned().unwrap();
        let mut all = object(json!({"task": "t", "id": "1"}));
        all.extend(object(headers));
        let properties = Properties { correlation_id: Some("1".to_owned()), ..Properties::default() };
        let body = TaskBody { embed: object(embed), ..TaskBody::default() };
        let changed = Changed { task: "t", id: "1", headers: &all, properties: &properties, body: &body };
        changed.check().err().map(|error| error.to_string())
    }

    fn problem(headers: Value) -> Option<String> {
        check(headers, json!({}))
    }

    #[test]
    fn what_workers_understand_is_left_alone() {
        for headers in [
            json!({}),
            json!({"shadow": "alias", "eta": "2030-01-02T03:04:05Z", "expires": null, "retries": 3}),
            json!({"eta": "2030-01-02T03:04:05.000006+02:00", "timelimit": [5, 1.5], "group_index": 0}),
            json!({"stamped_headers": ["a"], "stamps": {"a": 1}, "ignore_result": true, "task": "other"}),
            json!({"ignore_result": null}),
            json!({"tenant": {"any": [1, null]}, "my id": 7}),
        ] {
            assert_eq!(problem(headers.clone()), None, "{headers}");
        }
    }

    #[test]
    fn each_header_has_its_shape() {
        for (headers, part) in [
            (json!({"task": ""}), "headers.task"),
            (json!({"task": null}), "headers.task"),
            (json!({"id": "2"}), "headers.id"),
            (json!({"shadow": 1}), "headers.shadow"),
            (json!({"eta": "tomorrow"}), "headers.eta"),
            (json!({"eta": "2030-01-02T03:04:05"}), "headers.eta"),
            (json!({"expires": 60}), "headers.expires"),
            (json!({"retries": -1}), "headers.retries"),
            (json!({"group_index": "0"}), "headers.group_index"),
            (json!({"timelimit": [1]}), "headers.timelimit"),
            (json!({"timelimit": ["1", null]}), "headers.timelimit"),
            (json!({"ignore_result": "yes"}), "headers.ignore_result"),
            (json!({"stamped_headers": [1]}), "headers.stamped_headers"),
            (json!({"stamps": null}), "headers.stamps"),
            (json!({"compression": "application/x-gzip"}), "headers.compression"),
        ] {
            let problem = problem(headers.clone()).unwrap_or_default();
            assert!(problem.contains(part), "{headers}: {problem:?}");
        }
    }

    #[test]
    fn what_is_embedded_are_signatures() {
        let check = |embed| check(json!({}), embed);
        assert_eq!(check(json!({"callbacks": null, "chain": [{"task": "t"}], "chord": {"task": "u"}})), None);
        for embed in [
            json!({"chain": {"task": "t"}}),
            json!({"errbacks": ["t"]}),
            json!({"chord": []}),
            json!({"x": 1}),
        ] {
            assert!(check(embed.clone()).is_some_and(|problem| problem.contains("body.embed.")), "{embed}");
        }
    }
}
