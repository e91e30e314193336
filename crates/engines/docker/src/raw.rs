//! Answers of the daemon as plain JSON, for lists and for what is asked of everything in them.
//!
//! The client's own models refuse a whole list for one value that they do not know, for example the state `stopped` of Podman or a `null`.
//! What is read here is what this engine needs, and an entry without it is left out.

use std::collections::HashMap;

use bollard::{Docker as Client, errors::Error as ClientError};
use jiff::Timestamp;
use serde_json::Value;
use testcelery_api::{BoxError, Result};

use crate::{
    error::failed,
    labels::{LABEL_CONTAINER, LABEL_OWNER},
    removal::status,
};

/// `{"label":["testcelery"]}` as the value of a query.
const OURS: &str = "%7B%22label%22%3A%5B%22testcelery%22%5D%7D";

/// What is listed of a kind, and the kind's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Container,
    Network,
    Volume,
}

impl Kind {
    /// In the order in which they are removed: a network when nothing is in it any more, a volume when nothing uses it.
    pub(crate) const ALL: [Self; 3] = [Self::Container, Self::Network, Self::Volume];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Container => "container",
            Self::Network => "network",
            Self::Volume => "volume",
        }
    }
}

/// Something with the label of this engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Thing {
    pub(crate) kind: Kind,
    pub(crate) name: String,
    pub(crate) labels: HashMap<String, String>,
    /// When it was made, by the daemon's clock.
    pub(crate) created: Option<Timestamp>,
}

impl Thing {
    pub(crate) fn label(&self, name: &str) -> &str {
        self.labels.get(name).map(String::as_str).unwrap_or_default()
    }

    pub(crate) fn owner(&self) -> &str {
        self.label(LABEL_OWNER)
    }

    /// The container in which its owner runs; empty where that is in none of this daemon.
    pub(crate) fn inside(&self) -> &str {
        self.label(LABEL_CONTAINER)
    }
}

/// Asks for a path of the API, with its query. The client has no call for that: its `ping` returns text, and goes where its request is sent.
pub(crate) async fn get(client: &Client, path_and_query: &str) -> Result<Value, BoxError> {
    let path_and_query = format!("/v{}{path_and_query}", client.client_version());
    let asking = client.clone().with_request_modifier(move |mut request| {
        let mut parts = request.uri().clone().into_parts();
        // What cannot be a path leaves the request as it is, and its answer is no JSON.
        if let Ok(path_and_query) = path_and_query.parse() {
            parts.path_and_query = Some(path_and_query);
            if let Ok(uri) = parts.try_into() {
                *request.uri_mut() = uri;
            }
        }
        request
    });
    Ok(serde_json::from_str(&asking.ping().await?)?)
}

/// Asks as [`get`]; `None` for what is not there.
pub(crate) async fn find(client: &Client, path: &str) -> Result<Option<Value>, BoxError> {
    match get(client, path).await {
        Ok(value) => Ok(Some(value)),
        Err(error) => match error.downcast_ref::<ClientError>().and_then(status) {
            Some(404) => Ok(None),
            _ => Err(error),
        },
    }
}

/// Lists what has the label of this engine.
pub(crate) async fn list(client: &Client, kind: Kind) -> Result<Vec<Thing>> {
    let (path, all) = match kind {
        Kind::Container => ("containers/json", "&all=true"),
        Kind::Network => ("networks", ""),
        Kind::Volume => ("volumes", ""),
    };
    let answer = get(client, &format!("/{path}?filters={OURS}{all}")).await;
    let answer = answer.map_err(failed("list", &format!("{}s", kind.name())))?;
    Ok(things(kind, &answer))
}

fn things(kind: Kind, answer: &Value) -> Vec<Thing> {
    let entries = if kind == Kind::Volume { &answer["Volumes"] } else { answer };
    entries.as_array().into_iter().flatten().filter_map(|entry| thing(kind, entry)).collect()
}

fn thing(kind: Kind, entry: &Value) -> Option<Thing> {
    let (name, created) = match kind {
        Kind::Container => {
            let name = entry["Names"][0].as_str().map(|name| name.trim_start_matches('/'));
            let seconds = entry["Created"].as_i64();
            let seconds = seconds.and_then(|seconds| Timestamp::from_second(seconds).ok());
            (name.or(entry["Id"].as_str()), seconds.or_else(|| time(&entry["Created"])))
        }
        Kind::Network => (entry["Name"].as_str(), time(&entry["Created"])),
        Kind::Volume => (entry["Name"].as_str(), time(&entry["CreatedAt"])),
    };
    Some(Thing { kind, name: name?.to_owned(), labels: labels(&entry["Labels"]), created })
}

/// Labels of anything; none for `null`.
pub(crate) fn labels(labels: &Value) -> HashMap<String, String> {
    let pairs = labels.as_object().into_iter().flatten();
    pairs.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect()
}

/// A time as the daemon writes it, for example `2026-01-31T12:00:00.123456789Z`.
pub(crate) fn time(value: &Value) -> Option<Timestamp> {
    value.as_str()?.parse().ok()
}

/// A reference of an image without what every daemon may put in front of it.
pub(crate) fn short_reference(reference: &str) -> &str {
    let prefixes = ["docker.io/library/", "docker.io/", "localhost/"];
    prefixes.iter().find_map(|prefix| reference.strip_prefix(prefix)).unwrap_or(reference)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_not_known_is_left_out_and_the_rest_read() {
        let answer = json!([
            {"Id": "1", "Names": ["/a"], "State": "stopped", "Labels": null, "Created": 1_700_000_000},
            {"Id": "2", "Names": null, "State": {"odd": 1}, "Labels": {"testcelery.owner": "o", "number": 1}},
            {"Names": []},
            "text",
            null,
        ]);
        let found = things(Kind::Container, &answer);
        let names: Vec<&str> = found.iter().map(|thing| thing.name.as_str()).collect();
        assert_eq!(names, ["a", "2"]);
        assert_eq!(found[0].created.unwrap().as_second(), 1_700_000_000);
        assert_eq!((found[1].owner(), found[1].created), ("o", None));
        for nothing in [json!(null), json!({}), json!({"Volumes": null})] {
            assert!(Kind::ALL.iter().all(|kind| things(*kind, &nothing).is_empty()), "{nothing}");
        }
        let volumes = json!({"Volumes": [{"Name": "v", "CreatedAt": "2026-01-31T12:00:00+01:00"}]});
        assert_eq!(things(Kind::Volume, &volumes)[0].created.unwrap().to_string(), "2026-01-31T11:00:00Z");
    }

    #[test]
    fn references_have_one_form() {
        for (written, short) in [
            ("docker.io/library/redis:8", "redis:8"),
            ("docker.io/testcelery/redis:x", "testcelery/redis:x"),
            ("localhost/testcelery/redis:x", "testcelery/redis:x"),
            ("localhost:5000/redis:8", "localhost:5000/redis:8"),
            ("redis:8", "redis:8"),
        ] {
            assert_eq!(short_reference(written), short);
        }
    }
}
