//! What a worker consumes from that names no queue: what plain `celery worker` would.

use testcelery_codegen::{Config, PyValue};

/// The queue of an app that names none (Celery's `task_default_queue`).
const DEFAULT_QUEUE: &str = "celery";

/// The queues of the setting `task_queues`, else the one of `task_default_queue`, else `celery`. The first of these configurations that has
/// a setting says what it is.
pub(crate) fn of_settings(configs: &[&Config]) -> Vec<String> {
    let setting = |key| configs.iter().find_map(|config| config.get(key));
    match (setting("task_queues"), setting("task_default_queue")) {
        (Some(PyValue::List(queues) | PyValue::Tuple(queues)), _) if !queues.is_empty() => {
            queues.iter().filter_map(name).collect()
        }
        (_, Some(PyValue::Str(queue))) => vec![queue.clone()],
        _ => vec![DEFAULT_QUEUE.to_owned()],
    }
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
    use testcelery_codegen::Queue;

    use super::*;

    #[test]
    fn as_plain_celery() {
        let own = Config::new().set("task_default_queue", "own");
        let of_setup = Config::new().set("task_default_queue", "orders");
        assert_eq!(of_settings(&[&Config::new(), &Config::new()]), ["celery"]);
        assert_eq!(of_settings(&[&Config::new(), &of_setup]), ["orders"]);
        assert_eq!(of_settings(&[&own, &of_setup]), ["own"]);
        let queues = Config::new().task_queues([Queue::new("a"), Queue::new("b").routing_key("b.#")]);
        assert_eq!(of_settings(&[&queues, &of_setup]), ["a", "b"]);
    }
}
