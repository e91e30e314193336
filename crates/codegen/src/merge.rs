//! The files of all modules in one place, without one hiding another.

use std::collections::{BTreeMap, btree_map::Entry};

use crate::Error;

/// A Python file on its way into the content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SourceFile {
    path: String,
    /// What an error calls it; `None` for an empty `__init__.py` that only makes a folder a package.
    origin: Option<String>,
    text: String,
}

impl SourceFile {
    /// A file from somewhere.
    pub(crate) fn new(path: String, origin: String, text: String) -> Self {
        Self { path, origin: Some(origin), text }
    }

    /// The empty `__init__.py` of a folder. Any other one for the folder takes precedence.
    pub(crate) fn package(folder: &str) -> Self {
        Self { path: format!("{folder}/__init__.py"), origin: None, text: String::new() }
    }

    fn origin(&self) -> String {
        self.origin.clone().unwrap_or_else(|| format!("the package of `{}`", self.path))
    }
}

/// Files by path.
#[derive(Debug, Default)]
pub(crate) struct Merge {
    files: BTreeMap<String, SourceFile>,
}

impl Merge {
    /// Adds a file. The same text twice is one file.
    pub(crate) fn add(&mut self, file: SourceFile) -> Result<(), Error> {
        match self.files.entry(file.path.clone()) {
            Entry::Vacant(entry) => {
                entry.insert(file);
            }
            Entry::Occupied(mut entry) => {
                let existing = entry.get_mut();
                if existing.origin.is_none() {
                    *existing = file;
                } else if file.origin.is_some() && file.text != existing.text {
                    return Err(conflict(&file.path, existing, &file));
                }
            }
        }
        Ok(())
    }

    /// All paths with their texts, once no module is a package too: Python would import the package and never the module.
    pub(crate) fn finish(self) -> Result<impl Iterator<Item = (String, String)>, Error> {
        for (path, file) in &self.files {
            let package = path.strip_suffix(".py").map(|stem| format!("{stem}/__init__.py"));
            if let Some(package) = package.and_then(|package| self.files.get(&package)) {
                return Err(conflict(path, file, package));
            }
        }
        Ok(self.files.into_values().map(|file| (file.path, file.text)))
    }
}

fn conflict(path: &str, first: &SourceFile, second: &SourceFile) -> Error {
    Error::Conflict { path: path.to_owned(), first: first.origin(), second: second.origin() }
}
