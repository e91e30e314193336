//! The runtime on which the connections of the client live.
//!
//! A connection belongs to its app. The tokio runtime of the caller may end before the app does, for example when two `#[tokio::test]`
//! functions share one app. Transports and result stores therefore open their connections, and spawn the tasks that serve them, on one
//! background runtime of the process. It has one thread, which starts with the first connection and never ends.

use std::{
    future::Future,
    io,
    sync::{Mutex, PoisonError},
    thread,
};

use tokio::{
    runtime::{Builder, Handle},
    task::JoinHandle,
};

/// The name of the thread.
const THREAD: &str = "celery-client";

/// The runtime, once it was needed. A failure to start it is not kept: the next call tries again.
static RUNTIME: Mutex<Option<Handle>> = Mutex::new(None);

/// Spawns a task on the client's runtime and returns its handle. The task goes on when the handle is dropped, and when the runtime of the
/// caller ends.
///
/// # Errors
/// When the thread of the runtime cannot be started.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let name = testcelery_client::runtime::spawn(async { std::thread::current().name().map(str::to_owned) })?;
/// assert_eq!(name.await?.as_deref(), Some("celery-client"));
/// # Ok(()) }
/// ```
pub fn spawn<F>(future: F) -> io::Result<JoinHandle<F::Output>>
where
    F: Future<Output: Send> + Send + 'static,
{
    Ok(handle()?.spawn(future))
}

/// Runs a future on the client's runtime and returns its output. Sockets and timers that it makes stay usable when the runtime of the
/// caller has ended. If the caller gives up, the future is cancelled.
///
/// # Errors
/// When the thread of the runtime cannot be started, or the future panics.
pub async fn run<F>(future: F) -> io::Result<F::Output>
where
    F: Future<Output: Send> + Send + 'static,
{
    let mut task = AbortOnDrop(spawn(future)?);
    (&mut task.0).await.map_err(io::Error::other)
}

/// A task that ends when this is dropped.
#[derive(Debug)]
pub struct AbortOnDrop<T = ()>(pub JoinHandle<T>);

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn handle() -> io::Result<Handle> {
    let mut runtime = RUNTIME.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(handle) = &*runtime {
        return Ok(handle.clone());
    }
    Ok(runtime.insert(start().map_err(|error| explained(&error))?).clone())
}

/// Starts the thread. A runtime of tokio's with worker threads of its own would panic where a thread cannot be made.
fn start() -> io::Result<Handle> {
    let runtime = Builder::new_current_thread().enable_all().thread_name(THREAD).build()?;
    let handle = runtime.handle().clone();
    thread::Builder::new().name(THREAD.to_owned()).spawn(move || {
        runtime.block_on(std::future::pending::<()>());
    })?;
    Ok(handle)
}

fn explained(error: &io::Error) -> io::Error {
    let text =
        format!("the thread of the client's connections could not be started: {error}; raise the limit");
    io::Error::new(
        error.kind(),
        format!("{text} of threads and open files of this user (`ulimit -u`, `ulimit -n`)"),
    )
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::{TcpListener, TcpStream},
    };

    use super::*;

    fn block_on<T>(future: impl Future<Output = T>) -> T {
        Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
    }

    #[test]
    fn a_socket_and_a_task_outlive_the_runtime_that_asked_for_them() {
        let (port, mut socket) = block_on(async {
            let listener = run(TcpListener::bind("127.0.0.1:0")).await.unwrap().unwrap();
            let port = listener.local_addr().unwrap().port();
            spawn(async move {
                let (mut peer, _) = listener.accept().await.unwrap();
                let mut byte = [0];
                while peer.read_exact(&mut byte).await.is_ok() {
                    peer.write_all(&byte).await.unwrap();
                }
            })
            .unwrap();
            (port, run(TcpStream::connect(("127.0.0.1", port))).await.unwrap().unwrap())
        });
        for byte in [1, 2] {
            let answer = block_on(async {
                socket.write_all(&[byte]).await.unwrap();
                socket.read_u8().await.unwrap()
            });
            assert_eq!(answer, byte, "through port {port}");
        }
    }

    #[tokio::test]
    async fn a_caller_that_gives_up_ends_what_it_ran() {
        struct Ended(Option<tokio::sync::oneshot::Sender<()>>);
        impl Drop for Ended {
            fn drop(&mut self) {
                let _ = self.0.take().unwrap().send(());
            }
        }
        let (ended, seen) = tokio::sync::oneshot::channel();
        let ended = Ended(Some(ended));
        let running = run(async move {
            let _ended = ended;
            std::future::pending::<()>().await;
        });
        assert!(tokio::time::timeout(std::time::Duration::from_millis(10), running).await.is_err());
        seen.await.unwrap();
    }
}
