//! The watch: handlers and a thread that reacts, for as long as somebody needs them.

use std::{
    io::{self, PipeReader, PipeWriter, Read, Write},
    os::fd::AsRawFd,
    sync::{Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
};

use crate::{
    Interrupt,
    disposition::Disposition,
    unix::{self, ARRIVED, SIGNALS, end, first},
};

/// What the last watch writes to the pipe.
const DONE: u8 = 0;

/// Reacts to `SIGINT` and `SIGTERM` until it is dropped. Several may live at the same time.
#[derive(Debug)]
#[must_use = "the handlers go when it is dropped"]
pub struct Watch(());

/// What the watches of this process share.
struct Shared {
    watches: usize,
    /// Kept for the life of the process: see `PIPE` of the handler.
    pipe: Option<(PipeReader, PipeWriter)>,
    running: Option<Running>,
}

struct Running {
    before: [Disposition; SIGNALS.len()],
    thread: JoinHandle<()>,
}

static SHARED: Mutex<Shared> = Mutex::new(Shared { watches: 0, pipe: None, running: None });

impl Watch {
    /// Begins to react. At the first signal a thread calls `react`, and ends the process by that signal when it returns. The function of
    /// the watch that began first counts.
    ///
    /// # Errors
    /// When there is no thread or no pipe to be had.
    pub fn begin(react: fn(Interrupt)) -> io::Result<Self> {
        let mut shared = lock();
        if shared.running.is_none() {
            shared.running = Some(run(&mut shared.pipe, react)?);
        }
        shared.watches += 1;
        Ok(Self(()))
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let mut shared = lock();
        shared.watches -= 1;
        if shared.watches > 0 || first().is_some() {
            return;
        }
        let Some(Running { before, thread }) = shared.running.take() else { return };
        unix::uninstall(&before);
        if first().is_some() {
            // It arrived in this moment: the thread ends the process.
            shared.running = Some(Running { before, thread });
            return;
        }
        let told = shared.pipe.as_ref().map(|(_, pipe)| (&*pipe).write_all(&[DONE]));
        if let Some(Ok(())) = told {
            // It returns at once, and panics nowhere.
            let _ = thread.join();
        }
    }
}

fn run(pipe: &mut Option<(PipeReader, PipeWriter)>, react: fn(Interrupt)) -> io::Result<Running> {
    let (reader, writer) = match pipe {
        Some(pipe) => &*pipe,
        None => &*pipe.insert(io::pipe()?),
    };
    let mut reader = reader.try_clone()?;
    let thread = thread::Builder::new().name("testcelery-signals".to_owned()).spawn(move || {
        let mut byte = [DONE];
        let arrived = reader.read_exact(&mut byte).is_ok() && byte == [ARRIVED];
        if let Some(interrupt) = first().filter(|_| arrived) {
            // A panic must not keep the process from its end.
            let _ = std::panic::catch_unwind(|| react(interrupt));
            end(interrupt);
        }
    })?;
    match unix::install(writer.as_raw_fd()) {
        Ok(before) => Ok(Running { before, thread }),
        Err(error) => {
            (&*writer).write_all(&[DONE])?;
            Err(error)
        }
    }
}

fn lock() -> MutexGuard<'static, Shared> {
    SHARED.lock().unwrap_or_else(PoisonError::into_inner)
}
