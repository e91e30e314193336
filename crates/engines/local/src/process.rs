//! The main process of a container, from its start to its end.

use std::{
    io::{self, Read},
    os::unix::process::{CommandExt, ExitStatusExt},
    path::PathBuf,
    process::{Child, Command, ExitStatus as ProcessStatus, Stdio},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, waitid};
use testcelery_api::{ContainerState, ExitStatus, Logs, Stream};

use crate::{identity::Process, members};

/// How a program is to be started.
#[derive(Debug, Clone)]
pub(crate) struct Launch {
    pub(crate) command: Vec<String>,
    pub(crate) env: Vec<(String, String)>,
    pub(crate) folder: PathBuf,
}

impl Launch {
    /// The command, in a process group of its own so that Ctrl-C goes to the test alone.
    pub(crate) fn command(&self) -> io::Result<Command> {
        let Some((program, args)) = self.command.split_first() else {
            return Err(io::Error::other("the command is empty"));
        };
        let mut command = Command::new(program);
        command.args(args).env_clear().envs(self.env.iter().map(|(key, value)| (key, value)));
        command.current_dir(&self.folder).process_group(0);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Ok(command)
    }

    /// What a failed start means to who wrote the command.
    pub(crate) fn explain(&self, error: &io::Error) -> io::Error {
        let program = self.command.first().map_or("", String::as_str);
        if error.kind() == io::ErrorKind::NotFound && !self.folder.is_dir() {
            return io::Error::new(
                error.kind(),
                format!("the working folder {} is not there", self.folder.display()),
            );
        }
        if error.kind() == io::ErrorKind::NotFound {
            let path = self.env.iter().rev().find(|(key, _)| key == "PATH").map_or("", |(_, value)| value);
            return io::Error::new(error.kind(), format!("there is no program `{program}` in {path}"));
        }
        io::Error::new(error.kind(), format!("`{program}`: {error}"))
    }
}

/// What a container's main process is doing. Signals are sent and its end is noted under one lock, so that none reaches a process that
/// came by its number later.
#[derive(Debug)]
pub(crate) struct Main {
    id: String,
    logs: Logs,
    /// Where its process is noted, for those who come after us.
    note: PathBuf,
    phase: Mutex<Phase>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Created,
    Running {
        main: Process,
        is_paused: bool,
    },
    /// It has ended, and its log is not complete yet.
    Ending {
        main: Process,
    },
    Exited(ExitStatus),
}

impl Main {
    pub(crate) fn new(id: String, logs: Logs, note: PathBuf) -> Self {
        Self { id, logs, note, phase: Mutex::new(Phase::Created) }
    }

    fn phase(&self) -> MutexGuard<'_, Phase> {
        self.phase.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn state(&self) -> ContainerState {
        match *self.phase() {
            Phase::Created => ContainerState::Created,
            Phase::Running { is_paused: true, .. } => ContainerState::Paused,
            Phase::Running { .. } | Phase::Ending { .. } => ContainerState::Running,
            Phase::Exited(status) => ContainerState::Exited(status),
        }
    }

    /// Starts it, and follows it on threads that end with it. Starting what runs is no error.
    pub(crate) fn start(self: &Arc<Self>, launch: &Launch) -> io::Result<()> {
        let mut phase = self.phase();
        match *phase {
            Phase::Running { is_paused: true, .. } => {
                return Err(io::Error::other("it is paused; unpause it instead"));
            }
            Phase::Running { .. } => return Ok(()),
            Phase::Ending { .. } => {
                return Err(io::Error::other("it is just ending; wait for its end first"));
            }
            Phase::Exited(ExitStatus::Gone) => return Err(io::Error::other("it was removed")),
            Phase::Created | Phase::Exited(_) => {}
        }
        let mut command = launch.command()?;
        self.logs.begin_run();
        let mut child = match command.spawn() {
            Ok(child) => child,
            Err(error) => {
                // As Docker has it: 127 for a program that is not there.
                *phase = Phase::Exited(ExitStatus::Code(127));
                self.logs.end_run(ExitStatus::Code(127));
                return Err(launch.explain(&error));
            }
        };
        let main = Process::of(child.id());
        if let Err(error) = main.note(&self.note) {
            tracing::warn!(container = self.id, %error, "its process is not noted");
        }
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        *phase = Phase::Running { main, is_paused: false };
        drop(phase);
        let pumps = [
            stdout.map(|pipe| pump(pipe, self.logs.clone(), Stream::Stdout)),
            stderr.map(|pipe| pump(pipe, self.logs.clone(), Stream::Stderr)),
        ];
        let this = Arc::clone(self);
        thread::spawn(move || {
            let status = this.reap(child, main);
            for pump in pumps.into_iter().flatten() {
                let _ = pump.join();
            }
            let mut phase = this.phase();
            *phase = Phase::Exited(status);
            drop(phase);
            this.logs.end_run(status);
        });
        Ok(())
    }

    /// Waits for its end, and takes the rest of the container with it, as the kernel does where it is process 1.
    fn reap(&self, mut child: Child, main: Process) -> ExitStatus {
        // First without taking it off the table of processes: until then its number is its own.
        if let Some(pid) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
            let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
            while waitid(WaitId::Pid(pid), options).is_err_and(|error| error == rustix::io::Errno::INTR) {}
        }
        *self.phase() = Phase::Ending { main };
        if let Err(error) = members::kill(&self.id, Some(main)) {
            tracing::warn!(container = self.id, %error, "processes of a container that has ended stay");
        }
        child.wait().map_or(ExitStatus::Gone, |status| ExitStatus::Code(code(status)))
    }

    /// Does something to the process while it runs.
    fn with<T>(&self, act: impl FnOnce(Process, &mut bool) -> io::Result<T>) -> io::Result<T> {
        match &mut *self.phase() {
            Phase::Running { main, is_paused } => act(*main, is_paused),
            Phase::Created => Err(io::Error::other("it has not been started")),
            Phase::Ending { .. } => Err(io::Error::other("it has ended")),
            Phase::Exited(status) => Err(io::Error::other(format!("it {status}"))),
        }
    }

    /// Sends a signal to the main process alone.
    pub(crate) fn signal(&self, signal: Signal) -> io::Result<()> {
        self.with(|main, _| main.signal(signal))
    }

    pub(crate) fn pause(&self) -> io::Result<()> {
        self.with(|main, is_paused| {
            if *is_paused {
                return Err(io::Error::other("it is paused already"));
            }
            members::freeze(&self.id, Some(main))?;
            *is_paused = true;
            Ok(())
        })
    }

    pub(crate) fn unpause(&self) -> io::Result<()> {
        self.with(|main, is_paused| {
            if !*is_paused {
                return Err(io::Error::other("it is not paused"));
            }
            *is_paused = false;
            members::thaw(&self.id, Some(main))
        })
    }

    /// Starts a command beside it. Under the lock, so that whoever notes the end of the main process finds the command too.
    pub(crate) fn beside(&self, launch: &Launch) -> io::Result<Child> {
        self.with(|_, is_paused| {
            if *is_paused {
                return Err(io::Error::other("it is paused"));
            }
            launch.command()?.spawn().map_err(|error| launch.explain(&error))
        })
    }

    /// It is about to be removed: a start that is still under way comes too late.
    pub(crate) fn retire(&self) {
        let mut phase = self.phase();
        if matches!(*phase, Phase::Created | Phase::Exited(_)) {
            *phase = Phase::Exited(ExitStatus::Gone);
        }
    }

    /// Kills everything of the container. Its end is told by the log.
    pub(crate) fn kill_all(&self) -> io::Result<()> {
        let main = match *self.phase() {
            Phase::Running { main, .. } | Phase::Ending { main } => main,
            // Everything of an earlier run went with its main process.
            Phase::Created | Phase::Exited(_) => return Ok(()),
        };
        // All at once, while the main process still tells which group is its own.
        members::kill(&self.id, Some(main))
    }

    /// Whether there is an end to wait for.
    pub(crate) fn is_up(&self) -> bool {
        matches!(*self.phase(), Phase::Running { .. } | Phase::Ending { .. })
    }

    /// It was removed.
    pub(crate) fn gone(&self) {
        *self.phase() = Phase::Exited(ExitStatus::Gone);
        self.logs.end_run(ExitStatus::Gone);
    }
}

/// The exit code, or 128 and the signal's number: what shells and Docker say.
pub(crate) fn code(status: ProcessStatus) -> i64 {
    let signal = || status.signal().map(|signal| 128 + signal);
    status.code().or_else(signal).map_or(-1, i64::from)
}

fn pump(mut pipe: impl Read + Send + 'static, logs: Logs, stream: Stream) -> thread::JoinHandle<()> {
    thread::spawn(move || {
        let mut buffer = vec![0; 16 * 1024];
        loop {
            match pipe.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => logs.push(stream, &buffer[..count]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    tracing::warn!(container = logs.container(), %error, "its log cannot be followed any more");
                    break;
                }
            }
        }
    })
}
