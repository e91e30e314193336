//! Handlers on the publisher's side, without a server.

use std::{
    io,
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
};

use serde_json::{Value, json};
use testcelery_client::{App, BeforeTaskPublish, Connected, Error};

use crate::fake::World;

/// What handlers wrote down, in order.
#[derive(Clone, Default)]
struct Notes(Arc<Mutex<Vec<String>>>);

impl Notes {
    fn add(&self, text: impl Into<String>) {
        self.0.lock().unwrap().push(text.into());
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

/// The chain of errors in one line.
fn text(error: &Error) -> String {
    let source = std::error::Error::source(error).map(|source| format!(": {source}"));
    format!("{error}{}", source.unwrap_or_default())
}

#[tokio::test]
async fn handlers_see_the_whole_message() {
    let world = World::default();
    let app = world.app().await;
    let notes = Notes::default();
    let (before, after) = (notes.clone(), notes.clone());
    app.signals().before_task_publish(move |event| {
        assert_eq!((event.sender(), event.task_id()), ("tasks.add", "1"));
        assert_eq!(
            (event.exchange(), event.routing_key(), event.declare()),
            ("", "fast", &["fast".to_owned()][..])
        );
        assert_eq!(
            (&event.body.args, &event.body.kwargs["debug"]),
            (&vec![json!(2), json!(3)], &json!(true))
        );
        assert_eq!(event.body.embed["chain"], Value::Null);
        assert_eq!((&event.headers["task"], &event.headers["tenant"]), (&json!("tasks.add"), &json!("blue")));
        assert_eq!(event.properties.priority, Some(7));
        before.add("before");
    });
    let there = world.clone();
    app.signals().after_task_publish(move |event| {
        assert_eq!((event.sender(), event.task_id()), ("tasks.add", "1"));
        assert_eq!((event.exchange(), event.routing_key()), ("", "fast"));
        assert_eq!((&event.body.args[1], &event.headers["tenant"]), (&json!(3), &json!("blue")));
        after.add(format!("after {}", there.log().last().unwrap()));
    });
    let call = app.task("tasks.add").args((2, 3)).kwarg("debug", true).queue("fast").task_id("1");
    call.header("tenant", "blue").priority(7).send().await.unwrap();
    assert_eq!(notes.take(), ["before", "after publish to fast"]);
}

#[tokio::test]
async fn what_they_change_is_what_is_sent() {
    let world = World::default();
    let app = world.app().await;
    app.signals().before_task_publish(|event| {
        event.headers.insert("tenant".to_owned(), json!({"name": "blue"}));
        event.headers.insert("shadow".to_owned(), json!("alias"));
        event.headers.remove("origin");
        event.properties.priority = Some(9);
        event.properties.persistent = false;
        event.body.args[0] = json!("changed");
        event.body.kwargs.insert("more".to_owned(), json!(1));
    });
    // The next one sees it changed.
    app.signals().before_task_publish(|event| {
        let args = event.body.args.len();
        event.headers.insert("seen".to_owned(), json!([event.headers["tenant"]["name"], args]));
    });
    app.task("t").args(("original",)).send().await.unwrap();
    let message = world.published().remove(0);
    assert_eq!(message.headers["tenant"]["name"], "blue");
    assert_eq!(
        (&message.headers["shadow"], &message.headers["seen"]),
        (&json!("alias"), &json!(["blue", 1]))
    );
    assert!(!message.headers.contains_key("origin"));
    assert_eq!((message.properties.priority, message.properties.persistent), (Some(9), false));
    let body: Value = serde_json::from_slice(&message.body).unwrap();
    assert_eq!((&body[0], &body[1]), (&json!(["changed"]), &json!({"more": 1})));
}

#[tokio::test]
async fn they_run_in_the_order_of_their_connection_on_every_clone() {
    let world = World::default();
    let app = world.app().await;
    let notes = Notes::default();
    let connect = |app: &App, name: &'static str| {
        let notes = notes.clone();
        app.signals().before_task_publish(move |_| notes.add(name))
    };
    connect(&app, "first");
    let second = connect(&app.clone(), "second");
    connect(&app, "third");
    app.clone().task("t").send().await.unwrap();
    assert_eq!(notes.take(), ["first", "second", "third"]);

    assert!(second.disconnect());
    assert!(!second.clone().disconnect(), "it is gone already");
    app.task("t").send().await.unwrap();
    assert_eq!(notes.take(), ["first", "third"]);
}

#[tokio::test]
async fn they_may_want_one_sender_only() {
    let world = World::default();
    let app = world.app().await;
    let notes = Notes::default();
    let (before, after, all) = (notes.clone(), notes.clone(), notes.clone());
    app.signals().sender("tasks.add").before_task_publish(move |_| before.add("before add"));
    app.signals().sender("tasks.add").after_task_publish(move |_| after.add("after add"));
    app.signals().after_task_publish(move |event| all.add(event.sender()));
    app.task("tasks.addition").send().await.unwrap();
    assert_eq!(notes.take(), ["tasks.addition"]);
    app.task("tasks.add").send().await.unwrap();
    assert_eq!(notes.take(), ["before add", "after add", "tasks.add"]);
}

#[tokio::test]
async fn an_error_before_sends_nothing() {
    let world = World::default();
    let app = world.strict_app().await;
    app.signals().before_task_publish(|event| match event.body.args.is_empty() {
        true => Err(io::Error::other("it has no arguments")),
        false => Ok(()),
    });
    let later = Arc::new(AtomicBool::new(false));
    let called = later.clone();
    app.signals().before_task_publish(move |_| called.store(true, Ordering::SeqCst));
    let error = app.task("tasks.add").send().await.unwrap_err();
    assert_eq!(
        text(&error),
        "a handler of before_task_publish failed for task tasks.add, which was not sent: it has no arguments"
    );
    assert!(!later.load(Ordering::SeqCst) && world.log().len() == 2, "{:?}", world.log());
    app.task("tasks.add").args((1,)).send().await.unwrap();
    assert!(later.load(Ordering::SeqCst) && world.published().len() == 1);
}

#[tokio::test]
async fn an_error_after_keeps_the_result_of_the_task() {
    let world = World::default();
    let app = world.strict_app().await;
    app.signals().after_task_publish(|_| Err::<(), _>("no"));
    let notes = Notes::default();
    let later = notes.clone();
    app.signals().after_task_publish(move |event| later.add(event.task_id()));
    world.answer(json!({"status": "SUCCESS", "result": 5}));
    let error = app.task("tasks.add").task_id("1").send().await.unwrap_err();
    assert_eq!(text(&error), "a handler of after_task_publish failed for task tasks.add, which was sent: no");
    assert_eq!((world.published().len(), notes.take()), (1, vec!["1".to_owned()]));
    assert_eq!(error.sent().unwrap().get::<i64>().await.unwrap(), 5);
}

/// A client in a service is not stopped by what watches it.
#[tokio::test]
async fn failing_handlers_change_nothing_where_signals_are_not_strict() {
    let world = World::default();
    let app = world.app().await;
    app.signals().before_task_publish(|_| Err::<(), _>("no"));
    app.signals().before_task_publish(|_| -> () { panic!("never") });
    app.signals().after_task_publish(|_| Err::<(), _>("no"));
    app.signals().after_task_publish(|_| -> () { panic!("never") });
    let notes = Notes::default();
    let (before, after) = (notes.clone(), notes.clone());
    app.signals().before_task_publish(move |_| before.add("before"));
    app.signals().after_task_publish(move |_| after.add("after"));
    let result = app.task("tasks.add").task_id("1").send().await.unwrap();
    assert_eq!((result.id(), world.published().len()), ("1", 1));
    assert_eq!(notes.take(), ["before", "after"]);
}

#[tokio::test]
async fn what_the_broker_refuses_has_no_after() {
    let world = World::default();
    let app = world.app().await;
    let notes = Notes::default();
    let after = notes.clone();
    app.signals().after_task_publish(move |_| after.add("after"));
    world.refuse_publish();
    assert!(matches!(app.task("t").send().await, Err(Error::Connection { .. })));
    assert!(notes.take().is_empty());
}

#[tokio::test]
async fn a_panic_is_the_error_of_its_handler() {
    let world = World::default();
    let app = world.strict_app().await;
    let once = app.signals().before_task_publish(|event| assert_eq!(event.sender(), "other", "as told"));
    let error = text(&app.task("t").send().await.unwrap_err());
    assert!(error.contains("which was not sent: it panicked: ") && error.contains("as told"), "{error}");
    assert!(world.published().is_empty());
    assert!(once.disconnect());
    app.signals().after_task_publish(|_| -> () { panic!("too late") });
    let error = app.task("t").task_id("1").send().await.unwrap_err();
    assert!(text(&error).ends_with("which was sent: it panicked: too late"), "{error}");
    assert_eq!((error.sent().unwrap().id(), world.published().len()), ("1", 1));
}

async fn broken(change: impl Fn(&mut BeforeTaskPublish) + Send + Sync + 'static) -> String {
    let world = World::default();
    let app = world.app().await;
    app.signals().before_task_publish(change);
    let error = app.task("tasks.add").task_id("1").send().await.unwrap_err();
    assert!(matches!(error, Error::Broken { .. }), "{error}");
    assert_eq!(world.log().len(), 2, "something was sent: {:?}", world.log());
    error.to_string()
}

#[tokio::test]
async fn a_change_that_no_worker_could_take_is_an_error() {
    assert_eq!(
        broken(|event| drop(event.headers.insert("eta".to_owned(), json!("tomorrow")))).await,
        "a handler of before_task_publish changed headers.eta of task tasks.add so that no worker could take it: it is neither \
         null nor a time in ISO 8601 with its offset, as 2030-01-02T03:04:05+00:00"
    );
    for (error, part) in [
        (broken(|event| event.headers.clear()).await, "headers.task"),
        (broken(|event| drop(event.headers.insert("id".to_owned(), json!("2")))).await, "headers.id"),
        (broken(|event| event.properties.correlation_id = None).await, "properties.correlation_id"),
        (broken(|event| event.properties.content_type.clear()).await, "properties.content_type"),
        (broken(|event| event.properties.content_encoding = "binary".to_owned()).await, "content_encoding"),
        (
            broken(|event| drop(event.body.embed.insert("chord".to_owned(), json!(1)))).await,
            "body.embed.chord",
        ),
    ] {
        assert!(error.contains(&format!("{part} of task")), "{error}");
    }
}

#[tokio::test]
async fn a_result_that_a_handler_does_not_want_is_not_waited_for() {
    let world = World::default();
    let app = world.app().await;
    app.signals().before_task_publish(|event| {
        event.headers.insert("ignore_result".to_owned(), json!(true));
    });
    let result = app.task("t").task_id("1").send().await.unwrap();
    assert!(matches!(result.get::<()>().await, Err(Error::Ignored { .. })));
    assert!(!world.log().contains(&"watch 1".to_owned()));
}

#[tokio::test]
async fn a_handler_may_disconnect_itself_and_call_the_app() {
    let world = World::default();
    let app = world.app().await;
    let own: Arc<OnceLock<Connected>> = Arc::default();
    let (inner, notes) = (own.clone(), Notes::default());
    let (seen, same) = (notes.clone(), app.clone());
    let connected = app.signals().after_task_publish(move |_| {
        seen.add(same.broker_url());
        assert!(inner.get().unwrap().disconnect());
    });
    own.set(connected).unwrap();
    app.task("t").send().await.unwrap();
    app.task("t").send().await.unwrap();
    assert_eq!(notes.take(), ["fake://h/"]);
}

#[tokio::test]
async fn a_closed_app_lets_its_handlers_go() {
    let world = World::default();
    let app = world.app().await;
    let held = Arc::new(());
    let (in_handler, same) = (held.clone(), app.clone());
    let connected = app.signals().before_task_publish(move |_| drop((in_handler.clone(), same.clone())));
    app.close().await;
    assert_eq!(Arc::strong_count(&held), 1);
    assert!(!connected.disconnect());
}
