//! Whole packages: folders with all that is in them.

use std::{
    fs,
    path::{Path, PathBuf},
    rc::Rc,
};

use include_dir::Dir;

use crate::{
    Error,
    finder::Finder,
    load::{Loaded, Module, alone, checked},
    merge::SourceFile,
    name, read,
};

/// A folder of the disk.
pub(crate) fn of_folder(
    path: &Path,
    given: Option<&str>,
    folder: &Path,
    root: PathBuf,
) -> Result<Loaded, Error> {
    let shown = path.display().to_string();
    let full = folder.join(path);
    let failed = |source| Error::Read { path: path.to_owned(), folder: folder.to_owned(), source };
    let top = full.canonicalize().map_err(failed)?;
    if !top.is_dir() {
        return Err(Error::NoFolder { path: path.to_owned() });
    }
    let name = given.map_or_else(|| name::of_path(path, folder, &root), |name| Ok(name.to_owned()))?;
    let name = checked(&shown, &name)?;
    let mut walk =
        Walk { loaded: alone(name.clone(), Vec::new()), top: &top, shown: &shown, entries: 0, bytes: 0 };
    walk.folder(&top, &name.replace('.', "/"))?;
    let finder = Finder::new(root);
    let finder = if given.is_some() { finder.renamed(name, full) } else { finder };
    whole(Loaded { finder: Some(finder), ..walk.loaded }, path)
}

/// A folder that is embedded into the program.
pub(crate) fn embedded(dir: &Dir<'_>, name: &str) -> Result<Loaded, Error> {
    let name = checked("an embedded package", name)?;
    let mut loaded = alone(name.clone(), Vec::new());
    embedded_folder(dir, &name.replace('.', "/"), &mut loaded)?;
    whole(loaded, dir.path())
}

fn whole(loaded: Loaded, path: &Path) -> Result<Loaded, Error> {
    if loaded.modules.is_empty() {
        return Err(Error::NoModules { path: path.to_owned() });
    }
    Ok(Loaded { is_whole: true, ..loaded })
}

/// The most files and folders of a package that are looked at. Links to folders may make a few of them endless.
const MOST_ENTRIES: usize = 20_000;

/// The most that the files of a package may hold together, in bytes. They are held in memory and sent to the worker.
const MOST_BYTES: u64 = 256 << 20;

/// A walk through the folder of a package.
struct Walk<'a> {
    loaded: Loaded,
    /// The folder, without links on the way.
    top: &'a Path,
    /// What errors call it.
    shown: &'a str,
    /// How many files and folders were seen.
    entries: usize,
    /// How many bytes the files hold that were seen.
    bytes: u64,
}

/// A folder that is still to be looked into.
struct Folder {
    path: PathBuf,
    /// Where it is in the content.
    inside: String,
    /// The folders that it is in, itself included, without links on the way.
    parents: Parents,
}

/// Folders within each other, the innermost first.
type Parents = Option<Rc<Parent>>;

struct Parent {
    path: PathBuf,
    outer: Parents,
}

impl Walk<'_> {
    /// Everything in a folder, which is `inside` in the content.
    fn folder(&mut self, folder: &Path, inside: &str) -> Result<(), Error> {
        let parents = Some(Rc::new(Parent { path: folder.to_owned(), outer: None }));
        let mut todo = vec![Folder { path: folder.to_owned(), inside: inside.to_owned(), parents }];
        while let Some(folder) = todo.pop() {
            let mut below = self.entries_of(&folder)?;
            below.reverse();
            todo.append(&mut below);
        }
        Ok(())
    }

    /// Takes the files of a folder and returns the folders in it.
    fn entries_of(&mut self, folder: &Folder) -> Result<Vec<Folder>, Error> {
        let failed = |source| Error::Read { path: folder.path.clone(), folder: self.top.to_owned(), source };
        let mut paths = Vec::new();
        for entry in fs::read_dir(&folder.path).map_err(failed)? {
            self.entries += 1;
            if self.entries > MOST_ENTRIES {
                return Err(Error::TooMany { path: PathBuf::from(self.shown), most: MOST_ENTRIES });
            }
            paths.push(entry.map_err(failed)?.path());
        }
        paths.sort();
        let mut folders = Vec::new();
        for path in paths {
            let Some(file_name) = named(&path) else { continue };
            let real = self.stays_inside(&path, folder)?;
            let below = path.strip_prefix(self.top).unwrap_or(&path).display();
            let shown = PathBuf::from(format!("{}/{below}", self.shown.trim_end_matches('/')));
            let inside = format!("{}/{file_name}", folder.inside);
            let metadata = fs::metadata(&path).map_err(failed)?;
            if metadata.is_file() {
                self.bytes += metadata.len();
                if self.bytes > MOST_BYTES {
                    let path = PathBuf::from(self.shown);
                    return Err(Error::TooLarge { path, size: self.bytes, most: MOST_BYTES });
                }
            }
            if metadata.is_dir() {
                let parents = Some(Rc::new(Parent { path: real, outer: folder.parents.clone() }));
                folders.push(Folder { path, inside, parents });
            } else if let Some(name) = module_name(&inside) {
                self.loaded.modules.push(Module::read(name, &path, &shown)?);
            } else if metadata.is_file() {
                let content = read::other(&path, &shown, &folder.path)?;
                let mode = read::mode(&metadata);
                let origin = shown.display().to_string();
                self.loaded.files.push(SourceFile::new(inside, origin, content, mode));
            }
        }
        Ok(folders)
    }

    /// The path without links. A link may not lead out of the package, nor to a folder that it is in.
    fn stays_inside(&self, path: &Path, folder: &Folder) -> Result<PathBuf, Error> {
        let failed = |source| Error::Read { path: path.to_owned(), folder: self.top.to_owned(), source };
        let parents = || std::iter::successors(folder.parents.as_deref(), |parent| parent.outer.as_deref());
        if !fs::symlink_metadata(path).map_err(failed)?.is_symlink() {
            // The folder itself may have been reached by a link.
            let own = path.file_name().map(Path::new);
            return Ok(match (parents().next(), own) {
                (Some(parent), Some(own)) => parent.path.join(own),
                _ => path.to_owned(),
            });
        }
        let target = path.canonicalize().map_err(failed)?;
        if target.starts_with(self.top) && !parents().any(|parent| parent.path.starts_with(&target)) {
            return Ok(target);
        }
        Err(Error::Link { link: path.to_owned(), target, folder: self.top.to_owned() })
    }
}

fn embedded_folder(dir: &Dir<'_>, inside: &str, loaded: &mut Loaded) -> Result<(), Error> {
    for file in dir.files() {
        let Some(file_name) = named(file.path()) else { continue };
        let inside = format!("{inside}/{file_name}");
        let shown = format!("{inside} (embedded)");
        if let Some(name) = module_name(&inside) {
            let text = read::utf8(file.contents().to_vec(), Path::new(&shown))?;
            loaded.modules.push(Module::new(name, file_name == INIT, shown, text)?);
        } else {
            loaded.files.push(SourceFile::new(inside, shown, file.contents().to_vec(), 0o644));
        }
    }
    for folder in dir.dirs() {
        if let Some(file_name) = named(folder.path()) {
            embedded_folder(folder, &format!("{inside}/{file_name}"), loaded)?;
        }
    }
    Ok(())
}

/// The file that makes a folder a package.
const INIT: &str = "__init__.py";

fn named(path: &Path) -> Option<&str> {
    path.file_name().and_then(|name| name.to_str()).filter(|name| is_content(name))
}

/// The dotted name of a file of the content; `None` for one that Python cannot import.
fn module_name(inside: &str) -> Option<String> {
    let path = inside.strip_suffix(".py")?;
    let path = path.strip_suffix("/__init__").unwrap_or(path);
    path.split('/').all(name::is_identifier).then(|| path.replace('/', "."))
}

/// Whether an entry of a package's folder is more than what tools leave there.
fn is_content(file_name: &str) -> bool {
    let is_compiled =
        file_name == "__pycache__" || file_name.ends_with(".pyc") || file_name.ends_with(".pyo");
    !file_name.starts_with('.') && !is_compiled
}
