//! What it runs: modules and settings.

use testcelery_codegen::{PyModule, PyValue};

use crate::Worker;

impl Worker {
    /// Adds a module with tasks.
    #[must_use]
    pub fn tasks(mut self, module: PyModule) -> Self {
        self.answers.tasks.push(module);
        self
    }

    /// Adds a module with handlers of signals that Celery sends in the worker.
    #[must_use]
    pub fn signals(mut self, module: PyModule) -> Self {
        self.answers.signals.push(module);
        self
    }

    /// Adds a module to a group of any other name; see [`InitialContent::module`](testcelery_codegen::InitialContent::module).
    #[must_use]
    pub fn module(mut self, group: impl Into<String>, module: PyModule) -> Self {
        self.modules.push((group.into(), module));
        self
    }

    /// Sets one of Celery's settings by its lower-case name. Brokers and result backend are the setup's.
    #[must_use]
    pub fn config(mut self, key: impl Into<String>, value: impl Into<PyValue>) -> Self {
        self.config.push((key.into(), value.into()));
        self
    }
}
