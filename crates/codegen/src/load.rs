//! From what a user names to modules that were read and scanned.

use std::{
    env,
    path::{Path, PathBuf},
};

use crate::{
    Error, PyModule,
    finder::Finder,
    merge::SourceFile,
    module::Origin,
    name, package, read,
    scan::{self, Scan},
};

/// What a user named, as it was found.
#[derive(Debug)]
pub(crate) struct Loaded {
    /// The dotted name.
    pub(crate) name: String,
    /// The modules.
    pub(crate) modules: Vec<Module>,
    /// What is not Python.
    pub(crate) files: Vec<SourceFile>,
    /// Whether it is a package with all of its modules.
    pub(crate) is_whole: bool,
    /// Where its imports are looked for; `None` where it has no place on the disk.
    pub(crate) finder: Option<Finder>,
}

/// A module that was read.
#[derive(Debug)]
pub(crate) struct Module {
    pub(crate) name: String,
    pub(crate) is_package: bool,
    pub(crate) file: SourceFile,
    pub(crate) scan: Scan,
}

impl Module {
    /// Scans the text of a module. `origin` is what errors call it.
    pub(crate) fn new(name: String, is_package: bool, origin: String, text: String) -> Result<Self, Error> {
        let shown = origin.split(" (").next().unwrap_or(&origin);
        let scan = scan::scan(shown, &name, &text)?;
        let end = if is_package { "/__init__.py" } else { ".py" };
        let path = format!("{}{end}", name.replace('.', "/"));
        Ok(Self { name, is_package, file: SourceFile::new(path, origin, text.into_bytes(), 0o644), scan })
    }

    /// Reads a file of the disk.
    pub(crate) fn read(name: String, path: &Path, shown: &Path) -> Result<Self, Error> {
        let is_package = path.file_name().is_some_and(|file| file == "__init__.py");
        let text = read::text(path, shown, path.parent().unwrap_or(path))?;
        Self::new(name, is_package, shown.display().to_string(), text)
    }
}

/// The folder that relative paths start from.
pub(crate) fn current_folder() -> Result<PathBuf, Error> {
    let dot = PathBuf::from(".");
    env::current_dir().map_err(|source| Error::Read { path: dot.clone(), folder: dot, source })
}

/// Reads what a user named, with relative paths below `folder`.
pub(crate) fn load(module: &PyModule, folder: &Path) -> Result<Loaded, Error> {
    let root = module.root.as_ref().map_or_else(|| folder.to_owned(), |root| folder.join(root));
    let given = module.name.as_deref();
    match &module.origin {
        Origin::File(path) => file(path, given, folder, root),
        Origin::Package(path) => package::of_folder(path, given, folder, root),
        Origin::Source(text) => {
            let name = checked("an inline module", given.unwrap_or_default())?;
            let origin = format!("{}.py (inline)", name.replace('.', "/"));
            Ok(alone(name.clone(), vec![Module::new(name, false, origin, text.clone())?]))
        }
        Origin::Embedded(dir) => package::embedded(dir, given.unwrap_or_default()),
        Origin::Installed => {
            let name = given.unwrap_or_default();
            name::check_identifiers("an installed module", name)?;
            Ok(alone(name.to_owned(), Vec::new()))
        }
    }
}

/// The name, once it is one that a module can have.
pub(crate) fn checked(shown: &str, name: &str) -> Result<String, Error> {
    name::check_identifiers(shown, name).map(|()| name.to_owned())
}

/// Modules without a place on the disk.
pub(crate) fn alone(name: String, modules: Vec<Module>) -> Loaded {
    Loaded { name, modules, files: Vec::new(), is_whole: false, finder: None }
}

fn file(path: &Path, given: Option<&str>, folder: &Path, root: PathBuf) -> Result<Loaded, Error> {
    let shown = path.display().to_string();
    let full = folder.join(path);
    if full.is_dir() {
        return Err(Error::Folder { path: path.to_owned() });
    }
    let text = read::text(&full, path, folder)?;
    let name = given.map_or_else(|| name::of_path(path, folder, &root), |name| Ok(name.to_owned()))?;
    let name = checked(&shown, &name)?;
    let is_package = path.file_name().is_some_and(|file| file == "__init__.py");
    let package = if is_package { name.as_str() } else { parent_of(&name) };
    let finder = match (given, full.parent()) {
        (Some(_), Some(parent)) => Finder::new(root).renamed(package.to_owned(), parent.to_owned()),
        _ => Finder::new(root),
    };
    let modules = vec![Module::new(name.clone(), is_package, shown, text)?];
    Ok(Loaded { finder: Some(finder), ..alone(name, modules) })
}

/// The package that a module of a dotted name is in; empty for one at the top.
pub(crate) fn parent_of(name: &str) -> &str {
    name.rsplit_once('.').map_or("", |(parent, _)| parent)
}
