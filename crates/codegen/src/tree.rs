//! What comes out: files by path.

use std::collections::BTreeMap;

/// Files by their path relative to the worker's `/app`, ordered by path: the same content is always the same bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct ContentTree {
    files: BTreeMap<String, ContentFile>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct ContentFile {
    content: Vec<u8>,
    mode: u32,
}

impl ContentTree {
    pub(crate) fn insert(&mut self, path: impl Into<String>, content: impl Into<Vec<u8>>, mode: u32) {
        self.files.insert(path.into(), ContentFile { content: content.into(), mode });
    }

    /// The bytes at a path.
    pub fn get(&self, path: &str) -> Option<&[u8]> {
        self.files.get(path).map(|file| file.content.as_slice())
    }

    /// The text at a path; `None` where there is no such file or it is not UTF-8.
    pub fn text(&self, path: &str) -> Option<&str> {
        self.get(path).and_then(|content| std::str::from_utf8(content).ok())
    }

    /// The permission bits at a path: 0o755 for what may be executed, 0o644 for anything else.
    pub fn mode(&self, path: &str) -> Option<u32> {
        self.files.get(path).map(|file| file.mode)
    }

    /// All files, ordered by path.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.files.iter().map(|(path, file)| (path.as_str(), file.content.as_slice()))
    }
}
