//! Values within values, without recursion: a value that a program builds may be of any depth.

use std::mem;

use super::PyValue;

/// The most brackets within each other that are rendered. Python 3.8 reads one hundred of them, later versions two hundred.
pub(crate) const MAX_DEPTH: usize = 64;

impl PyValue {
    /// Adds the values directly in this one.
    pub(crate) fn push_inner<'a>(&'a self, to: &mut Vec<&'a Self>) {
        match self {
            Self::List(items) | Self::Tuple(items) | Self::Set(items) => to.extend(items),
            Self::Dict(items) => to.extend(items.iter().flat_map(|(key, value)| [key, value])),
            Self::Call { args, kwargs, .. } => {
                to.extend(args);
                to.extend(kwargs.iter().map(|(_, value)| value));
            }
            _ => {}
        }
    }

    /// Fails for a value that is more than [`MAX_DEPTH`] brackets deep.
    pub(crate) fn check_depth(&self) -> Result<(), String> {
        let mut layer = vec![self];
        for _ in 0..=MAX_DEPTH {
            let mut inner = Vec::new();
            layer.into_iter().for_each(|value| value.push_inner(&mut inner));
            if inner.is_empty() {
                return Ok(());
            }
            layer = inner;
        }
        Err(format!(
            "more than {MAX_DEPTH} brackets within each other, which is more than every Python reads"
        ))
    }

    /// Takes out the values directly in this one.
    fn take_inner(&mut self) -> Vec<Self> {
        match self {
            Self::List(items) | Self::Tuple(items) | Self::Set(items) => mem::take(items),
            Self::Dict(items) => mem::take(items).into_iter().flat_map(|(key, value)| [key, value]).collect(),
            Self::Call { args, kwargs, .. } => {
                let mut inner = mem::take(args);
                inner.extend(mem::take(kwargs).into_iter().map(|(_, value)| value));
                inner
            }
            _ => Vec::new(),
        }
    }
}

/// Frees one value after the other: the drop that a compiler writes overflows the stack with some ten thousand of them within each other.
impl Drop for PyValue {
    fn drop(&mut self) {
        let mut todo = self.take_inner();
        while let Some(mut value) = todo.pop() {
            todo.append(&mut value.take_inner());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Config, InitialContent};

    const DEPTH: usize = 100_000;

    fn deep(wrap: impl Fn(PyValue) -> PyValue) -> PyValue {
        (0..DEPTH).fold(PyValue::from(1), |value, _| wrap(value))
    }

    fn every_kind() -> [PyValue; 6] {
        [
            deep(|value| PyValue::list([value])),
            deep(|value| PyValue::tuple([value])),
            deep(|value| PyValue::set([value])),
            deep(|value| PyValue::dict([(1, value)])),
            deep(|value| PyValue::dict([(value, 1)])),
            deep(|value| PyValue::call("kombu.Queue", [], [("name", value)])),
        ]
    }

    #[test]
    fn a_setting_of_any_depth_is_an_error_that_names_the_key() {
        for value in every_kind() {
            let config = Config::new().set("task_routes", value);
            let content = InitialContent::default().configure(config.clone());
            assert!(
                !format!("{content:?}").is_empty() && content == content.clone()
                    || content.generate().is_err()
            );
            assert_eq!(config.get("task_routes"), None);
            assert_eq!(
                content.generate().unwrap_err().to_string(),
                "setting `task_routes`: more than 64 brackets within each other, which is more than every Python reads"
            );
        }
        let config = Config::new().custom("MINE", deep(|value| PyValue::list([value])));
        let error = InitialContent::default().configure(config).generate().unwrap_err().to_string();
        assert!(error.starts_with("setting `MINE`: more than 64 brackets"), "{error}");
    }

    #[test]
    fn a_value_of_any_depth_is_looked_at_and_freed() {
        for value in every_kind() {
            assert!(value.to_literal().unwrap_err().to_string().contains("more than 64 brackets"));
            assert!(value.imports().len() < 2);
            let copy = value.clone();
            assert!(copy == value && copy != PyValue::list([copy.clone()]));
            assert!(format!("{value:?}").len() > DEPTH);
        }
    }
}
