//! What comes out: files by path.

use std::collections::BTreeMap;

/// Files by their path relative to the worker's `/app`, ordered by path: the same content is always the same bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct ContentTree {
    files: BTreeMap<String, Vec<u8>>,
}

impl ContentTree {
    pub(crate) fn insert(&mut self, path: impl Into<String>, content: impl Into<Vec<u8>>) {
        self.files.insert(path.into(), content.into());
    }

    /// The bytes at a path.
    pub fn get(&self, path: &str) -> Option<&[u8]> {
        self.files.get(path).map(Vec::as_slice)
    }

    /// The text at a path; `None` where there is no such file or it is not UTF-8.
    pub fn text(&self, path: &str) -> Option<&str> {
        self.get(path).and_then(|content| std::str::from_utf8(content).ok())
    }

    /// All files, ordered by path.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.files.iter().map(|(path, content)| (path.as_str(), content.as_slice()))
    }
}
