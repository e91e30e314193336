//! What it runs: modules and settings.

use testcelery_codegen::{Config, PyModule, PyValue};

use crate::Worker;

impl Worker {
    /// Takes a module that builds a `Celery(..)` of its own in place of our `app.py`; see
    /// [`InitialContent::app`](testcelery_codegen::InitialContent::app).
    #[must_use]
    pub fn app(mut self, module: PyModule) -> Self {
        self.answers.app_module = Some(module);
        self
    }

    /// Takes a module in place of our `utils.py`; see [`InitialContent::utils`](testcelery_codegen::InitialContent::utils).
    #[must_use]
    pub fn utils(mut self, module: PyModule) -> Self {
        self.answers.utils_module = Some(module);
        self
    }

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
        self.answers.config = self.answers.config.set(key, value);
        self
    }

    /// Adds settings, which win over those of the setup.
    #[must_use]
    pub fn configure(mut self, config: Config) -> Self {
        self.answers.config = self.answers.config.merge(config);
        self
    }
}
