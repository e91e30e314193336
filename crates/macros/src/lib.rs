#![doc = include_str!("../README.md")]

mod args;
mod expand;
mod matrix;
mod needs;

use proc_macro::TokenStream;

/// Runs an `async fn(setup: Setup)` once per broker and result backend, each run against a stack of its own.
///
/// | argument | meaning | default |
/// |---|---|---|
/// | `brokers(..)` | `rabbitmq`, `redis`, or `name = expression` for a component of your own | `rabbitmq, redis` |
/// | `backends(..)` | `redis`, `memcached`, `rpc` (left out where the broker cannot), or `name = expression` | `redis` |
/// | `with = path` | a `fn(SetupBuilder) -> SetupBuilder` that changes the builder of every row | none |
/// | `setup = path` | a `fn() -> SetupBuilder` instead of a matrix | none |
/// | `needs(..)` | what the engine has to be able to do: `images`, `image_build`, `partition`, `memory_limit`, `users`, `tmpfs`, `read_only_mounts`, `host_ports`; or `software`: that what the components run is to be had | nothing |
///
/// Each row is a test of its own with a stable name: `hello_world::rabbitmq_redis`. With `setup = ..` there is one test, named as the
/// function. The function returns `()` or a `Result` whose error is `Debug`.
///
/// Where one of its needs is not met, a test is skipped: nothing is started, and the reason is written to standard error and to the
/// report. libtest has no such outcome and still prints `ok` for it. With `software` a test is skipped where the engine runs programs of
/// the machine and one of them is neither there nor in any package that the machine knows; a package that is known and cannot be fetched
/// is a failure.
///
/// `TESTCELERY_BROKERS` and `TESTCELERY_BACKENDS` (comma-separated names) narrow a run of the built tests. A row is left out if its broker or
/// backend is not named; a test with `setup = ..` is left out if the kind of one of its brokers or backends is not named. A test that is left
/// out is skipped with the reason, as above. A name that is none of testcelery's and that no row of the test program has is an error of each
/// test, which lists the known ones. An axis with nothing on it is a compile error.
#[proc_macro_attribute]
pub fn test(args: TokenStream, item: TokenStream) -> TokenStream {
    expand::expand(args.into(), item.into()).unwrap_or_else(syn::Error::into_compile_error).into()
}
