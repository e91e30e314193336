//! The files of all modules in one place, without one hiding another.

use std::collections::{BTreeMap, btree_map::Entry};

use crate::{ContentTree, Error};

/// A file on its way into the content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SourceFile {
    path: String,
    /// What an error calls it; `None` for an empty `__init__.py` that only makes a folder a package.
    origin: Option<String>,
    content: Vec<u8>,
    mode: u32,
}

impl SourceFile {
    /// A file from somewhere.
    pub(crate) fn new(path: String, origin: String, content: Vec<u8>, mode: u32) -> Self {
        Self { path, origin: Some(origin), content, mode }
    }

    /// The empty `__init__.py` of a folder. Any other one for the folder takes precedence.
    pub(crate) fn package(folder: &str) -> Self {
        Self { path: format!("{folder}/__init__.py"), origin: None, content: Vec::new(), mode: 0o644 }
    }

    /// What an error calls it.
    pub(crate) fn origin(&self) -> String {
        self.origin.clone().unwrap_or_else(|| format!("the package of `{}`", self.path))
    }

    /// What it holds, as text.
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.content).unwrap_or_default()
    }

    /// Where it goes.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }
}

/// Files by path.
#[derive(Debug, Default)]
pub(crate) struct Merge {
    files: BTreeMap<String, SourceFile>,
}

impl Merge {
    /// Adds a file. The same content twice is one file.
    pub(crate) fn add(&mut self, file: SourceFile) -> Result<(), Error> {
        match self.files.entry(file.path.clone()) {
            Entry::Vacant(entry) => {
                entry.insert(file);
            }
            Entry::Occupied(mut entry) => {
                let existing = entry.get_mut();
                if existing.origin.is_none() {
                    *existing = file;
                } else if file.origin.is_some() && file.content != existing.content {
                    return Err(conflict(&file.path, existing, &file));
                }
            }
        }
        Ok(())
    }

    /// The file at a path.
    pub(crate) fn get(&self, path: &str) -> Option<&SourceFile> {
        self.files.get(path)
    }

    /// Writes all files into a tree, once no module is a package too: Python would import the package and never the module.
    pub(crate) fn finish(self, tree: &mut ContentTree) -> Result<(), Error> {
        for (path, file) in &self.files {
            let package = path.strip_suffix(".py").map(|stem| format!("{stem}/__init__.py"));
            if let Some(package) = package.and_then(|package| self.files.get(&package)) {
                return Err(conflict(path, file, package));
            }
        }
        for file in self.files.into_values() {
            tree.insert(file.path, file.content, file.mode);
        }
        Ok(())
    }
}

fn conflict(path: &str, first: &SourceFile, second: &SourceFile) -> Error {
    Error::Conflict { path: path.to_owned(), first: first.origin(), second: second.origin() }
}
