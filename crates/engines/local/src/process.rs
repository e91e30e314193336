//! The main process of a container, from its start to its end.

use std::{
    io::{self, Read},
    os::unix::process::{CommandExt, ExitStatusExt},
    path::PathBuf,
    process::{Child, Command, ExitStatus as ProcessStatus, Stdio},
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, waitid};
use testcelery_api::{ContainerState, ExitStatus, Logs, Stream, explain_limit, spawn_thread};

use crate::{leader::Leader, members, programs::is_program};

/// How long who kills a container waits for the end of its main process: longer than who follows it looks for the rest.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// How a program is to be started.
#[derive(Debug, Clone)]
pub(crate) struct Launch {
    pub(crate) command: Vec<String>,
    pub(crate) env: Vec<(String, String)>,
    pub(crate) folder: PathBuf,
}

impl Launch {
    /// Starts it, in a process group of its own so that Ctrl-C goes to the test alone.
    ///
    /// # Errors
    /// What is wrong, to who wrote the command.
    fn spawn(&self) -> io::Result<Child> {
        let Some((program, args)) = self.command.split_first() else {
            return Err(io::Error::other("the command is empty"));
        };
        // By its whole path: the standard library has a way to start that one which does not copy this process first.
        let mut command = Command::new(self.find(program)?);
        command.arg0(program).args(args).env_clear().envs(self.env.iter().map(|(key, value)| (key, value)));
        command.current_dir(&self.folder).process_group(0);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().map_err(|error| match error.kind() {
            io::ErrorKind::NotFound if !self.folder.is_dir() => io::Error::new(
                error.kind(),
                format!("the working folder {} is not there", self.folder.display()),
            ),
            kind => io::Error::new(kind, format!("`{program}`: {}", explain_limit(error))),
        })
    }

    /// Where a program is: on the `PATH` that it will have itself, unless it is named with a folder.
    fn find(&self, program: &str) -> io::Result<PathBuf> {
        if program.contains('/') {
            return Ok(PathBuf::from(program));
        }
        let path = self.env.iter().rev().find(|(key, _)| key == "PATH").map_or("", |(_, value)| value);
        let found =
            std::env::split_paths(path).map(|folder| folder.join(program)).find(|path| is_program(path));
        let missing = || format!("there is no program `{program}` in {path}");
        found.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, missing()))
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
    /// Told when all processes have ended.
    over: Condvar,
    /// Its removal has begun: nothing starts any more.
    is_leaving: AtomicBool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Created,
    Running {
        main: Leader,
        is_paused: bool,
    },
    /// It has ended, and the rest of the container is being killed.
    Ending {
        main: Leader,
    },
    /// All processes have ended, unless some did not obey. The log is not complete yet.
    Over {
        is_clean: bool,
    },
    Exited(ExitStatus),
}

impl Phase {
    /// The main process, as long as there are processes.
    fn main(self) -> Option<Leader> {
        match self {
            Self::Running { main, .. } | Self::Ending { main } => Some(main),
            Self::Created | Self::Over { .. } | Self::Exited(_) => None,
        }
    }
}

impl Main {
    pub(crate) fn new(id: String, logs: Logs, note: PathBuf) -> Self {
        Self {
            id,
            logs,
            note,
            phase: Mutex::new(Phase::Created),
            over: Condvar::new(),
            is_leaving: AtomicBool::new(false),
        }
    }

    fn phase(&self) -> MutexGuard<'_, Phase> {
        self.phase.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn state(&self) -> ContainerState {
        match *self.phase() {
            Phase::Created => ContainerState::Created,
            Phase::Running { is_paused: true, .. } => ContainerState::Paused,
            Phase::Running { .. } | Phase::Ending { .. } | Phase::Over { .. } => ContainerState::Running,
            Phase::Exited(status) => ContainerState::Exited(status),
        }
    }

    /// Starts it, and follows it on threads that end with it. Starting what runs is no error.
    pub(crate) fn start(self: &Arc<Self>, launch: &Launch) -> io::Result<()> {
        // Before the process: one that nobody follows would never be seen to end.
        let followers = self.followers()?;
        let mut phase = self.phase();
        if self.is_leaving.load(Ordering::SeqCst) {
            return Err(io::Error::other("it is being removed"));
        }
        match *phase {
            Phase::Running { is_paused: true, .. } => {
                return Err(io::Error::other("it is paused; unpause it instead"));
            }
            Phase::Running { .. } => return Ok(()),
            Phase::Ending { .. } | Phase::Over { .. } => {
                return Err(io::Error::other("it is just ending; wait for its end first"));
            }
            Phase::Exited(ExitStatus::Gone) => return Err(io::Error::other("it was removed")),
            Phase::Created | Phase::Exited(_) => {}
        }
        self.logs.begin_run();
        let child = match launch.spawn() {
            Ok(child) => child,
            Err(error) => {
                // As Docker has it: 127 for a program that is not there.
                *phase = Phase::Exited(ExitStatus::Code(127));
                self.logs.end_run(ExitStatus::Code(127));
                return Err(error);
            }
        };
        let main = Leader::of(&child);
        if let Err(error) = main.note(&self.note) {
            tracing::warn!(container = self.id, %error, "its process is not noted");
        }
        *phase = Phase::Running { main, is_paused: false };
        drop(phase);
        followers.follow(child, main);
        Ok(())
    }

    /// The threads that follow a run of the main process. They end at once if none begins.
    fn followers(self: &Arc<Self>) -> io::Result<Followers> {
        let (stdout, out) = pump(self.logs.clone(), Stream::Stdout)?;
        let (stderr, err) = pump(self.logs.clone(), Stream::Stderr)?;
        let (process, born) = mpsc::channel();
        let this = Arc::clone(self);
        spawn_thread("testcelery-main", move || {
            let Ok((child, main)) = born.recv() else { return };
            let status = this.reap(child, main);
            for pump in [out, err] {
                let _ = pump.join();
            }
            *this.phase() = Phase::Exited(status);
            this.logs.end_run(status);
        })?;
        Ok(Followers { stdout, stderr, process })
    }

    /// Waits for its end, and takes the rest of the container with it, as the kernel does where it is process 1.
    fn reap(&self, mut child: Child, main: Leader) -> ExitStatus {
        // First without taking it off the table of processes: until then its number is its own.
        if let Some(pid) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
            let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
            while waitid(WaitId::Pid(pid), options).is_err_and(|error| error == rustix::io::Errno::INTR) {}
        }
        *self.phase() = Phase::Ending { main };
        let killed = members::kill(&self.id, Some(main));
        if let Err(error) = &killed {
            tracing::warn!(container = self.id, %error, "processes of a container that has ended stay");
        }
        *self.phase() = Phase::Over { is_clean: killed.is_ok() };
        self.over.notify_all();
        child.wait().map_or(ExitStatus::Gone, |status| ExitStatus::Code(code(status)))
    }

    /// Does something to the process while it runs.
    fn with<T>(&self, act: impl FnOnce(Leader, &mut bool) -> io::Result<T>) -> io::Result<T> {
        match &mut *self.phase() {
            Phase::Running { main, is_paused } => act(*main, is_paused),
            Phase::Created => Err(io::Error::other("it has not been started")),
            Phase::Ending { .. } | Phase::Over { .. } => Err(io::Error::other("it has ended")),
            Phase::Exited(status) => Err(io::Error::other(format!("it {status}"))),
        }
    }

    /// Sends a signal to the main process alone.
    pub(crate) fn signal(&self, signal: Signal) -> io::Result<()> {
        self.with(|main, _| main.process.signal(signal))
    }

    pub(crate) fn pause(&self) -> io::Result<()> {
        self.with(|main, is_paused| {
            if *is_paused {
                return Err(io::Error::other("it is paused already"));
            }
            if let Err(error) = members::freeze(&self.id, Some(main)) {
                // All or none of it.
                members::thaw(&self.id, Some(main))?;
                return Err(error);
            }
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

    /// Lets it go on where it is paused.
    pub(crate) fn resume(&self) -> io::Result<()> {
        match self.state() {
            ContainerState::Paused => self.unpause(),
            _ => Ok(()),
        }
    }

    /// Starts a command beside it. Under the lock, so that whoever notes the end of the main process finds the command too.
    pub(crate) fn beside(&self, launch: &Launch) -> io::Result<Child> {
        self.with(|_, is_paused| {
            if *is_paused {
                return Err(io::Error::other("it is paused"));
            }
            launch.spawn()
        })
    }

    /// Whether it is about to be removed: a start that comes from now on comes too late.
    pub(crate) fn leave(&self, is_leaving: bool) {
        // Under the lock: a start that is under way is over by then, and what it has started is killed with the rest.
        let _phase = self.phase();
        self.is_leaving.store(is_leaving, Ordering::SeqCst);
    }

    /// It has ended and is about to be removed.
    pub(crate) fn retire(&self) {
        let mut phase = self.phase();
        if matches!(*phase, Phase::Created | Phase::Exited(_)) {
            *phase = Phase::Exited(ExitStatus::Gone);
        }
    }

    /// Kills everything of the container, and blocks until it is dead. Its end is told by the log.
    pub(crate) fn kill_all(&self) -> io::Result<()> {
        let phase = self.phase();
        // Everything of an earlier run went with its main process.
        let Some(main) = phase.main() else { return Ok(()) };
        // At once, and while its number is its own. Who follows the main process then looks for what is left.
        let struck = members::strike(main.process);
        let lives = |phase: &mut Phase| phase.main() == Some(main);
        let waited = self.over.wait_timeout_while(phase, PATIENCE, lives);
        let (phase, waited) = waited.unwrap_or_else(PoisonError::into_inner);
        let is_clean = *phase != Phase::Over { is_clean: false };
        drop(phase);
        if waited.timed_out() {
            let silent = || io::Error::other(format!("process {} does not obey", main.process.pid));
            return Err(struck.err().unwrap_or_else(silent));
        }
        if is_clean { Ok(()) } else { members::kill(&self.id, None) }
    }

    /// Whether there is an end to wait for.
    pub(crate) fn is_up(&self) -> bool {
        !matches!(*self.phase(), Phase::Created | Phase::Exited(_))
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

type Pipe = Box<dyn Read + Send>;

/// What the threads that follow a main process wait for.
struct Followers {
    stdout: mpsc::Sender<Pipe>,
    stderr: mpsc::Sender<Pipe>,
    process: mpsc::Sender<(Child, Leader)>,
}

impl Followers {
    fn follow(self, mut child: Child, main: Leader) {
        // Each has its receiver in a thread that waits for this.
        let _ = child.stdout.take().map(|pipe| self.stdout.send(Box::new(pipe)));
        let _ = child.stderr.take().map(|pipe| self.stderr.send(Box::new(pipe)));
        let _ = self.process.send((child, main));
    }
}

/// A thread that reads a pipe to its end, once it gets it.
fn pump(logs: Logs, stream: Stream) -> io::Result<(mpsc::Sender<Pipe>, thread::JoinHandle<()>)> {
    let (sender, opened) = mpsc::channel::<Pipe>();
    let thread = spawn_thread("testcelery-log", move || {
        let Ok(mut pipe) = opened.recv() else { return };
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
    })?;
    Ok((sender, thread))
}
