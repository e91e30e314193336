//! Changes to the default stack that several tests need.

use testcelery::prelude::*;

/// One worker on a queue of its own name and none on `celery`.
pub(crate) fn custom_queue(builder: SetupBuilder) -> SetupBuilder {
    builder.worker(Worker::default().queue("letters.to-everyone"))
}

/// Two workers, each on a queue of its own.
pub(crate) fn two_workers(builder: SetupBuilder) -> SetupBuilder {
    builder.worker(Worker::default().queue("fast")).worker(Worker::default().queue("slow"))
}

/// A worker that takes one task at a time, the most urgent first.
pub(crate) fn one_at_a_time(builder: SetupBuilder) -> SetupBuilder {
    builder.worker(
        Worker::default()
            .concurrency(1)
            .config("task_acks_late", true)
            .config("task_queue_max_priority", 10)
            .config("worker_prefetch_multiplier", 1),
    )
}

/// A worker that logs next to nothing.
pub(crate) fn quiet(builder: SetupBuilder) -> SetupBuilder {
    builder.worker(Worker::default().log_level("ERROR"))
}

/// A worker that tries twice to store a result in memcached: Celery notices a lost connection only by using it, and does not try again unless it
/// is told to.
pub(crate) fn patient_with_memcached(builder: SetupBuilder) -> SetupBuilder {
    let options = PyValue::dict([("retry_attempts", 2)]);
    builder.worker(Worker::default().config("cache_backend_options", options))
}

/// A worker as plain `celery worker` is.
pub(crate) fn plain(builder: SetupBuilder) -> SetupBuilder {
    builder.worker(Worker::default().mingle(true))
}
