//! The arguments of a `kombu.Queue`, `kombu.Exchange` or `kombu.binding` in a setting.

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use testcelery_codegen::PyValue;

use crate::{Error, Result};

/// The modules that export Kombu's entities.
const MODULES: [&str; 2] = ["kombu", "kombu.entity"];

/// The arguments of one call. Each is taken once, and one that is left over at the end is an error: it might change the declaration.
#[derive(Debug)]
pub(crate) struct Arguments {
    setting: &'static str,
    what: String,
    by_place: Vec<PyValue>,
    by_name: BTreeMap<String, PyValue>,
}

impl Arguments {
    /// Reads a call of a class or function of Kombu.
    pub(crate) fn of_call(setting: &'static str, value: &PyValue, class: &str) -> Result<Self> {
        let mut found =
            Self { setting, what: class.to_owned(), by_place: Vec::new(), by_name: BTreeMap::new() };
        found.what = found.literal(value)?;
        match value {
            PyValue::Call { path, args, kwargs } if is_of_kombu(path, class) => {
                found.by_place.clone_from(args);
                found.by_name = kwargs.iter().cloned().collect();
                Ok(found)
            }
            _ => Err(found.error(&format!("it has to be a call of `kombu.{class}`"))),
        }
    }

    /// Reads a dict of arguments.
    pub(crate) fn of_dict(setting: &'static str, name: &str, value: &PyValue) -> Result<Self> {
        let mut found =
            Self { setting, what: name.to_owned(), by_place: Vec::new(), by_name: BTreeMap::new() };
        found.literal(value)?;
        if let PyValue::Dict(items) = value {
            for (key, value) in items {
                match key {
                    PyValue::Str(key) => drop(found.by_name.insert(key.clone(), value.clone())),
                    _ => return Err(found.error("the names of its arguments have to be texts")),
                }
            }
        }
        Ok(found)
    }

    /// The value as Python source, which also bounds its depth.
    fn literal(&self, value: &PyValue) -> Result<String> {
        value.to_literal().map_err(|problem| self.error(&problem.to_string()))
    }

    /// Gives the arguments by place their names.
    pub(crate) fn name_positional(&mut self, names: &[&str]) {
        let count = self.by_place.len().min(names.len());
        let named = self.by_place.drain(..count);
        self.by_name.extend(names.iter().map(|name| (*name).to_owned()).zip(named));
    }

    /// Takes an argument. `None` counts as unset.
    pub(crate) fn take(&mut self, name: &str) -> Option<PyValue> {
        self.by_name.remove(name).filter(|value| *value != PyValue::None)
    }

    /// Takes a text.
    pub(crate) fn text(&mut self, name: &str) -> Result<Option<String>> {
        match self.take(name) {
            None => Ok(None),
            Some(PyValue::Str(ref text)) => Ok(Some(text.clone())),
            Some(_) => Err(self.error(&format!("`{name}` has to be a text"))),
        }
    }

    /// Takes a boolean.
    pub(crate) fn flag(&mut self, name: &str) -> Result<Option<bool>> {
        match self.take(name) {
            None => Ok(None),
            Some(PyValue::Bool(flag)) => Ok(Some(flag)),
            Some(_) => Err(self.error(&format!("`{name}` has to be a boolean"))),
        }
    }

    /// Takes an integer, or a time in seconds as whole milliseconds.
    pub(crate) fn number(&mut self, name: &str, is_time: bool) -> Result<Option<Value>> {
        let factor = if is_time { 1000 } else { 1 };
        let number = match self.take(name) {
            None => return Ok(None),
            Some(PyValue::Int(number)) => number.checked_mul(factor).and_then(|it| i64::try_from(it).ok()),
            // Kombu's `int(seconds * 1000.0)`; whole numbers of 53 bits are exact.
            Some(PyValue::Float(seconds)) if is_time => {
                let milliseconds = (seconds * 1000.0).trunc();
                format!("{milliseconds:.0}").parse().ok()
            }
            Some(_) => None,
        };
        match number {
            Some(number) => Ok(Some(number.into())),
            None => Err(self.error(&format!("`{name}` has to be a number of 64 bits"))),
        }
    }

    /// Takes a dict. Unset is an empty one.
    pub(crate) fn dict(&mut self, name: &str) -> Result<Map<String, Value>> {
        match self.take(name).as_ref().map(json) {
            None => Ok(Map::new()),
            Some(Some(Value::Object(map))) => Ok(map),
            Some(_) => Err(self.error(&format!("`{name}` has to be a dict of plain values by their names"))),
        }
    }

    /// Drops arguments that do not change a declaration.
    pub(crate) fn ignore(&mut self, names: &[&str]) {
        self.by_name.retain(|name, _| !names.contains(&name.as_str()));
    }

    /// Checks that every argument was taken.
    pub(crate) fn finish(self) -> Result<()> {
        if !self.by_place.is_empty() {
            return Err(self.error("it has too many arguments by place"));
        }
        match self.by_name.iter().find(|(_, value)| **value != PyValue::None) {
            Some((name, _)) => Err(self.error(&format!("the app does not know its argument `{name}`"))),
            None => Ok(()),
        }
    }

    /// An error about these arguments.
    pub(crate) fn error(&self, problem: &str) -> Error {
        Error::Setup(format!(
            "the app cannot follow `{}` in the setting {}: {problem}; a single worker can have it by `Worker::config`",
            self.what, self.setting
        ))
    }
}

fn is_of_kombu(path: &str, class: &str) -> bool {
    path.rsplit_once('.').is_some_and(|(module, name)| name == class && MODULES.contains(&module))
}

/// The value as JSON; `None` if JSON has no word for it.
fn json(value: &PyValue) -> Option<Value> {
    Some(match value {
        PyValue::None => Value::Null,
        PyValue::Bool(flag) => (*flag).into(),
        PyValue::Int(number) => i64::try_from(*number).ok()?.into(),
        PyValue::Float(number) => serde_json::Number::from_f64(*number)?.into(),
        PyValue::Str(text) => text.as_str().into(),
        PyValue::List(items) | PyValue::Tuple(items) => {
            items.iter().map(json).collect::<Option<Vec<_>>>()?.into()
        }
        PyValue::Dict(items) => {
            let pair = |(key, value): &(PyValue, PyValue)| match key {
                PyValue::Str(key) => Some((key.clone(), json(value)?)),
                _ => None,
            };
            Value::Object(items.iter().map(pair).collect::<Option<_>>()?)
        }
        _ => return None,
    })
}
