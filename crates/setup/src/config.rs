//! The configuration of the app, on both of its sides.

use std::time::Duration;

use testcelery_client::DEFAULT_QUEUE;
use testcelery_codegen::{Config, PyValue};

use crate::{Error, Result};

/// The setting that names the queue of a call that names none.
const TASK_DEFAULT_QUEUE: &str = "task_default_queue";

/// The setting that names the exchanges of remote control.
const CONTROL_EXCHANGE: &str = "control_exchange";

/// The configuration of a setup's app, before anybody uses it: what [`SetupBuilder::update_app_config`](crate::SetupBuilder::update_app_config)
/// may change.
///
/// ```
/// use std::time::Duration;
///
/// use testcelery::{Config, prelude::*};
///
/// let builder = Setup::builder().broker(Redis::default()).update_app_config(|config| {
///     config.set("task_default_queue", "orders");
///     config.merge(Config::new().task_time_limit(Duration::from_secs(30)));
///     config.result_timeout = Duration::from_secs(10);
/// });
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct AppConfig {
    /// The name of the app, for workers and the test; `celery_test_app` unless the builder says otherwise.
    pub name: String,
    /// Celery's settings. Every worker of ours gets them, and a setting of its own wins over these. The app on the test's side follows
    /// those that describe task queues: `task_queues`, `task_default_queue`, `task_default_queue_type`, `task_default_exchange`,
    /// `task_default_exchange_type`, `task_default_routing_key`, `task_queue_max_priority`, `task_create_missing_queues`,
    /// `task_create_missing_queue_type` and `task_create_missing_queue_exchange_type`. So it declares a queue as the workers do. It also
    /// follows `control_exchange`.
    pub settings: Config,
    /// How long `get()` waits for a result; 60 s by default.
    pub result_timeout: Duration,
    pub(crate) broker_urls: Vec<String>,
    pub(crate) backend_url: Option<String>,
}

impl AppConfig {
    /// Sets one of Celery's settings; see [`Config::set`].
    pub fn set(&mut self, key: impl Into<String>, value: impl Into<PyValue>) {
        self.settings = std::mem::take(&mut self.settings).set(key, value);
    }

    /// Adds settings, which win over those that are there.
    pub fn merge(&mut self, settings: Config) {
        self.settings = std::mem::take(&mut self.settings).merge(settings);
    }

    /// The URLs by which workers reach the brokers, without passwords.
    pub fn broker_urls(&self) -> &[String] {
        &self.broker_urls
    }

    /// The URL by which workers reach the result backend, without its password; `rpc://` where results come through the broker, `None` where
    /// there are none.
    pub fn backend_url(&self) -> Option<&str> {
        self.backend_url.as_deref()
    }

    /// The queue of a call that names none.
    pub(crate) fn default_queue(&self) -> Result<&str> {
        Ok(self.name_of(TASK_DEFAULT_QUEUE, "a queue")?.unwrap_or(DEFAULT_QUEUE))
    }

    /// What the exchanges of remote control begin with, where it is set.
    pub(crate) fn control_exchange(&self) -> Result<Option<&str>> {
        self.name_of(CONTROL_EXCHANGE, "an exchange")
    }

    fn name_of(&self, setting: &str, what: &str) -> Result<Option<&str>> {
        match self.settings.get(setting) {
            None => Ok(None),
            Some(PyValue::Str(name)) if !name.is_empty() => Ok(Some(name)),
            Some(other) => Err(Error::Setup(format!(
                "the setting {setting} is {other:?}; it has to be the name of {what}"
            ))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> AppConfig {
        AppConfig {
            name: "app".to_owned(),
            settings: Config::new(),
            result_timeout: Duration::from_secs(60),
            broker_urls: Vec::new(),
            backend_url: None,
        }
    }

    #[test]
    fn the_default_queue_is_celerys_unless_it_is_set() {
        let mut config = config();
        assert_eq!(config.default_queue().unwrap(), "celery");
        config.set(TASK_DEFAULT_QUEUE, "orders");
        assert_eq!(config.default_queue().unwrap(), "orders");
        config.merge(Config::new().set(TASK_DEFAULT_QUEUE, 7));
        let error = config.default_queue().unwrap_err().to_string();
        assert!(error.contains("task_default_queue is Int(7)"), "{error}");
        config.set(TASK_DEFAULT_QUEUE, "");
        assert!(config.default_queue().is_err());
    }
}
