use std::time::Duration;

use serde_json::json;
use testcelery_codegen::{Exchange, Queue};

use super::*;

fn read(settings: &Config) -> Queues {
    queues(settings).unwrap()
}

fn problem(settings: &Config) -> String {
    queues(settings).unwrap_err().to_string()
}

fn arguments(queue: &QueueDeclaration) -> Value {
    Value::Object(queue.arguments.clone())
}

#[test]
fn without_settings_every_queue_is_celerys() {
    let queues = read(&Config::new());
    assert_eq!(queues.get("celery"), Some(QueueDeclaration::new("celery")));
    assert_eq!(queues.get("q"), Some(QueueDeclaration::new("q")));
}

#[test]
fn the_highest_priority_is_an_argument_of_every_queue() {
    let known = [Queue::new("own").max_priority(3), Queue::new("plain")];
    let queues = read(&Config::new().task_queue_max_priority(10).task_queues(known));
    for (name, priority) in [("own", 3), ("plain", 10), ("missing", 10)] {
        assert_eq!(arguments(&queues.get(name).unwrap()), json!({"x-max-priority": priority}), "{name}");
    }
    let alone = read(&Config::new().task_queue_max_priority(10));
    assert_eq!(arguments(&alone.get("celery").unwrap()), json!({"x-max-priority": 10}));
}

#[test]
fn the_default_queue_has_the_default_exchange_and_key() {
    let settings = Config::new()
        .task_default_queue("orders")
        .task_default_exchange("shop")
        .task_default_exchange_type("topic")
        .task_default_routing_key("shop.orders")
        .set("task_default_queue_type", "quorum");
    let queue = read(&settings).get("orders").unwrap();
    assert_eq!(queue.target(), ("shop", "shop.orders"));
    assert_eq!(arguments(&queue), json!({"x-queue-type": "quorum"}));
    // Celery applies the type of the default queue only if there are no `task_queues`.
    let queues = read(&settings.task_queues(["other"]));
    assert_eq!(queues.get("other").unwrap().target(), ("shop", "shop.orders"));
    assert_eq!(queues.get("orders"), Some(QueueDeclaration::new("orders")));
}

#[test]
fn missing_queues_follow_their_settings() {
    let settings = Config::new()
        .set("task_create_missing_queue_type", "quorum")
        .set("task_create_missing_queue_exchange_type", "topic");
    let queue = read(&settings).get("q").unwrap();
    assert_eq!((queue.target(), arguments(&queue)), (("q", "q"), json!({"x-queue-type": "quorum"})));
    let refused = read(&Config::new().task_create_missing_queues(false).task_queues(["a"]));
    assert!(refused.get("a").is_some() && refused.get("b").is_none());
    let error = problem(&Config::new().set("task_create_missing_queue_type", "stream"));
    assert!(error.contains("task_create_missing_queue_type = 'stream': it has to be `classic`"), "{error}");
}

#[test]
fn every_argument_of_a_queue_is_read() {
    let exchange =
        Exchange::new("media").kind("topic").durable(false).auto_delete(true).arguments([("a", 1)]);
    let queue = Queue::new("video")
        .exchange(exchange)
        .routing_key("media.#")
        .durable(false)
        .auto_delete(true)
        .max_length(5)
        .max_length_bytes(1 << 40)
        .message_ttl(Duration::from_millis(1_500))
        .expires(Duration::from_secs(60))
        .queue_arguments([("x-queue-mode", "lazy")])
        .binding_arguments([("x-match", "all")])
        .consumer_arguments([("x-priority", 1)]);
    let queue = read(&Config::new().task_queues([queue])).get("video").unwrap();
    assert_eq!(queue.target(), ("media", "media.#"));
    assert!(!queue.durable && queue.auto_delete && !queue.exclusive && queue.declare);
    assert!(!queue.exchange.durable && queue.exchange.auto_delete && queue.exchange.declare);
    let expected = json!({
        "x-queue-mode": "lazy", "x-max-length": 5, "x-max-length-bytes": 1_u64 << 40,
        "x-message-ttl": 1_500, "x-expires": 60_000,
    });
    assert_eq!(arguments(&queue), expected);
    assert_eq!(Value::Object(queue.binding_arguments), json!({"x-match": "all"}));
    assert_eq!(Value::Object(queue.exchange.arguments), json!({"a": 1}));
}

#[test]
fn bindings_leave_the_queue_on_the_default_exchange() {
    let queue = Queue::new("q").exchange("dropped").bound_to(Exchange::new("b").kind("topic"), "x.#");
    let queue = read(&Config::new().task_queues([queue])).get("q").unwrap();
    assert_eq!((queue.exchange.name.as_str(), queue.routing_key.as_str()), ("celery", "celery"));
    assert_eq!(queue.bindings, [BindingDeclaration::new(ExchangeDeclaration::new("b", "topic"), "x.#")]);
}

#[test]
fn what_somebody_else_declares_is_left_to_them() {
    let known = [Queue::new("there").no_declare(true), Queue::new("mine").exclusive(true)];
    let queues = read(&Config::new().task_queues(known));
    assert!(!queues.get("there").unwrap().declare);
    let exclusive = queues.get("mine").unwrap();
    assert!(exclusive.exclusive && exclusive.auto_delete);
}

#[test]
fn queues_by_name() {
    let video = PyValue::dict([
        ("exchange", PyValue::from("media")),
        ("exchange_type", "topic".into()),
        ("binding_key", "media.video".into()),
        ("durable", false.into()),
        ("max_priority", 4.into()),
    ]);
    let settings = Config::new()
        .set("task_queues", PyValue::dict([("video", video), ("bare", PyValue::dict::<&str, i32>([]))]));
    let queues = read(&settings);
    let queue = queues.get("video").unwrap();
    assert_eq!((queue.target(), arguments(&queue)), (("media", "media.video"), json!({"x-max-priority": 4})));
    assert!(!queue.durable && !queue.exchange.durable);
    let bare = queues.get("bare").unwrap();
    assert_eq!((bare.exchange.name.as_str(), bare.routing_key.as_str()), ("celery", "bare"));
}

#[test]
fn arguments_by_place() {
    let exchange = PyValue::call("kombu.Exchange", ["media".into(), "fanout".into()], []);
    let queue = PyValue::call("kombu.entity.Queue", ["q".into(), exchange, "k".into()], []);
    let queues = read(&Config::new().set("task_queues", PyValue::tuple([queue])));
    assert_eq!(queues.get("q").unwrap().target(), ("media", "k"));
}

#[test]
fn what_cannot_be_read_is_named() {
    let call = |path: &str, kwargs: Vec<(&'static str, PyValue)>| {
        Config::new().set("task_queues", PyValue::list([PyValue::call(path, ["q".into()], kwargs)]))
    };
    for (settings, expected) in [
        (
            call("shop.make_queue", vec![]),
            "`shop.make_queue('q')` in the setting task_queues: it has to be a call of `kombu.Queue`",
        ),
        (call("kombu.common.Broadcast", vec![]), "it has to be a call of `kombu.Queue`"),
        (call("kombu.Queue", vec![("alias", "a".into())]), "the app does not know its argument `alias`"),
        (call("kombu.Queue", vec![("durable", "yes".into())]), "`durable` has to be a boolean"),
        (
            call("kombu.Queue", vec![("queue_arguments", PyValue::dict([("x", PyValue::bytes("b"))]))]),
            "`queue_arguments` has to be a dict",
        ),
        (Config::new().set("task_queues", "q"), "setting task_queues = 'q': it has to be a list"),
        (Config::new().set("task_queue_max_priority", "high"), "setting task_queue_max_priority = 'high'"),
    ] {
        let error = problem(&settings);
        assert!(error.contains(expected), "{error}");
    }
}
