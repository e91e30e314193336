//! What a worker consumes from that names no queue: what plain `celery worker` would.

use testcelery_api::Logs;
use testcelery_codegen::{InitialContent, PyValue, READY_MARKER};

/// The queue of an app that names none (Celery's `task_default_queue`).
const DEFAULT_QUEUE: &str = "celery";

/// The queues of the setting `task_queues`, else the one of `task_default_queue`, else `celery`. None where an app of the user's own may have
/// settings of its own: what it consumes from is [known](of_log) when it runs.
pub(crate) fn of_content(content: &InitialContent) -> Vec<String> {
    match (content.setting("task_queues"), content.setting("task_default_queue")) {
        (Some(PyValue::List(queues) | PyValue::Tuple(queues)), _) if !queues.is_empty() => {
            queues.iter().filter_map(name).collect()
        }
        (Some(PyValue::Dict(queues)), _) if !queues.is_empty() => {
            queues.iter().filter_map(|(queue, _)| name(queue)).collect()
        }
        (_, Some(PyValue::Str(queue))) => vec![queue.clone()],
        _ if content.has_own_app() => Vec::new(),
        _ => vec![DEFAULT_QUEUE.to_owned()],
    }
}

/// The queues that a worker has said it consumes from, behind its name in the line that says that it is ready.
pub(crate) fn of_log(logs: &Logs) -> Vec<String> {
    let lines = logs.lines();
    let said = lines.iter().rev().find_map(|line| line.text.split_once(READY_MARKER));
    let queues = said.and_then(|(_, rest)| rest.trim_start().split_once(' ')).map(|(_, queues)| queues);
    queues.into_iter().flat_map(|queues| queues.split(',')).map(str::to_owned).collect()
}

/// The name of a `kombu.Queue`, which is its first argument.
fn name(queue: &PyValue) -> Option<String> {
    match queue {
        PyValue::Call { args, kwargs, .. } => {
            let named = kwargs.iter().find(|(key, _)| key == "name").map(|(_, value)| value);
            args.first().or(named).and_then(name)
        }
        PyValue::Str(name) => Some(name.clone()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use testcelery_api::Stream;
    use testcelery_codegen::{Config, PyModule, Queue};

    use super::*;

    #[test]
    fn as_plain_celery() {
        let content = InitialContent::default();
        assert_eq!(of_content(&content), ["celery"]);
        let orders = content.clone().config("task_default_queue", "orders");
        assert_eq!(of_content(&orders), ["orders"]);
        let queues = Config::new().task_queues([Queue::new("a"), Queue::new("b").routing_key("b.#")]);
        assert_eq!(of_content(&orders.configure(queues)), ["a", "b"]);
        let by_name = PyValue::dict([("c", PyValue::dict([("routing_key", "c")]))]);
        assert_eq!(of_content(&content.clone().config("task_queues", by_name)), ["c"]);
        assert_eq!(of_content(&content.app(PyModule::installed("proj"))), [""; 0]);
    }

    #[test]
    fn as_the_worker_says() {
        let logs = Logs::new("w");
        assert_eq!(of_log(&logs), [""; 0]);
        logs.push(Stream::Stdout, format!("x\n{READY_MARKER} w@w a,b c\n").as_bytes());
        assert_eq!(of_log(&logs), ["a", "b c"]);
    }
}
