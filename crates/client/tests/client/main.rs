//! The client against a broker and a result backend in memory.
#![expect(clippy::unwrap_used, reason = "a test fails by it")]

mod bounds;
mod call;
mod connect;
mod control;
mod fake;
mod signals;
