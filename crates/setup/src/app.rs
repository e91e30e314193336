//! Apps without a setup.

use testcelery_client::{App, AppBuilder};

/// Describes an app that speaks every scheme of this crate's vendors: `amqp`, `redis`, `cache+memcached`, `rpc`.
///
/// A handler of a signal that fails makes its call fail ([`AppBuilder::strict_signals`]).
///
/// For a stack that runs already; a [`Setup`](crate::Setup) has an app of its own.
///
/// ```no_run
/// # async fn example() -> testcelery::Result<()> {
/// let app = testcelery::app("my_app")
///     .broker_url("amqp://guest:guest@127.0.0.1:5672//")
///     .backend_url("redis://127.0.0.1:6379/0")
///     .connect()
///     .await?;
/// app.task("tasks.add").args((2, 3)).send().await?;
/// # Ok(()) }
/// ```
pub fn app(name: impl Into<String>) -> AppBuilder {
    App::builder(name)
        // A test whose handler fails has to fail.
        .strict_signals(true)
        .transport_factory(testcelery_rabbitmq::AmqpTransportFactory)
        .transport_factory(testcelery_redis::RedisTransportFactory)
        .store_factory(testcelery_redis::RedisStoreFactory)
        .store_factory(testcelery_memcached::MemcachedStoreFactory)
}
