//! The container around it.

use std::time::Duration;

use testcelery_api::{Mount, Port, Secret};

use crate::{Debugpy, SOURCE_FOLDER, Worker};

impl Worker {
    /// Adds an environment variable; a later one of the same name wins. Values are never shown. What `PYTHONPATH` is given comes behind
    /// the folders that the worker itself needs.
    #[must_use]
    pub fn env(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.answers.env.push((key.into(), Secret::new(value)));
        self
    }

    /// Runs as another user, as `1000` or `1000:1000`.
    #[must_use]
    pub fn user(mut self, user: impl Into<String>) -> Self {
        self.answers.user = Some(user.into());
        self
    }

    /// Adds a mount. A relative path of the host starts from the current folder, which is the package's own under `cargo test`.
    #[must_use]
    pub fn mount(mut self, mount: Mount) -> Self {
        self.answers.mounts.push(mount);
        self
    }

    /// Mounts the sources of a project at `/src`, which can only be read there and from which Python imports.
    #[must_use]
    pub fn source(self, path: impl Into<std::path::PathBuf>) -> Self {
        self.mount(Mount::bind(path, SOURCE_FOLDER).read_only())
    }

    /// Mounts the sources of a project at `/src`, as [`source`](Self::source) does, and lets the worker write to them. The files belong to
    /// whom they belong to on the host: the worker may need to be [that user](Self::user).
    #[must_use]
    pub fn source_writable(self, path: impl Into<std::path::PathBuf>) -> Self {
        self.mount(Mount::bind(path, SOURCE_FOLDER))
    }

    /// Offers a port to the test, on a free port of 127.0.0.1; see [`Container::endpoint`](testcelery_api::Container::endpoint).
    #[must_use]
    pub fn port(mut self, port: u16) -> Self {
        self.answers.ports.push(Port { container: port, host: None });
        self
    }

    /// Limits its memory, in bytes.
    #[must_use]
    pub fn memory_limit(mut self, bytes: u64) -> Self {
        self.answers.memory_limit = Some(bytes);
        self
    }

    /// Whether a small init process reaps its zombies; off by default.
    #[must_use]
    pub fn init(mut self, init: bool) -> Self {
        self.answers.init = init;
        self
    }

    /// Runs it under a debugger, whose port is told when it starts.
    #[must_use]
    pub fn debugpy(mut self, debugpy: Debugpy) -> Self {
        self.answers.debugpy = Some(debugpy);
        self
    }

    /// Stores results in the result backend of that name, where the setup has several; in the first by default.
    #[must_use]
    pub fn backend(mut self, name: impl Into<String>) -> Self {
        self.answers.backend = Some(name.into());
        self
    }

    /// Sets how long it may take to become ready; 60 s by default.
    #[must_use]
    pub fn ready_timeout(mut self, timeout: Duration) -> Self {
        self.answers.ready_timeout = timeout;
        self
    }
}
