//! Task messages, compared with those of a Python client on the same broker.

use serde_json::{Value, json};
use testcelery::{client::Call, prelude::*};

/// A queue that no worker reads.
const QUEUE: &str = "messages-to-compare";

/// Sends from Python, by name, as a client does that has no code of the task.
fn send(arguments: &str) -> String {
    format!(
        "app.send_task('tasks.elsewhere', (1, 'two'), {{'three': [3.5, None]}}, queue='{QUEUE}', {arguments}); None"
    )
}

/// Takes the oldest message from the queue.
const READ: &str = r#"
# Where a message went, and what is read from its own fields.
elsewhere = ("delivery_info", "application_headers", "content_type", "content_encoding")
with app.connection_for_read() as connection:
    message = connection.default_channel.basic_get("messages-to-compare", no_ack=True)
    body = message.body if isinstance(message.body, str) else bytes(message.body).decode()
    seen = {
        "headers": message.headers,
        "properties": {k: v for k, v in message.properties.items() if k not in elsewhere},
        "content": [message.content_type, message.content_encoding],
        "body": __import__("json").loads(body),
    }
seen
"#;

/// The message without what is another one in every process or message.
fn comparable(mut message: Value) -> Value {
    for (part, key) in [
        ("headers", "lang"),
        ("headers", "origin"),
        ("properties", "reply_to"),
        ("properties", "delivery_tag"),
    ] {
        let removed = message[part].as_object_mut().and_then(|part| part.remove(key));
        let is_there =
            removed.as_ref().is_some_and(|text| text.as_str().is_some_and(|text| !text.is_empty()));
        assert!(is_there || key == "delivery_tag", "{part}.{key} is {removed:?}");
    }
    message
}

async fn same(setup: &Setup, python: &str, call: Call) -> Result<()> {
    let worker = &setup.workers()[0];
    worker.python::<()>(&send(python)).await?;
    let theirs = comparable(worker.python(READ).await?);
    call.args((1, "two")).kwarg("three", (3.5, ())).queue(QUEUE).send().await?;
    let ours = comparable(worker.python(READ).await?);
    assert_eq!(ours, theirs, "with {python:?}");
    Ok(())
}

#[testcelery::test(backends(redis))]
async fn a_message_without_options(setup: Setup) -> Result<()> {
    same(&setup, "task_id='1'", setup.app().task("tasks.elsewhere").task_id("1")).await
}

#[testcelery::test(backends(redis))]
async fn a_message_with_options(setup: Setup) -> Result<()> {
    let eta = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_900_000_000);
    let call = setup.app().task("tasks.elsewhere").task_id("2").eta(eta).priority(3).ignore_result(true);
    let call = call.header("tenant", json!({"name": "blue"}));
    let call = call.time_limit(std::time::Duration::from_secs(30));
    let call = call.soft_time_limit(std::time::Duration::from_millis(1500));
    let python = "task_id='2', priority=3, ignore_result=True, headers={'tenant': {'name': 'blue'}}, time_limit=30, \
                  soft_time_limit=1.5, eta=__import__('datetime').datetime.fromisoformat('2030-03-17T17:46:40.000000+00:00')";
    same(&setup, python, call).await
}
