//! Commands to workers, without a server.

use std::time::Duration;

use crate::fake::World;
use serde_json::{Map, Value, json};
use testcelery_client::DEFAULT_REPLY_TIMEOUT;
use tokio::time::Instant;

fn pong(worker: &str) -> Value {
    json!({worker: {"ok": "pong"}})
}

#[tokio::test(start_paused = true)]
async fn collects_until_the_timeout() {
    let world = World::default();
    world.worker(None, &pong("a@h"));
    world.worker(None, &pong("b@h"));
    let app = world.app().await;
    let begin = Instant::now();
    let replies = app.control().ping().send().await.unwrap();
    assert_eq!(replies.len(), 2);
    assert_eq!(replies["a@h"], json!({"ok": "pong"}));
    assert!(begin.elapsed() >= DEFAULT_REPLY_TIMEOUT);
    assert_eq!(
        world.log()[2..],
        ["open inbox at reply.celery.pidbox", "broadcast to celery.pidbox", "close inbox"]
    );
}

#[tokio::test(start_paused = true)]
async fn returns_when_all_that_are_expected_have_answered() {
    let world = World::default();
    world.worker(None, &pong("a@h"));
    world.worker(None, &pong("b@h"));
    let app = world.app().await;
    let begin = Instant::now();
    let replies = app.control().ping().destination(["a@h", "b@h"]).send().await.unwrap();
    assert_eq!(replies.len(), 2);
    let replies = app.control().ping().expect(1).send().await.unwrap();
    assert_eq!(replies.len(), 1);
    assert_eq!(begin.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn one_worker_that_answers_twice_is_one() {
    let world = World::default();
    world.worker(None, &pong("a@h"));
    world.worker(None, &pong("a@h"));
    let app = world.app().await;
    let begin = Instant::now();
    let replies = app.control().ping().expect(2).send().await.unwrap();
    assert_eq!(replies.len(), 1);
    assert!(begin.elapsed() >= DEFAULT_REPLY_TIMEOUT);
}

#[tokio::test(start_paused = true)]
async fn answers_to_others_are_not_ours() {
    let world = World::default();
    world.worker(Some("another ticket"), &pong("a@h"));
    world.worker(None, &pong("b@h"));
    let app = world.app().await;
    let replies = app.control().ping().send().await.unwrap();
    assert_eq!(replies.keys().collect::<Vec<_>>(), ["b@h"]);
}

#[tokio::test(start_paused = true)]
async fn the_command_is_what_kombu_writes() {
    let world = World::default();
    let app = world.app().await;
    let arguments = Map::from_iter([("n".to_owned(), json!(2))]);
    let request = app.control().request("pool_grow", arguments).destination(["a@h"]);
    request.send().await.unwrap();
    app.control().ping().send().await.unwrap();
    let messages = world.broadcasts();
    let command: Value = serde_json::from_slice(&messages[0].body).unwrap();
    let ticket = command["ticket"].clone();
    assert_eq!(
        command,
        json!({
            "method": "pool_grow", "arguments": {"n": 2}, "destination": ["a@h"], "pattern": null, "matcher": null,
            "ticket": ticket, "reply_to": {"exchange": "reply.celery.pidbox", "routing_key": ticket},
        })
    );
    assert!(!messages[0].properties.persistent);
    let clock = |index: usize| messages[index].headers["clock"].as_u64().unwrap();
    assert!(clock(1) > clock(0));
    let ping: Value = serde_json::from_slice(&messages[1].body).unwrap();
    assert_eq!((&ping["destination"], &ping["arguments"]), (&Value::Null, &json!({})));
    assert_ne!(ping["ticket"], ticket);
}

#[tokio::test]
async fn a_broker_that_refuses_leaves_no_queue_behind() {
    let world = World::default();
    let app = world.app().await;
    world.refuse_publish();
    let error = app.control().ping().send().await.unwrap_err();
    assert_eq!(error.to_string(), "could not broadcast at fake://h/");
    assert_eq!(world.log().last().unwrap(), "close inbox");
}

#[tokio::test(start_paused = true)]
async fn a_reply_may_hold_what_only_python_writes() {
    let world = World::default();
    world.answer_raw(r#"{"a@h": {"ok": {"limit": Infinity, "count": 18446744073709551617}}}"#);
    let app = world.app().await;
    let replies = app.control().ping().send().await.unwrap();
    let reply = replies["a@h"].get("ok").unwrap();
    assert_eq!(reply.get("limit").unwrap().read::<f64>().unwrap(), f64::INFINITY);
    assert_eq!(reply.get("count").unwrap().read::<u128>().unwrap(), (1 << 64) + 1);
}

#[tokio::test]
async fn a_reply_that_is_none_is_an_error() {
    let world = World::default();
    world.worker(None, &json!("pong"));
    let app = world.app().await;
    let error = app.control().ping().send().await.unwrap_err().to_string();
    assert!(error.starts_with("the reply of a worker is not what Celery writes: "), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_command_that_cannot_be_sent_ends_in_its_time() {
    let world = World::default();
    let app = world.app().await;
    world.block("connection.blocked: low on memory");
    let begin = Instant::now();
    let error = app.control().ping().timeout(Duration::from_secs(3)).send().await.unwrap_err();
    assert_eq!(begin.elapsed(), Duration::from_secs(3));
    assert_eq!(error.to_string(), "could not send the command ping at fake://h/");
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert_eq!(source, "it was not sent within 3s: connection.blocked: low on memory");
}

#[tokio::test(start_paused = true)]
async fn the_exchanges_have_the_name_that_the_workers_were_given() {
    let world = World::default();
    let app = world.builder().broker_url("fake://h/").control_exchange("orders").connect().await.unwrap();
    app.control().ping().send().await.unwrap();
    assert_eq!(
        world.log()[1..],
        ["open inbox at reply.orders.pidbox", "broadcast to orders.pidbox", "close inbox"]
    );
    let command: Value = serde_json::from_slice(&world.broadcasts()[0].body).unwrap();
    assert_eq!(command["reply_to"]["exchange"], "reply.orders.pidbox");
}
