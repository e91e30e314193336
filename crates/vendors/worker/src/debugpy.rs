//! A debugger for the worker's Python.

use std::time::Duration;

/// The port that it listens to in the container: debugpy's own default.
pub(crate) const PORT: u16 = 5678;

/// How long a worker that waits for its debugger may take to become ready: a day. Somebody has to see the port and start something.
pub(crate) const PATIENCE: Duration = Duration::from_secs(24 * 60 * 60);

/// What it is called, by pip too.
pub(crate) const NAME: &str = "debugpy";

/// A debugger that a client of the Debug Adapter Protocol, as an editor, attaches to. It is installed in our image; one of your own has to hold
/// `debugpy`.
///
/// The port on the host is a free one, so that any number of workers may have a debugger, and is told when the worker starts.
///
/// ```
/// use testcelery_worker::{Debugpy, Worker};
///
/// let worker = Worker::default().concurrency(1).debugpy(Debugpy::default().wait_for_client(true));
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Debugpy {
    wait_for_client: bool,
}

impl Debugpy {
    /// Whether the worker holds still until a client has attached; no by default. It has a day for that instead of its `ready_timeout`.
    #[must_use]
    pub fn wait_for_client(mut self, wait: bool) -> Self {
        self.wait_for_client = wait;
        self
    }

    /// How long the worker may take to become ready.
    pub(crate) fn ready_timeout(self, otherwise: Duration) -> Duration {
        if self.wait_for_client { otherwise.max(PATIENCE) } else { otherwise }
    }

    /// `python -m debugpy`, in front of the module that it runs.
    pub(crate) fn command(self) -> Vec<String> {
        let listen = format!("0.0.0.0:{PORT}");
        let mut command = vec!["-m", "debugpy", "--listen", &listen];
        command.extend(self.wait_for_client.then_some("--wait-for-client"));
        command.into_iter().map(str::to_owned).collect()
    }

    /// Variables: no warning of modules that Python has frozen, and another way of tracing where gevent has replaced threads.
    pub(crate) fn variables(self, pool: Option<&str>) -> Vec<(&'static str, String)> {
        let mut variables = vec![("PYDEVD_DISABLE_FILE_VALIDATION", "1".to_owned())];
        if pool == Some("gevent") {
            variables.push(("GEVENT_SUPPORT", "True".to_owned()));
        }
        variables
    }
}
