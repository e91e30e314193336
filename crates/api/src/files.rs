//! Trees of files that go into containers and come out of them.

use std::{collections::BTreeMap, fmt};

/// One file: its bytes and its permission bits. A file may hold a password: `Debug` shows how long it is.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct File {
    /// What the file holds.
    pub content: Vec<u8>,
    /// Permission bits; 0o644 unless said otherwise.
    pub mode: u32,
}

impl fmt::Debug for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes, mode {:o}", self.content.len(), self.mode)
    }
}

/// Whose the files of a tree are, in the container that they are written into.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FileOwner {
    /// A user and a group, by their numbers.
    Ids(u32, u32),
    /// The user that the container runs as, with its group: [`ContainerSpec::user`](crate::ContainerSpec::user), else the image's own.
    ContainerUser,
}

impl Default for FileOwner {
    /// Root.
    fn default() -> Self {
        Self::Ids(0, 0)
    }
}

/// A tree of files by absolute path, ordered, so that the same tree is always written in the same bytes.
///
/// ```
/// use testcelery_api::FileTree;
///
/// let mut tree = FileTree::owned_by(10001, 10001);
/// tree.insert("/app/app.py", "app = None\n");
/// assert_eq!(tree.text("/app/app.py"), Some("app = None\n"));
/// assert_eq!(tree.len(), 1);
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct FileTree {
    owner: FileOwner,
    settings: bool,
    files: BTreeMap<String, File>,
}

impl FileTree {
    /// An empty tree that is written as root (uid 0, gid 0).
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty tree whose files and folders belong to a user and group of the container.
    pub fn owned_by(uid: u32, gid: u32) -> Self {
        Self { owner: FileOwner::Ids(uid, gid), ..Self::default() }
    }

    /// An empty tree whose files and folders belong to the user that the container runs as, whoever that is: for images that are not
    /// yours. An engine that has to look up a name asks the image once.
    ///
    /// ```
    /// use testcelery_api::{FileOwner, FileTree};
    ///
    /// let mut content = FileTree::owned_by_container_user();
    /// content.insert("/app/app.py", "app = None\n");
    /// assert_eq!(content.owner(), FileOwner::ContainerUser);
    /// ```
    pub fn owned_by_container_user() -> Self {
        Self { owner: FileOwner::ContainerUser, ..Self::default() }
    }

    /// Whose everything in the tree is.
    pub fn owner(&self) -> FileOwner {
        self.owner
    }

    /// Says that its files are settings: texts that name paths, ports and host names of the container, and 0.0.0.0 for all of its own
    /// addresses. An engine whose containers have no file system or address of their own writes in their place what stands for them there.
    /// Files that are no settings are written as they are.
    #[must_use]
    pub fn as_settings(mut self) -> Self {
        self.settings = true;
        self
    }

    /// Whether its files are settings.
    pub fn is_settings(&self) -> bool {
        self.settings
    }

    /// Adds or replaces a file of mode 0o644.
    pub fn insert(&mut self, path: impl Into<String>, content: impl Into<Vec<u8>>) {
        self.insert_file(path, File { content: content.into(), mode: 0o644 });
    }

    /// Adds or replaces a file of any mode.
    pub fn insert_file(&mut self, path: impl Into<String>, file: File) {
        self.files.insert(path.into(), file);
    }

    /// The file at a path.
    pub fn get(&self, path: &str) -> Option<&File> {
        self.files.get(path)
    }

    /// The text at a path; `None` where there is no such file or it is not UTF-8.
    pub fn text(&self, path: &str) -> Option<&str> {
        self.files.get(path).and_then(|file| std::str::from_utf8(&file.content).ok())
    }

    /// All files, ordered by path.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &File)> {
        self.files.iter().map(|(path, file)| (path.as_str(), file))
    }

    /// How many files there are.
    pub fn len(&self) -> usize {
        self.files.len()
    }

    /// Whether there are no files.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }
}
