//! A thread whose stack holds the recursion over a syntax tree as deep as [`nesting`](crate::nesting) lets through.

use std::{io, panic, thread};

/// Size of the stack in bytes. Only what is used of it takes memory.
pub(crate) const SIZE: usize = 64 << 20;

/// Runs `work` on a thread of its own and returns its value. A panic in it goes on in the caller.
///
/// # Errors
/// When the thread cannot be started.
pub(crate) fn run<T: Send>(work: impl FnOnce() -> T + Send) -> io::Result<T> {
    thread::scope(|scope| {
        let thread = thread::Builder::new().name("python-parser".to_owned()).stack_size(SIZE);
        let thread = thread.spawn_scoped(scope, work)?;
        Ok(thread.join().unwrap_or_else(|panic| panic::resume_unwind(panic)))
    })
}
