//! The common settings, each with a method that takes what it can be.

use std::time::Duration;

use super::{Config, seconds};
use crate::{PyValue, Queue};

/// A method that sets the setting of its own name, by the kind of the value.
macro_rules! setter {
    (switch $name:ident $($doc:literal)+) => {
        $(#[doc = $doc])+
        #[must_use]
        pub fn $name(self, on: bool) -> Self {
            self.set(stringify!($name), on)
        }
    };
    (text $name:ident $($doc:literal)+) => {
        $(#[doc = $doc])+
        #[must_use]
        pub fn $name(self, value: impl Into<String>) -> Self {
            self.set(stringify!($name), value.into())
        }
    };
    (number $name:ident $($doc:literal)+) => {
        $(#[doc = $doc])+
        #[must_use]
        pub fn $name(self, value: u32) -> Self {
            self.set(stringify!($name), value)
        }
    };
    (limit $name:ident $($doc:literal)+) => {
        $(#[doc = $doc])+
        #[must_use]
        pub fn $name(self, limit: impl Into<Option<u32>>) -> Self {
            self.set(stringify!($name), limit.into())
        }
    };
    (time $name:ident $($doc:literal)+) => {
        $(#[doc = $doc])+
        #[must_use]
        pub fn $name(self, time: Duration) -> Self {
            self.set(stringify!($name), seconds(time))
        }
    };
    (time_limit $name:ident $($doc:literal)+) => {
        $(#[doc = $doc])+
        #[must_use]
        pub fn $name(self, limit: impl Into<Option<Duration>>) -> Self {
            self.set(stringify!($name), limit.into().map(seconds))
        }
    };
    (texts $name:ident $($doc:literal)+) => {
        $(#[doc = $doc])+
        #[must_use]
        pub fn $name<T: Into<String>>(self, items: impl IntoIterator<Item = T>) -> Self {
            self.set(stringify!($name), PyValue::list(items.into_iter().map(Into::into)))
        }
    };
    (map $name:ident $($doc:literal)+) => {
        $(#[doc = $doc])+
        #[must_use]
        pub fn $name<K: Into<PyValue>, V: Into<PyValue>>(self, items: impl IntoIterator<Item = (K, V)>) -> Self {
            self.set(stringify!($name), PyValue::dict(items))
        }
    };
}

macro_rules! setters {
    ($($name:ident: $kind:ident, $($doc:literal)+;)+) => {
        impl Config {
            $(setter! { $kind $name $($doc)+ })+
        }

        /// The settings that have a method.
        #[cfg(test)]
        pub(super) const TYPED: &[&str] = &[$(stringify!($name)),+];
    };
}

// The defaults are those of `celery.app.defaults`.
setters! {
    accept_content: texts,
        "The content types and serializers that a worker takes messages in. Default: `json`.";
    beat_schedule: map,
        "The entries of Celery beat by name, each a dict of `task`, `schedule` and so on; see [`Crontab`](crate::Crontab). Default:"
        "none.";
    broker_connection_max_retries: limit,
        "How often it tries a broker before it gives up; `None` is for ever. Default: 100.";
    broker_connection_retry: switch,
        "Whether it looks for a lost broker again. Default: on.";
    broker_connection_retry_on_startup: switch,
        "Whether it waits for a broker that is not there when it starts. Default: what `broker_connection_retry` says.";
    broker_connection_timeout: time,
        "How long it waits for a connection. Default: 4 s.";
    broker_heartbeat: time_limit,
        "The time between two heartbeats of AMQP; `None` is without. Default: 120 s.";
    broker_pool_limit: limit,
        "How many connections are held open at most; `None` closes each after its use. Default: 10.";
    broker_transport_options: map,
        "What the transport is told besides the address, as `visibility_timeout`. Default: nothing.";
    enable_utc: switch,
        "Whether times in messages are in UTC. Default: on.";
    imports: texts,
        "Modules that the worker imports when it starts. Those of the content's groups are imported without. Default: none.";
    include: texts,
        "Modules that the worker imports after `imports`. Default: none.";
    result_chord_join_timeout: time,
        "How long the body of a chord waits for each result of its header. Default: 3 s.";
    result_chord_retry_interval: time,
        "The time between two looks at a chord's header, where the backend cannot count. Default: 1 s.";
    result_compression: text,
        "How results are compressed, as `gzip`. Default: not at all.";
    result_expires: time_limit,
        "How long results are kept; `None` is for ever. Default: a day.";
    result_extended: switch,
        "Whether results tell name, arguments, worker, retries and queue of their task. Default: off.";
    result_persistent: switch,
        "Whether results of the RPC backend outlive a restart of the broker. Default: off.";
    result_serializer: text,
        "How results are written: `json`, `pickle`, `yaml` or `msgpack`. Default: `json`.";
    task_acks_late: switch,
        "Whether a message is acknowledged after its task ran, and not before. Default: off.";
    task_always_eager: switch,
        "Whether `delay` and `apply_async` run a task on the spot, in the process that calls them. Default: off.";
    task_annotations: map,
        "Attributes of tasks by the tasks' names, as `rate_limit`; `*` is all of them. Default: none.";
    task_compression: text,
        "How messages are compressed, as `gzip`. Default: not at all.";
    task_create_missing_queues: switch,
        "Whether a queue that is not in `task_queues` is made when it is named. Default: on.";
    task_default_exchange: text,
        "The exchange of tasks that name none. Default: the name of the default queue.";
    task_default_exchange_type: text,
        "The type of the exchange of a queue that names none. Default: `direct`.";
    task_default_priority: number,
        "The priority of messages that name none. Default: none.";
    task_default_queue: text,
        "The queue of tasks that name none. Default: `celery`.";
    task_default_rate_limit: text,
        "How often a task may run that says nothing of it, as `10/m`. Default: no limit.";
    task_default_routing_key: text,
        "The routing key of tasks that name none. Default: the name of the default queue.";
    task_ignore_result: switch,
        "Whether results are thrown away. Default: off.";
    task_inherit_parent_priority: switch,
        "Whether tasks have the priority of the task that sends them. Default: off.";
    task_publish_retry: switch,
        "Whether a message is published again when the connection is lost. Default: on.";
    task_queue_max_priority: number,
        "The highest priority of queues that name none, on RabbitMQ. Default: no priorities.";
    task_reject_on_worker_lost: switch,
        "Whether the message of a task goes back to its queue when the process dies that runs it, together with `task_acks_late`."
        "Default: off.";
    task_remote_tracebacks: switch,
        "Whether results have the worker's traceback; needs `tblib` there. Default: off.";
    task_routes: map,
        "Where tasks go: by name, pattern or regular expression, each a dict of `queue` and so on. Default: nowhere else.";
    task_send_sent_event: switch,
        "Whether an event `task-sent` tells of each message that is published. Default: off.";
    task_serializer: text,
        "How messages are written: `json`, `pickle`, `yaml` or `msgpack`. Default: `json`.";
    task_soft_time_limit: time_limit,
        "How long a task may run before it gets a `SoftTimeLimitExceeded`. Default: no limit.";
    task_store_errors_even_if_ignored: switch,
        "Whether errors are kept where results are thrown away. Default: off.";
    task_time_limit: time_limit,
        "How long a task may run before its process is replaced. Default: no limit.";
    task_track_started: switch,
        "Whether a task that runs is in state `STARTED`, and not `PENDING`. Default: off.";
    timezone: text,
        "The time zone of the app, as `Europe/Berlin`. Default: UTC.";
    worker_cancel_long_running_tasks_on_connection_loss: switch,
        "Whether tasks that acknowledge late are cancelled when the connection is lost. Default: off.";
    worker_disable_rate_limits: switch,
        "Whether rate limits of tasks are ignored. Default: off.";
    worker_enable_remote_control: switch,
        "Whether the worker listens to remote control. `control().ping()` needs it. Default: on.";
    worker_hijack_root_logger: switch,
        "Whether the worker replaces the handlers of the root logger. Default: on.";
    worker_log_format: text,
        "The format of a line of the log. Default: `[%(asctime)s: %(levelname)s/%(processName)s] %(message)s`.";
    worker_lost_wait: time,
        "How long it waits for the result of a process that is gone. Default: 10 s.";
    worker_max_memory_per_child: limit,
        "The memory in KiB after which a process of the pool is replaced; `None` is no limit. Default: no limit.";
    worker_max_tasks_per_child: limit,
        "The number of tasks after which a process of the pool is replaced; `None` is no limit. Default: no limit.";
    worker_prefetch_multiplier: number,
        "How many messages it takes in advance for each process of the pool; 0 is all there are. Default: 4.";
    worker_proc_alive_timeout: time,
        "How long a new process of the pool may take to start. Default: 4 s.";
    worker_redirect_stdouts: switch,
        "Whether what tasks print goes into the log. Default: on.";
    worker_send_task_events: switch,
        "Whether events tell of each task. Default: off.";
    worker_task_log_format: text,
        "The format of a line that a task logs. Default: as `worker_log_format`, with the task's name and id.";
}

impl Config {
    /// The queues that a worker consumes from unless it is told others, and what is known of those that it is told. Default: the
    /// default queue alone.
    #[must_use]
    pub fn task_queues<T: Into<Queue>>(self, queues: impl IntoIterator<Item = T>) -> Self {
        self.set("task_queues", PyValue::list(queues.into_iter().map(Into::into)))
    }
}
