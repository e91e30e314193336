//! Commands that run inside a running container.

use std::{string::FromUtf8Error, time::Duration};

/// The time that a command may take, unless it says otherwise: 5 minutes.
pub const DEFAULT_EXEC_TIMEOUT: Duration = Duration::from_secs(300);

/// A command to run inside a container.
///
/// ```
/// use testcelery_api::Exec;
///
/// let exec = Exec::new(["python", "-V"]).env("PYTHONHASHSEED", "0").user("root");
/// assert_eq!(exec.command, ["python", "-V"]);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Exec {
    /// The program and its arguments; no shell is involved.
    pub command: Vec<String>,
    /// Variables added to the container's own environment.
    pub env: Vec<(String, String)>,
    /// The user to run as; `None` is the container's own user.
    pub user: Option<String>,
    /// The folder to run in; `None` is the container's own working folder.
    pub working_dir: Option<String>,
    /// The time that it may take. Default: [`DEFAULT_EXEC_TIMEOUT`].
    pub timeout: Duration,
}

impl Exec {
    /// A command from its words.
    pub fn new<S: Into<String>>(command: impl IntoIterator<Item = S>) -> Self {
        Self {
            command: command.into_iter().map(Into::into).collect(),
            env: Vec::new(),
            user: None,
            working_dir: None,
            timeout: DEFAULT_EXEC_TIMEOUT,
        }
    }

    /// Adds an environment variable.
    #[must_use]
    pub fn env(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.env.push((key.into(), value.into()));
        self
    }

    /// Runs as another user.
    #[must_use]
    pub fn user(mut self, user: impl Into<String>) -> Self {
        self.user = Some(user.into());
        self
    }

    /// Sets the time that it may take; a command that runs longer is an error. The local engine kills it then; Docker has no way to end
    /// it, so that it runs on inside the container.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Runs in another folder.
    #[must_use]
    pub fn working_dir(mut self, dir: impl Into<String>) -> Self {
        self.working_dir = Some(dir.into());
        self
    }
}

/// What a command inside a container did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExecOutput {
    /// The exit code.
    pub code: i64,
    /// All that it wrote to standard output.
    pub stdout: Vec<u8>,
    /// All that it wrote to standard error.
    pub stderr: Vec<u8>,
}

impl ExecOutput {
    /// Whether the exit code is 0.
    pub fn success(&self) -> bool {
        self.code == 0
    }

    /// Standard output as text.
    ///
    /// # Errors
    /// When it is not UTF-8.
    pub fn stdout_text(&self) -> Result<String, FromUtf8Error> {
        String::from_utf8(self.stdout.clone())
    }

    /// Standard error as text, with what is not UTF-8 replaced: it is for people.
    pub fn stderr_text(&self) -> String {
        String::from_utf8_lossy(&self.stderr).into_owned()
    }
}
