//! Where on the disk a module is, by its dotted name.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

use crate::{Error, name};

/// The folders that a module's imports start from.
#[derive(Debug)]
pub(crate) struct Finder {
    root: PathBuf,
    /// A package that is a folder of another name: what `.named(..)` makes of the folder of a file.
    renamed: Option<(String, PathBuf)>,
    found: HashMap<String, Option<Found>>,
}

/// A module on the disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Found {
    /// `name.py`.
    Module(PathBuf),
    /// `name/__init__.py`.
    Package(PathBuf),
    /// A folder without an `__init__.py`.
    Folder,
}

impl Finder {
    /// Absolute imports start from `root`.
    pub(crate) fn new(root: PathBuf) -> Self {
        Self { root, renamed: None, found: HashMap::new() }
    }

    /// The package of a dotted name is this folder. Its own `__init__.py` is not looked for. The empty name is the top: the folder goes
    /// before where imports start from.
    pub(crate) fn renamed(mut self, package: String, folder: PathBuf) -> Self {
        self.renamed = Some((package, folder));
        self
    }

    /// Fails for a file that is a link, or behind one, which leads out of the folders that imports start from.
    pub(crate) fn check_inside(&self, path: &Path) -> Result<(), Error> {
        let real = |path: &Path| {
            let failed = |source| Error::Read { path: path.to_owned(), folder: self.root.clone(), source };
            path.canonicalize().map_err(failed)
        };
        let target = real(path)?;
        for folder in
            [Some(&self.root), self.renamed.as_ref().map(|(_, folder)| folder)].into_iter().flatten()
        {
            if target.starts_with(real(folder)?) {
                return Ok(());
            }
        }
        Err(Error::Link { link: path.to_owned(), target, folder: self.root.clone() })
    }

    /// The module of a dotted name, as Python would find it: a package goes before a module.
    pub(crate) fn find(&mut self, name: &str) -> Option<Found> {
        if name.len() > name::LONGEST {
            return None;
        }
        if let Some(known) = self.found.get(name) {
            return known.clone();
        }
        let found = match &self.renamed {
            Some((package, folder)) if package.is_empty() => {
                look(&path_of(folder, name)).or_else(|| look(&path_of(&self.root, name)))
            }
            // The packages on the way to a name that was given are empty ones, whatever is on the disk.
            Some((package, _)) if is_in(package, name) => None,
            Some((package, folder)) if is_in(name, package) => {
                look(&path_of(folder, name.get(package.len() + 1..).unwrap_or_default()))
            }
            _ => look(&path_of(&self.root, name)),
        };
        self.found.insert(name.to_owned(), found.clone());
        found
    }
}

/// Whether a dotted name is another one, or in it.
fn is_in(name: &str, package: &str) -> bool {
    name.strip_prefix(package).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

fn path_of(folder: &Path, name: &str) -> PathBuf {
    let mut path = folder.to_owned();
    path.extend(name.split('.'));
    path
}

fn look(path: &Path) -> Option<Found> {
    let package = path.join("__init__.py");
    let mut module = path.as_os_str().to_owned();
    module.push(".py");
    let module = PathBuf::from(module);
    if package.is_file() {
        Some(Found::Package(package))
    } else if module.is_file() {
        Some(Found::Module(module))
    } else {
        path.is_dir().then_some(Found::Folder)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn as_python_finds_them() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        for path in ["a/__init__.py", "a.py", "a/b.py", "bare/c.py"] {
            fs::create_dir_all(root.join(path).parent().unwrap()).unwrap();
            fs::write(root.join(path), "").unwrap();
        }
        let mut finder = Finder::new(root.into()).renamed("proj".into(), root.join("bare"));
        assert_eq!(finder.find("a"), Some(Found::Package(root.join("a/__init__.py"))));
        assert_eq!(finder.find("a.b"), Some(Found::Module(root.join("a/b.py"))));
        assert_eq!(finder.find("bare"), Some(Found::Folder));
        assert_eq!(finder.find("bare.c"), Some(Found::Module(root.join("bare/c.py"))));
        assert_eq!(finder.find("proj.c"), Some(Found::Module(root.join("bare/c.py"))));
        assert_eq!(finder.find("proj"), None, "an empty one");
        assert_eq!(finder.find("project.c"), None);
        assert_eq!(finder.find("a.nothing"), None);
    }
}
