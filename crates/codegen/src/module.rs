//! The user's Python modules.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use crate::{Error, merge::SourceFile, name, source};

/// A Python module that goes into a worker.
///
/// Files are read and parsed when the content is generated, so what runs is what is on the disk at that moment.
///
/// ```
/// use testcelery_codegen::PyModule;
///
/// // `tests.tasks`, with `tests/__init__.py` if there is one.
/// let from_file = PyModule::file("tests/tasks.py");
/// // The same file by another name.
/// let renamed = PyModule::file("tests/tasks.py").named("proj.tasks");
/// let inline = PyModule::source("quick", "from celery import shared_task\n");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PyModule {
    origin: Origin,
    name: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Origin {
    File(PathBuf),
    Source(String),
}

/// A module that was read: its dotted name, and the files that make it importable.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) name: String,
    pub(crate) files: Vec<SourceFile>,
}

impl PyModule {
    /// A file. A relative path starts from the current folder, which is the package's own under `cargo test`, and it says the
    /// dotted name too: `tests/tasks.py` is `tests.tasks`, and the `__init__.py` of each folder on the way comes along.
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self { origin: Origin::File(path.into()), name: None }
    }

    /// A dotted name and the text of the module.
    pub fn source(name: impl Into<String>, text: impl Into<String>) -> Self {
        Self { origin: Origin::Source(text.into()), name: Some(name.into()) }
    }

    /// Gives it another dotted name. The packages on the way to it are empty ones then.
    #[must_use]
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Reads and checks it, with relative paths below `root`.
    pub(crate) fn load(&self, root: &Path) -> Result<Loaded, Error> {
        match (&self.origin, &self.name) {
            (Origin::File(path), name) => load_file(path, name.as_deref(), root),
            (Origin::Source(text), name) => load_source(text, name.as_deref().unwrap_or_default()),
        }
    }
}

fn load_source(text: &str, name: &str) -> Result<Loaded, Error> {
    let segments = name::segments("an inline module", name)?;
    let path = format!("{}.py", segments.join("/"));
    source::check(&path, text)?;
    let mut files: Vec<SourceFile> =
        packages(&segments).map(|package| SourceFile::package(&package)).collect();
    files.push(SourceFile::new(path, "an inline module".to_owned(), text.to_owned()));
    Ok(Loaded { name: name.to_owned(), files })
}

fn load_file(path: &Path, given: Option<&str>, root: &Path) -> Result<Loaded, Error> {
    let shown = path.display().to_string();
    let text = read(path, root)?;
    let name = given.map_or_else(|| name::of_path(path, root), |name| Ok(name.to_owned()))?;
    let segments = name::segments(&shown, &name)?;
    source::check(&shown, &text)?;

    let mut files = Vec::new();
    for package in packages(&segments) {
        // Only a path that says the name says which folder is which package.
        let init = Path::new(&package).join("__init__.py");
        if given.is_none() && root.join(&init).is_file() {
            let text = read(&init, root)?;
            let shown = init.display().to_string();
            source::check(&shown, &text)?;
            files.push(SourceFile::new(format!("{package}/__init__.py"), shown, text));
        } else {
            files.push(SourceFile::package(&package));
        }
    }
    let is_package = path.file_name().is_some_and(|file| file == "__init__.py");
    let end = if is_package { "/__init__.py" } else { ".py" };
    files.push(SourceFile::new(format!("{}{end}", segments.join("/")), shown, text));
    Ok(Loaded { name, files })
}

/// The folders on the way to a module: `a` and `a/b` for `a.b.c`.
fn packages(segments: &[String]) -> impl Iterator<Item = String> {
    (1..segments.len()).map(|end| segments[..end].join("/"))
}

fn read(path: &Path, root: &Path) -> Result<String, Error> {
    let full = root.join(path);
    if full.is_dir() {
        return Err(Error::Folder { path: path.to_owned() });
    }
    let failed = |source: io::Error| Error::Read { path: path.to_owned(), folder: root.to_owned(), source };
    let bytes = fs::read(&full).map_err(failed)?;
    String::from_utf8(bytes).map_err(|error| {
        let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = valid.iter().filter(|byte| **byte == b'\n').count() + 1;
        Error::NotUtf8 { path: path.to_owned(), line }
    })
}
