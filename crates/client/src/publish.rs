//! The way of a task to its broker, past the handlers of signals (`celery.app.amqp`, `send_task_message`).

use serde_json::Value;
use testcelery_api::BoxError;

use crate::{
    AfterTaskPublish, App, AsyncResult, BeforeTaskPublish, Error, Message, Result,
    bound::bounded,
    check::Changed,
    event::Route,
    protocol::{Parts, TaskMessage},
    signals::guarded,
};

/// The names of the signals.
const BEFORE: &str = "before_task_publish";
const AFTER: &str = "after_task_publish";

/// Publishes a task and begins to listen for its result.
pub(crate) async fn publish(app: &App, queue: String, task: TaskMessage) -> Result<AsyncResult> {
    let declaration = app.queues().get(&queue).ok_or_else(|| Error::Option {
        task: task.task.clone(),
        option: "queue",
        problem: unknown(app, &queue),
    })?;
    let route = Route { task: task.task.clone(), id: task.id.clone(), queue };
    let Parts { headers, properties, body } = before(app, &route, task.into_parts())?;
    let ignored = headers.get("ignore_result").and_then(Value::as_bool);
    let result = AsyncResult::new(app, &route.task, &route.id, &route.queue, ignored);
    let after = app.registry().after.of(&route.task);
    let kept = (!after.is_empty()).then(|| body.clone());
    let message = Message { headers, properties, body: body.into_bytes() };
    result.watch().await?;
    let transport = app.transport();
    let operation = || format!("publish task {} to queue {}", route.task, route.queue);
    bounded(operation, || transport.safe_url(), transport.publish(&declaration, &message)).await?;
    tracing::debug!(task = result.task(), id = result.id(), queue = route.queue, "task sent");
    if let Some(body) = kept {
        let event = AfterTaskPublish { route, headers: message.headers, body };
        // Every handler sees the task, which is sent whatever becomes of them.
        let mut first = Ok(());
        for handler in after {
            let failure = guarded(|| handler(&event));
            first = first.and(ended(app, AFTER, &event.route.task, Some(&result), failure));
        }
        first?;
    }
    Ok(result)
}

/// What becomes of a call whose handler failed: an error in an app with strict signals, else a line in the log, as in Celery.
fn ended(
    app: &App,
    signal: &'static str,
    task: &str,
    sent: Option<&AsyncResult>,
    outcome: Result<(), BoxError>,
) -> Result<()> {
    let Err(source) = outcome else {
        return Ok(());
    };
    tracing::error!(signal, task, error = %source, "a handler failed");
    if app.has_strict_signals() {
        return Err(Error::Handler { signal, task: task.to_owned(), sent: sent.cloned(), source });
    }
    Ok(())
}

/// Celery's `QueueNotFound`.
fn unknown(app: &App, queue: &str) -> String {
    let known = app.queues().names().collect::<Vec<_>>().join(", ");
    format!(
        "`{queue}` is not in `task_queues`, which has {known}, and `task_create_missing_queues` is off; add the queue there"
    )
}

/// Shows the message to the handlers of `before_task_publish` and checks what they made of it.
fn before(app: &App, route: &Route, parts: Parts) -> Result<Parts> {
    let handlers = app.registry().before.of(&route.task);
    if handlers.is_empty() {
        return Ok(parts);
    }
    let Parts { headers, properties, body } = parts;
    let mut event = BeforeTaskPublish { route: route.clone(), headers, properties, body };
    for handler in handlers {
        let failure = guarded(|| handler(&mut event));
        ended(app, BEFORE, &route.task, None, failure)?;
    }
    let BeforeTaskPublish { headers, properties, body, .. } = event;
    let changed =
        Changed { task: &route.task, id: &route.id, headers: &headers, properties: &properties, body: &body };
    changed.check()?;
    Ok(Parts { headers, properties, body })
}
