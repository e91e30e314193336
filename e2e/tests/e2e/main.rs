//! Every test here runs against real RabbitMQ, Redis, Memcached and Celery.

#![expect(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod bad_input;
mod call_options;
mod content;
mod daemon;
mod dead_workers;
mod declarations;
mod default_tasks;
mod engine;
mod errors;
mod failing_task;
mod hooks;
mod knobs;
mod leftovers;
mod listeners;
mod many_workers;
mod messages;
mod mute_servers;
mod nodes;
mod ping;
mod proxy;
mod publishing;
mod queues;
mod recipes;
mod restarts;
mod serializers;
mod shared_setup;
mod signals;
mod stacks;
mod surroundings;
mod values;
mod vhost;
mod worker_logs;
