#![doc = include_str!("../README.md")]

mod args;
mod expand;
mod matrix;
mod narrow;

use proc_macro::TokenStream;

/// Runs an `async fn(setup: Setup)` once per broker and result backend, each run against a stack of its own.
///
/// | argument | meaning | default |
/// |---|---|---|
/// | `brokers(..)` | `rabbitmq`, `redis`, or `name = expression` for a component of your own | `rabbitmq, redis` |
/// | `backends(..)` | `redis`, `memcached`, `rpc` (left out where the broker cannot), or `name = expression` | `redis` |
/// | `with = path` | a `fn(SetupBuilder) -> SetupBuilder` that changes the builder of every row | none |
/// | `setup = path` | a `fn() -> SetupBuilder` instead of a matrix | none |
///
/// Each row is a test of its own with a stable name: `hello_world::rabbitmq_redis`. With `setup = ..` there is one test, named as the
/// function. The function returns `()` or a `Result` whose error is `Debug`.
///
/// `TESTCELERY_BROKERS` and `TESTCELERY_BACKENDS` (comma-separated names) narrow a build to some rows; the others are reported as ignored,
/// with the reason. A name that nobody knows is a compile error, and so is an axis with nothing on it.
#[proc_macro_attribute]
pub fn test(args: TokenStream, item: TokenStream) -> TokenStream {
    let narrowing = narrow::Narrowing::from_env();
    expand::expand(args.into(), item.into(), &narrowing).unwrap_or_else(syn::Error::into_compile_error).into()
}
