//! Handlers on the publisher's side, in front of real brokers and workers.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, Ordering},
};

use serde_json::{Value, json};
use testcelery::prelude::*;

/// Tells what a worker makes of a message.
const PROBE: &str = r#"
from celery import shared_task


@shared_task(bind=True, name="probe")
def probe(self, *args, **kwargs):
    request = self.request
    return {
        "args": args,
        "kwargs": kwargs,
        "headers": request.headers,
        "id": request.id,
        "shadow": request.shadow,
        "task": self.name,
        "timelimit": request.timelimit,
        "priority": request.delivery_info["priority"],
    }
"#;

fn probe(builder: SetupBuilder) -> SetupBuilder {
    builder.worker(Worker::default().concurrency(1).tasks(PyModule::source("probe_module", PROBE)))
}

#[testcelery::test(with = probe)]
async fn headers_of_a_handler_arrive_in_the_request(setup: Setup) -> Result<()> {
    let app = setup.app();
    app.signals().sender("probe").before_task_publish(|event| {
        event.headers.insert("tenant".to_owned(), json!({"name": "blue", "tags": ["ä", 1, 2.5, null, true]}));
        event.headers.insert("shadow".to_owned(), json!("alias"));
        event.headers.insert("timelimit".to_owned(), json!([30, 20]));
        event.properties.priority = Some(3);
        event.body.args.push(json!("from the handler"));
        event.body.kwargs.insert("more".to_owned(), json!([1]));
    });
    let result = app.task("probe").args(("own",)).header("own", 1).send().await?;
    let seen: Value = result.get().await?;
    assert_eq!(seen["args"], json!(["own", "from the handler"]));
    assert_eq!(seen["kwargs"], json!({"more": [1]}));
    assert_eq!(seen["headers"]["tenant"], json!({"name": "blue", "tags": ["ä", 1, 2.5, null, true]}));
    assert_eq!(seen["headers"]["own"], 1);
    assert_eq!((&seen["shadow"], &seen["task"]), (&json!("alias"), &json!("probe")));
    assert_eq!((&seen["timelimit"], &seen["priority"]), (&json!([30, 20]), &json!(3)));
    assert_eq!(seen["id"], result.id());
    // Another sender is left alone.
    assert_eq!(setup.ping().await?, "pong");
    Ok(())
}

/// The guide's `test_before_task_publish`.
#[testcelery::test(brokers(redis))]
async fn before_task_publish(setup: Setup) -> Result<()> {
    let signal_was_called = Arc::new(AtomicBool::new(false));
    let called = Arc::clone(&signal_was_called);
    setup.app().signals().before_task_publish(move |_| called.store(true, Ordering::SeqCst));
    setup.app().task("testcelery.tasks.ping").send().await?;
    assert!(signal_was_called.load(Ordering::SeqCst));
    Ok(())
}

/// The guide's `test_after_task_publish`.
#[testcelery::test(brokers(redis))]
async fn after_task_publish(setup: Setup) -> Result<()> {
    let signal_was_called = Arc::new(AtomicBool::new(false));
    let called = Arc::clone(&signal_was_called);
    setup.app().signals().after_task_publish(move |_| called.store(true, Ordering::SeqCst));
    setup.app().task("testcelery.tasks.ping").send().await?;
    assert!(signal_was_called.load(Ordering::SeqCst));
    Ok(())
}

/// The worker can receive the task while the handler still runs: the broker has it by then.
#[testcelery::test]
async fn the_broker_has_the_task_when_it_is_published(setup: Setup) -> Result<()> {
    let logs = setup.workers()[0].logs().clone();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let lines = Arc::clone(&seen);
    setup.app().signals().after_task_publish(move |event| {
        let received = logs.wait_for(format!("[{}] received", event.task_id()));
        let runtime = tokio::runtime::Handle::current();
        let line = tokio::task::block_in_place(|| runtime.block_on(received))?;
        lines.lock().expect("nobody panicked").push(line.text);
        Ok::<(), testcelery::api::Error>(())
    });
    assert_eq!(setup.ping().await?, "pong");
    let lines = seen.lock().expect("nobody panicked");
    assert!(lines.len() == 1 && lines[0].contains("testcelery.tasks.ping"), "{lines:?}");
    Ok(())
}

#[testcelery::test]
async fn a_handler_that_says_no_keeps_the_task_from_the_worker(setup: Setup) -> Result<()> {
    let app = setup.app();
    let no = app.signals().before_task_publish(|_| Err::<(), _>("not today"));
    let error = app.task("testcelery.tasks.ping").send().await.expect_err("it says no");
    assert!(error.to_string().contains("which was not sent"), "{error}");
    assert!(no.disconnect());
    let broken = app.signals().before_task_publish(|event| {
        event.headers.insert("eta".to_owned(), json!("tomorrow"));
    });
    let error = app.task("testcelery.tasks.ping").send().await.expect_err("no time");
    assert!(error.to_string().contains("headers.eta"), "{error}");
    assert!(broken.disconnect());
    assert_eq!(setup.ping().await?, "pong");
    let log = setup.workers()[0].logs().text();
    assert_eq!(log.matches("] received").count(), 1, "{log}");
    Ok(())
}
