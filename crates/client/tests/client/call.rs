//! Calls and their results, without a server.

use std::{
    collections::HashMap,
    time::{Duration, SystemTime},
};

use crate::fake::World;
use serde::Serialize;
use serde_json::{Value, json};
use testcelery_client::{Call, Error, QueueDeclaration, Queues, State};

#[tokio::test]
async fn listens_for_the_result_before_the_task_leaves() {
    let world = World::default();
    let app = world.app().await;
    let result = app.task("tasks.add").args((2, 3)).task_id("1").send().await.unwrap();
    assert_eq!((result.id(), result.task()), ("1", "tasks.add"));
    assert_eq!(world.log()[2..], ["watch 1", "publish to celery"]);
}

#[tokio::test]
async fn stops_listening_when_the_last_handle_goes() {
    let world = World::default();
    let app = world.app().await;
    let result = app.task("tasks.add").task_id("1").send().await.unwrap();
    let other = result.clone();
    drop(result);
    assert_eq!(world.log().last().unwrap(), "publish to celery");
    drop(other);
    assert_eq!(world.log().last().unwrap(), "unwatch 1");
}

#[tokio::test]
async fn says_what_was_asked() {
    #[derive(Serialize)]
    struct Options {
        debug: bool,
    }
    let world = World::default();
    let app = world.app().await;
    let before = SystemTime::now();
    let call = app
        .task("tasks.add")
        .args([1, 2])
        .kwargs(Options { debug: true })
        .kwarg("names", ["a"])
        .queue("fast")
        .countdown(Duration::from_secs(60))
        .expires(Duration::from_secs(120))
        .priority(7)
        .header("tenant", "blue")
        .time_limit(Duration::from_secs(5))
        .soft_time_limit(Duration::from_secs(4));
    call.send().await.unwrap();
    let message = &world.published()[0];
    let body: Value = serde_json::from_slice(&message.body).unwrap();
    assert_eq!(body[0], json!([1, 2]));
    assert_eq!(body[1], json!({"debug": true, "names": ["a"]}));
    assert_eq!(message.headers["tenant"], "blue");
    assert_eq!(message.headers["timelimit"], json!([5, 4]));
    assert_eq!(message.properties.priority, Some(7));
    assert_eq!(message.properties.expiration, Some(Duration::from_secs(120)));
    assert!(world.log().contains(&"publish to fast".to_owned()));
    let time = |header: &str| -> SystemTime {
        let text = message.headers[header].as_str().unwrap();
        text.parse::<jiff::Timestamp>().unwrap().into()
    };
    // The header has microseconds.
    let early = before - Duration::from_micros(1);
    assert!(time("eta") >= early + Duration::from_secs(60));
    assert!(time("eta") <= SystemTime::now() + Duration::from_secs(60));
    assert!(time("expires") >= early + Duration::from_secs(120));
}

#[tokio::test]
async fn the_last_word_on_the_start_counts() {
    let world = World::default();
    let app = world.app().await;
    let eta: SystemTime = "2030-01-02T03:04:05.000006Z".parse::<jiff::Timestamp>().unwrap().into();
    let minute = Duration::from_secs(60);
    app.task("t").countdown(minute).eta(eta).send().await.unwrap();
    app.task("t").eta(eta).countdown(Duration::ZERO).send().await.unwrap();
    let etas: Vec<Value> = world.published().iter().map(|message| message.headers["eta"].clone()).collect();
    assert_eq!(etas, [json!("2030-01-02T03:04:05.000006+00:00"), Value::Null]);
}

#[tokio::test]
async fn no_arguments_are_empty_ones() {
    let world = World::default();
    let app = world.app().await;
    app.task("t").args(()).kwargs(()).send().await.unwrap();
    let body: Value = serde_json::from_slice(&world.published()[0].body).unwrap();
    assert_eq!((&body[0], &body[1]), (&json!([]), &json!({})));
}

#[tokio::test]
async fn replies_go_where_the_store_wants_them() {
    let world = World::default();
    let own = world.app().await;
    own.task("t").send().await.unwrap();
    own.task("t").send().await.unwrap();
    let rpc = world.builder().broker_url("fake://h/").rpc().connect().await.unwrap();
    rpc.task("t").send().await.unwrap();
    let reply_to: Vec<String> =
        world.published().into_iter().map(|message| message.properties.reply_to.unwrap()).collect();
    assert_eq!(reply_to[0], reply_to[1]);
    assert!(!reply_to[0].is_empty());
    assert_eq!(reply_to[2], "my-queue");
}

async fn refusal(make: impl FnOnce(Call) -> Call) -> String {
    let world = World::default();
    let app = world.app().await;
    let error = make(app.task("tasks.add")).send().await.unwrap_err();
    assert_eq!(world.log().len(), 2, "something was sent: {:?}", world.log());
    error.to_string()
}

#[tokio::test]
async fn what_json_cannot_carry_is_named_and_nothing_is_sent() {
    #[derive(Serialize)]
    struct Item {
        price: f64,
    }
    let item = Item { price: f64::NAN };
    assert_eq!(
        refusal(|call| call.args((1, item))).await,
        "args[1].price of task tasks.add cannot be carried by JSON: NaN is no JSON number"
    );
    assert_eq!(
        refusal(|call| call.kwargs(HashMap::from([("limit", f64::INFINITY)]))).await,
        r#"kwargs["limit"] of task tasks.add cannot be carried by JSON: inf is no JSON number"#
    );
    assert_eq!(
        refusal(|call| call.kwarg("by id", HashMap::from([(7, "x")]))).await,
        r#"kwargs["by id"] of task tasks.add cannot be carried by JSON: a key of the map is no string"#
    );
    assert_eq!(
        refusal(|call| call.header("ratio", f32::NAN)).await,
        r#"headers["ratio"] of task tasks.add cannot be carried by JSON: NaN is no JSON number"#
    );
    assert_eq!(
        refusal(|call| call.args(3)).await,
        "args of task tasks.add cannot be carried by JSON: positional arguments are a sequence, this is a number; \
         one argument is written `(value,)`"
    );
    assert_eq!(
        refusal(|call| call.kwargs([1])).await,
        "kwargs of task tasks.add cannot be carried by JSON: keyword arguments are a map or a struct, this is a sequence"
    );
}

#[tokio::test]
async fn the_first_problem_is_the_one_that_is_told() {
    let error = refusal(|call| call.args(3).kwargs(4).args((1,))).await;
    assert!(error.starts_with("args of task"), "{error}");
}

#[tokio::test]
async fn options_that_make_no_sense_are_refused() {
    let second = Duration::from_secs(1);
    for (error, expected) in [
        (
            refusal(|call| call.soft_time_limit(2 * second).time_limit(second)).await,
            "option soft_time_limit of task tasks.add: the soft limit of 2s is longer than the hard limit of 1s",
        ),
        (
            refusal(|call| call.time_limit(Duration::ZERO)).await,
            "option time_limit of task tasks.add: it is zero",
        ),
        (refusal(|call| call.queue("")).await, "option queue of task tasks.add: it is empty"),
        (refusal(|call| call.task_id("")).await, "option task_id of task tasks.add: it is empty"),
        (
            refusal(|call| call.header("id", 1)).await,
            "option header of task tasks.add: `id` is a header of the protocol itself",
        ),
    ] {
        assert_eq!(error, expected);
    }
    let far = refusal(|call| call.countdown(Duration::MAX)).await;
    assert!(far.starts_with("option countdown of task tasks.add: "), "{far}");
    let far = refusal(|call| call.expires(Duration::MAX)).await;
    assert!(far.starts_with("option expires of task tasks.add: "), "{far}");
}

#[tokio::test]
async fn a_task_needs_a_name() {
    let app = World::default().app().await;
    let error = app.task("").send().await.unwrap_err();
    assert_eq!(error.to_string(), "option task of task : it is empty");
}

#[tokio::test]
async fn a_broker_that_refuses_is_an_error() {
    let world = World::default();
    let app = world.app().await;
    world.refuse_publish();
    let error = app.task("t").send().await.unwrap_err();
    assert_eq!(error.to_string(), "could not publish at fake://h/");
}

#[tokio::test]
async fn a_result_has_the_type_that_is_asked_for() {
    let world = World::default();
    let app = world.app().await;
    world.answer(json!({"status": "SUCCESS", "result": [1, "two"]}));
    let result = app.task("t").task_id("1").send().await.unwrap();
    assert_eq!(result.get::<(i64, String)>().await.unwrap(), (1, "two".to_owned()));
    assert_eq!(result.state().await.unwrap(), State::Success);
    let error = result.get::<i64>().await.unwrap_err();
    assert_eq!(error.to_string(), r#"the result of task t [1] is not a i64: got [1,"two"]"#);
    world.answer(json!({"status": "SUCCESS", "result": "é".repeat(1000)}));
    let error = result.get::<i64>().await.unwrap_err().to_string();
    assert!(error.len() < 800 && error.contains(" .. "), "{error}");
}

#[tokio::test]
async fn a_float_comes_out_as_it_was_stored() {
    // serde_json is one bit off here unless it is told to be exact.
    const STORED: f64 = 2.5331983431485986e96;
    let world = World::default();
    let app = world.app().await;
    world.answer(json!({"status": "SUCCESS", "result": STORED}));
    let result = app.task("t").send().await.unwrap();
    assert_eq!(result.get::<f64>().await.unwrap(), STORED);
}

#[tokio::test]
async fn a_task_that_raised_is_a_task_error() {
    let world = World::default();
    let app = world.app().await;
    world.answer(json!({
        "status": "FAILURE", "traceback": "Traceback ...\nNotRegistered: 'tasks.nosuch'\n",
        "result": {"exc_type": "NotRegistered", "exc_message": ["tasks.nosuch"], "exc_module": "celery.exceptions"},
    }));
    let result = app.task("tasks.nosuch").task_id("1").send().await.unwrap();
    let error = result.get::<()>().await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "task tasks.nosuch [1] ended as FAILURE: celery.exceptions.NotRegistered: tasks.nosuch\n\
         \x20 remote traceback:\n  | Traceback ...\n  | NotRegistered: 'tasks.nosuch'"
    );
    let task = error.as_task_error().unwrap();
    assert_eq!((&task.state, task.exc_type.as_str()), (&State::Failure, "NotRegistered"));
}

#[tokio::test]
async fn what_an_exception_says_stays_text_and_short() {
    let world = World::default();
    let app = world.app().await;
    let message = format!("\u{1b}[32mgreen\u{7}\ntest result: ok. 1 passed{}", "x".repeat(1 << 20));
    let traceback = format!("Traceback\n{}\ntest result: ok\rE: {message}\n", "  File\n".repeat(1000));
    world.answer(json!({
        "status": "FAILURE", "traceback": traceback,
        "result": {"exc_type": "Loud\u{1b}c", "exc_message": [message], "exc_module": "tasks"},
    }));
    let error = app.task("t").task_id("1").send().await.unwrap().get::<()>().await.unwrap_err();
    let shown = error.to_string();
    assert!(shown.len() < 4000 && !shown.contains(|c: char| c.is_control() && c != '\n'), "{shown:?}");
    let first =
        r"task t [1] ended as FAILURE: tasks.Loud\x1bc: \x1b[32mgreen\x07\ntest result: ok. 1 passedxxx";
    assert!(shown.starts_with(first), "{shown}");
    assert!(shown.contains("\n  .. 944 lines left out\n"), "{shown}");
    assert!(shown.lines().skip(1).all(|line| line.starts_with("  ")), "{shown}");
    // What `unwrap` prints.
    assert!(format!("{error:?}").len() < 4000, "{error:?}");
    let report = error.as_task_error().unwrap().report();
    assert!(report.contains(&message) && report.ends_with(&traceback), "the whole is there for a file");
}

#[tokio::test]
async fn every_error_of_a_result_is_shown_to_whoever_keeps_them() {
    let world = World::default();
    let kept = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let errors = kept.clone();
    let builder = world.builder().broker_url("fake://h/").backend_url("fake://h/");
    let builder = builder.on_error(move |error| errors.lock().unwrap().push(error.to_string()));
    let app = builder.connect().await.unwrap();
    world.answer(json!({"status": "SUCCESS", "result": "text"}));
    let result = app.task("t").task_id("1").send().await.unwrap();
    assert!(result.get::<String>().await.is_ok());
    assert!(result.get::<i64>().await.is_err());
    assert_eq!(*kept.lock().unwrap(), [r#"the result of task t [1] is not a i64: got "text""#]);
}

#[tokio::test]
async fn a_revoked_task_is_a_task_error_too() {
    let world = World::default();
    let app = world.app().await;
    world.answer(json!({
        "status": "REVOKED",
        "result": {"exc_type": "TaskRevokedError", "exc_message": ["expired"], "exc_module": "celery.exceptions"},
    }));
    let result = app.task("t").send().await.unwrap();
    let error = result.get::<()>().await.unwrap_err();
    assert_eq!(error.as_task_error().unwrap().state, State::Revoked);
}

#[tokio::test(start_paused = true)]
async fn a_result_that_never_comes_is_told_with_all_that_is_known() {
    let world = World::default();
    let app = world
        .builder()
        .broker_url("fake://h/")
        .backend_url("fake://h/")
        .result_timeout(Duration::from_secs(7))
        .on_timeout(|| "last lines of worker:\n  | ready".to_owned())
        .connect()
        .await
        .unwrap();
    let result = app.task("t").task_id("1").send().await.unwrap();
    let error = result.get::<i64>().await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "no result of task t [1] within 7.0s; its last known state is PENDING; where the task itself \
         sets `ignore_result=True`, `.ignore_result(false)` makes the worker store its result\nlast lines of worker:\n  | ready"
    );
    world.answer(json!({"status": "STARTED", "result": {"pid": 1}}));
    let error = result.get_within::<i64>(Duration::from_secs(1)).await.unwrap_err();
    assert!(
        matches!(&error, Error::Timeout { state: State::Started, waited, .. } if waited.as_secs() == 1),
        "{error}"
    );
}

#[tokio::test]
async fn no_backend_no_result() {
    let world = World::default();
    let app = world.builder().broker_url("fake://h/").connect().await.unwrap();
    let result = app.task("t").send().await.unwrap();
    assert_eq!(world.published().len(), 1);
    assert_eq!(
        result.get::<()>().await.unwrap_err().to_string(),
        "the app has no result backend, so there is no result of task t to wait for"
    );
}

#[tokio::test]
async fn an_ignored_result_is_not_waited_for() {
    let world = World::default();
    let app = world.app().await;
    let result = app.task("t").task_id("1").ignore_result(true).send().await.unwrap();
    let error = result.get::<()>().await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "task t [1] was sent with ignore_result, so there is no result to wait for"
    );
    drop(result);
    assert_eq!(world.log()[2..], ["publish to celery"]);
    assert_eq!(world.published()[0].headers["ignore_result"], true);
}

#[tokio::test]
async fn a_call_that_does_not_set_ignore_result_leaves_it_to_the_task() {
    let world = World::default();
    let app = world.app().await;
    app.task("t").send().await.unwrap();
    app.task("t").ignore_result(false).send().await.unwrap();
    let sent: Vec<Value> =
        world.published().iter().map(|message| message.headers["ignore_result"].clone()).collect();
    assert_eq!(sent, [Value::Null, Value::Bool(false)]);
}

#[tokio::test]
async fn a_result_can_be_forgotten() {
    let world = World::default();
    let app = world.app().await;
    let result = app.task("t").task_id("1").send().await.unwrap();
    result.forget().await.unwrap();
    assert_eq!(world.log().last().unwrap(), "forget 1");
}

#[tokio::test]
async fn a_queue_that_must_not_be_made_is_an_error_before_anything_is_sent() {
    let world = World::default();
    let queues = Queues::default().with(QueueDeclaration::new("video")).without_missing();
    let app = world.builder().broker_url("fake://h/").queues(queues).connect().await.unwrap();
    app.task("t").queue("video").send().await.unwrap();
    let error = app.task("t").queue("typo").send().await.unwrap_err().to_string();
    assert_eq!(
        error,
        "option queue of task t: `typo` is not in `task_queues`, which has video, and `task_create_missing_queues` is off; add the queue \
         there"
    );
    assert_eq!(world.published().len(), 1);
}

#[tokio::test]
async fn what_is_nested_too_deeply_is_refused_and_nothing_is_sent() {
    let deep = |levels| (0..levels).fold(json!(1), |value, _| Value::Array(vec![value]));
    for (argument, make) in [
        ("args", Box::new(|call: Call, value| call.args((value,))) as Box<dyn Fn(Call, Value) -> Call>),
        ("kwargs[\"a\"]", Box::new(|call: Call, value| call.kwarg("a", value))),
        ("headers[\"h\"]", Box::new(|call: Call, value| call.header("h", value))),
    ] {
        for levels in [200, 3000] {
            let problem = refusal(|call| make(call, deep(levels))).await;
            assert!(problem.contains(argument) && problem.contains("more than 128 levels deep"), "{problem}");
        }
    }
}
