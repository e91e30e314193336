//! One running thing of an engine.

use std::{fmt, time::Duration};

use async_trait::async_trait;

use crate::{ContainerSpec, Endpoint, Exec, ExecOutput, FileTree, Logs, Result, Signal};

/// A variable that every process of a container has: the container's identifier on its engine.
pub const CONTAINER_VARIABLE: &str = "TESTCELERY_CONTAINER";

/// How the main process of a container ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ExitStatus {
    /// It ended with a code. Docker reports a signal as 128 plus its number.
    Code(i64),
    /// It ran out of its memory limit and was killed.
    OutOfMemory,
    /// The engine no longer knows the container.
    Gone,
}

impl ExitStatus {
    /// Whether it ended with code 0.
    pub fn success(self) -> bool {
        self == Self::Code(0)
    }
}

impl fmt::Display for ExitStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "exited with code {code}"),
            Self::OutOfMemory => f.write_str("was killed: out of memory"),
            Self::Gone => f.write_str("is gone: another program removed it, or its engine does not answer"),
        }
    }
}

/// What a container is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ContainerState {
    /// It exists and has not been started.
    Created,
    /// It runs.
    Running,
    /// Its processes are frozen.
    Paused,
    /// It ended.
    Exited(ExitStatus),
}

/// One container of an engine. It is its own guard: dropping the last handle of a container that was not removed removes it.
///
/// Files are written between creation and start, so that nothing in the container ever runs without them.
///
/// Every call ends by itself, but for [`wait_exit`](Self::wait_exit): an engine gives up on what does not answer, and says so. The Docker
/// engine waits 2 minutes for each answer of its daemon and 5 minutes for a call with several of them, the local engine 20 s for processes
/// to die.
#[async_trait]
pub trait Container: Send + Sync + fmt::Debug {
    /// The engine's identifier.
    fn id(&self) -> &str;

    /// What it was made from; its name and host name are in there.
    fn spec(&self) -> &ContainerSpec;

    /// Its log, filled as long as it runs.
    fn logs(&self) -> &Logs;

    /// Where containers of the same network reach one of its ports, from its creation to its removal: by its name and that port, unless
    /// the engine says otherwise.
    fn network_address(&self, port: u16) -> (String, u16) {
        (self.spec().name.clone(), port)
    }

    /// Where one of its published ports is reached. Asked again after every start: an engine may choose another port.
    ///
    /// # Errors
    /// [`Error::NoEndpoint`](crate::Error::NoEndpoint) when the port is not published or the container does not run.
    fn endpoint(&self, port: u16) -> Result<Endpoint>;

    /// Starts it.
    ///
    /// # Errors
    /// When the engine cannot start it.
    async fn start(&self) -> Result<()>;

    /// Asks it to end with `SIGTERM`, and kills it after `grace`. Returns when it has ended; the engine's own limit begins after `grace`.
    ///
    /// # Errors
    /// When the engine refuses.
    async fn stop(&self, grace: Duration) -> Result<()>;

    /// Sends a signal to its main process. Returns when the signal is sent; see [`wait_exit`](Self::wait_exit).
    ///
    /// # Errors
    /// When the engine refuses, as for a container that does not run.
    async fn kill(&self, signal: &Signal) -> Result<()>;

    /// Stops and starts it. It keeps its files.
    ///
    /// # Errors
    /// As [`stop`](Self::stop) and [`start`](Self::start).
    async fn restart(&self, grace: Duration) -> Result<()> {
        let _restarting = self.logs().begin_restart();
        self.stop(grace).await?;
        self.start().await
    }

    /// Freezes all of its processes.
    ///
    /// # Errors
    /// When the engine refuses.
    async fn pause(&self) -> Result<()>;

    /// Lets its processes go on.
    ///
    /// # Errors
    /// When the engine refuses.
    async fn unpause(&self) -> Result<()>;

    /// Runs a command inside it to its end, with standard output and standard error apart. Takes [`Exec::timeout`] at most.
    ///
    /// # Errors
    /// When the command could not be run, or has not ended in time; a command that fails is an [`ExecOutput`] with its code.
    async fn exec(&self, exec: Exec) -> Result<ExecOutput>;

    /// Writes files into it, running or not.
    ///
    /// # Errors
    /// When the engine refuses.
    async fn upload(&self, files: &FileTree) -> Result<()>;

    /// Reads a file, or a folder with all that is in it. Paths in the result are absolute.
    ///
    /// # Errors
    /// When there is no such path.
    async fn download(&self, path: &str) -> Result<FileTree>;

    /// What it is doing now, asked from the engine.
    ///
    /// # Errors
    /// When the engine cannot say.
    async fn state(&self) -> Result<ContainerState>;

    /// Waits until it has ended and its whole log is there. Without a limit, for use beside something that has one; a test waits with
    /// [`Node::wait_exit_within`](crate::Node::wait_exit_within).
    async fn wait_exit(&self) -> ExitStatus {
        self.logs().wait_ended().await
    }

    /// Removes it with its anonymous volumes, running or not. Removing what is gone is no error.
    ///
    /// # Errors
    /// When the engine refuses.
    async fn remove(&self) -> Result<()>;
}
