//! The way of a task to its broker, past the handlers of signals (`celery.app.amqp`, `send_task_message`).

use serde_json::Value;

use crate::{
    AfterTaskPublish, App, AsyncResult, BeforeTaskPublish, Error, Message, Result,
    check::Changed,
    event::Route,
    protocol::{Parts, TaskMessage},
};

/// Publishes a task and begins to listen for its result.
pub(crate) async fn publish(app: &App, queue: String, task: TaskMessage) -> Result<AsyncResult> {
    let route = Route { task: task.task.clone(), id: task.id.clone(), queue };
    let Parts { headers, properties, body } = before(app, &route, task.into_parts())?;
    let ignored = headers.get("ignore_result").and_then(Value::as_bool);
    let result = AsyncResult::new(app, &route.task, &route.id, ignored);
    let after = app.registry().after.of(&route.task);
    let kept = (!after.is_empty()).then(|| body.clone());
    let message = Message { headers, properties, body: body.into_bytes() };
    result.watch().await?;
    app.transport().publish(&route.queue, &message).await?;
    tracing::debug!(task = result.task(), id = result.id(), queue = route.queue, "task sent");
    if let Some(body) = kept {
        let event = AfterTaskPublish { route, headers: message.headers, body };
        for handler in after {
            handler(&event).map_err(|source| Error::Handler {
                signal: "after_task_publish",
                task: event.sender().to_owned(),
                sent: true,
                source,
            })?;
        }
    }
    Ok(result)
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
        handler(&mut event).map_err(|source| Error::Handler {
            signal: "before_task_publish",
            task: route.task.clone(),
            sent: false,
            source,
        })?;
    }
    let BeforeTaskPublish { headers, properties, body, .. } = event;
    let changed =
        Changed { task: &route.task, id: &route.id, headers: &headers, properties: &properties, body: &body };
    changed.check()?;
    Ok(Parts { headers, properties, body })
}
