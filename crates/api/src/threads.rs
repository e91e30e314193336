//! Threads on systems that limit them: an error instead of a panic, or of a wait for a thread that never starts.
//!
//! The standard library and Tokio panic when the system refuses a thread. Tokio may also queue the work for a thread that never becomes free.

use std::{
    io,
    sync::{Arc, Condvar, Mutex, PoisonError},
    thread::{self, JoinHandle},
};

use tokio::sync::oneshot;

/// Starts a thread.
///
/// # Errors
/// When the system refuses it: with the limit and what to do.
pub fn spawn_thread<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> io::Result<JoinHandle<T>> {
    thread::Builder::new().name(name.to_owned()).spawn(work).map_err(explain_limit)
}

/// Runs something that blocks on a thread of its own, to its end, whether or not the caller still waits for it.
///
/// # Errors
/// When the system refuses the thread, or `work` panics.
pub async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> io::Result<T> {
    let (done, result) = oneshot::channel();
    spawn_thread("testcelery-work", move || drop(done.send(work())))?;
    result.await.map_err(|_| io::Error::other("the work ended in a panic"))
}

/// Checks that the system has room for a number of threads, before a runtime is made that panics without them.
///
/// # Errors
/// When it has not: with the limit and what to do.
pub fn require_threads(count: usize) -> io::Result<()> {
    let over = Arc::new((Mutex::new(false), Condvar::new()));
    let end = || {
        let over = Arc::clone(&over);
        move || {
            let (is_over, changed) = &*over;
            let is_over = is_over.lock().unwrap_or_else(PoisonError::into_inner);
            drop(changed.wait_while(is_over, |is_over| !*is_over));
        }
    };
    // All of them at a time.
    let mut made = Vec::new();
    let mut refused = None;
    for _ in 0..count {
        match spawn_thread("testcelery-probe", end()) {
            Ok(thread) => made.push(thread),
            Err(error) => {
                refused = Some(error);
                break;
            }
        }
    }
    *over.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
    over.1.notify_all();
    for thread in made {
        let _ = thread.join();
    }
    refused.map_or(Ok(()), Err)
}

/// Adds the limit and what to do to the error of a thread or process that the system refuses. Other errors stay as they are.
pub fn explain_limit(error: io::Error) -> io::Error {
    if error.kind() != io::ErrorKind::WouldBlock {
        return error;
    }
    let text = format!(
        "the system refuses another thread or process ({error}): {} reached; raise it, or run fewer tests at a time",
        limit()
    );
    io::Error::new(error.kind(), text)
}

#[cfg(unix)]
fn limit() -> String {
    use rustix::process::{Resource, getrlimit};

    match getrlimit(Resource::Nproc).current {
        Some(limit) => format!("the limit of this user (`ulimit -u`, {limit}) or of the container (pids) is"),
        None => "the limit of the container (pids) or of the system is".to_owned(),
    }
}

#[cfg(not(unix))]
fn limit() -> &'static str {
    "a limit of the system is"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn work_is_done_elsewhere() {
        let here = thread::current().id();
        assert_ne!(blocking(|| thread::current().id()).await.unwrap(), here);
        let text = blocking(|| panic!("as told")).await.unwrap_err().to_string();
        assert!(text.contains("panic"), "{text}");
        require_threads(3).unwrap();
    }

    #[test]
    fn the_limit_is_explained() {
        let text = explain_limit(io::ErrorKind::WouldBlock.into()).to_string();
        assert!(text.contains("refuses another thread or process") && text.contains("raise it"), "{text}");
        assert_eq!(explain_limit(io::ErrorKind::NotFound.into()).kind(), io::ErrorKind::NotFound);
    }
}
