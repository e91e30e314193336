//! Celery's settings.

use std::collections::{BTreeMap, BTreeSet};

use crate::{Error, PyValue};

/// Settings that come from the environment of the worker. Celery lets the environment win, so a value here would be a lie.
const FROM_ENVIRONMENT: &[(&str, &str)] =
    &[("broker_url", "the brokers of the setup"), ("result_backend", "the result backend of the setup")];

/// Settings of a Celery app, by the names that Celery gives them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Config {
    entries: BTreeMap<String, PyValue>,
}

impl Config {
    /// Sets one of Celery's settings by its lower-case name; a later value for a key replaces the earlier one.
    #[must_use]
    pub fn set(mut self, key: impl Into<String>, value: impl Into<PyValue>) -> Self {
        self.entries.insert(key.into(), value.into());
        self
    }

    /// Adds all settings of another one, whose values win.
    #[must_use]
    pub fn merge(mut self, other: Self) -> Self {
        self.entries.extend(other.entries);
        self
    }

    /// Checks all keys and renders all values.
    pub(crate) fn render(&self) -> Result<Rendered, Error> {
        let mut rendered = Rendered::default();
        for (key, value) in &self.entries {
            check_key(key)?;
            rendered.entries.push((key.clone(), value.render(key)?));
        }
        Ok(rendered)
    }
}

/// Settings as Python source.
#[derive(Debug, Default)]
pub(crate) struct Rendered {
    /// The modules that the values need, by their full names.
    pub(crate) imports: BTreeSet<String>,
    /// Keys with their values, by key.
    pub(crate) entries: Vec<(String, String)>,
}

fn check_key(key: &str) -> Result<(), Error> {
    let refuse = |problem: String| Err(Error::Setting { key: key.to_owned(), problem });
    let lower = |c: char| c == '_' || c.is_ascii_lowercase() || c.is_ascii_digit();
    if !key.starts_with(|c: char| c.is_ascii_lowercase()) || !key.chars().all(lower) {
        return refuse("no name of a Celery setting; they are lower-case, as `task_acks_late`".to_owned());
    }
    match FROM_ENVIRONMENT.iter().find(|(name, _)| *name == key) {
        Some((_, source)) => refuse(format!("its value comes from {source}")),
        None => Ok(()),
    }
}
