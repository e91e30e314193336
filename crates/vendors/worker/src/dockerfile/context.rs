//! The folder of a Dockerfile, as it goes to the engine.

use std::{
    collections::BTreeMap,
    fs::{self, Metadata},
    io::{self, Read as _},
    iter,
    path::{Path, PathBuf},
    rc::Rc,
};

use testcelery_api::{File, FileTree};

use super::ignore::Ignore;

const IGNORE_FILE: &str = ".dockerignore";

/// The most bytes of a list of what to ignore that are read: 1 MiB.
const LONGEST_LIST: u64 = 1 << 20;

/// The most files and folders that are looked at. Links to folders may make a few of them endless.
const MOST_ENTRIES: usize = 200_000;

/// How many of the largest entries the error for a context that is too large names.
const LARGEST: usize = 3;

/// What a folder holds for a build.
#[derive(Debug)]
struct Found {
    path: PathBuf,
    size: u64,
    mode: u32,
}

/// Reads what goes into a build: everything but what `.dockerignore` names; the Dockerfile and `.dockerignore` in any case. Nothing is read
/// before the size of it all is known to be within the limit.
pub(super) fn read(folder: &Path, dockerfile: &str, limit: u64) -> Result<FileTree, String> {
    let shown = folder.display();
    let root = folder.canonicalize().map_err(|error| failed(folder, &error))?;
    if !root.join(dockerfile).is_file() {
        return Err(format!("there is no `{dockerfile}` in `{shown}`; name another file with `.file(..)`"));
    }
    // As BuildKit does: a Dockerfile may have a list of its own.
    let own_list = format!("{dockerfile}{IGNORE_FILE}");
    let list = if root.join(&own_list).is_file() { own_list } else { IGNORE_FILE.to_owned() };
    let ignore = ignore(&root, &list)?;
    let mut walk = Walk { root: &root, shown: folder, ignore, found: BTreeMap::new(), entries: 0 };
    walk.all()?;
    for always in [dockerfile, list.as_str()] {
        let path = root.join(always);
        if !walk.found.contains_key(always) && path.is_file() {
            let metadata = path.metadata().map_err(|error| failed(&path, &error))?;
            walk.file(always.to_owned(), path, &metadata);
        }
    }

    let total: u64 = walk.found.values().map(|file| file.size).sum();
    if total > limit {
        return Err(format!(
            "the build context `{shown}` has {}, and {} is the limit; the largest in it are {}; list what the build does not need in \
             `{}`, or raise the limit with `.size_limit(..)`",
            mebibytes(total),
            mebibytes(limit),
            largest(&walk.found),
            folder.join(IGNORE_FILE).display()
        ));
    }
    let mut tree = FileTree::new();
    let mut left = limit;
    for (name, Found { path, mode, .. }) in walk.found {
        // A file may have grown since its size was seen.
        let content = bounded(&path, left).map_err(|error| failed(&path, &error))?;
        left -= content.len() as u64;
        tree.insert_file(name, File { content, mode });
    }
    Ok(tree)
}

fn ignore(root: &Path, list: &str) -> Result<Ignore, String> {
    let path = root.join(list);
    let text = match path.metadata() {
        Ok(metadata) if metadata.is_file() => bounded(&path, LONGEST_LIST),
        Ok(_) => {
            return Err(format!("`{}` is no regular file, and only such a list is read", path.display()));
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Ignore::default()),
        Err(error) => Err(error),
    };
    let text = text.map_err(|error| failed(&path, &error))?;
    let text = String::from_utf8(text).map_err(|_| format!("`{}` is not UTF-8", path.display()))?;
    Ignore::parse(&text).map_err(|problem| format!("{}:{problem}", path.display()))
}

/// What a file holds, if it holds at most so many bytes.
fn bounded(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    fs::File::open(path)?.take(most + 1).read_to_end(&mut content)?;
    if content.len() as u64 > most {
        return Err(io::Error::other(format!("it holds more than the {most} bytes that are left for it")));
    }
    Ok(content)
}

struct Walk<'a> {
    /// The folder without links on the way to it.
    root: &'a Path,
    /// The folder as it was given.
    shown: &'a Path,
    ignore: Ignore,
    found: BTreeMap<String, Found>,
    /// How many files and folders were seen.
    entries: usize,
}

/// A folder that is still to be looked into.
struct Folder {
    /// Its path below the build's folder.
    name: String,
    /// The folder and those that it is in.
    place: Rc<Place>,
}

/// A folder without links on the way to it, and the one that it was found in.
struct Place {
    path: PathBuf,
    outer: Option<Rc<Place>>,
}

impl Place {
    /// Whether it is this folder, or one that this folder is in.
    fn is_in(&self, folder: &Path) -> bool {
        iter::successors(Some(self), |place| place.outer.as_deref()).any(|place| place.path == folder)
    }
}

impl Walk<'_> {
    /// Looks into all folders.
    fn all(&mut self) -> Result<(), String> {
        let place = Rc::new(Place { path: self.root.to_owned(), outer: None });
        let mut todo = vec![Folder { name: String::new(), place }];
        while let Some(folder) = todo.pop() {
            self.folder(&folder, &mut todo)?;
        }
        Ok(())
    }

    /// Looks into a folder; those in it are still to be looked into.
    fn folder(&mut self, Folder { name, place }: &Folder, todo: &mut Vec<Folder>) -> Result<(), String> {
        let folder = &place.path;
        for entry in fs::read_dir(folder).map_err(|error| failed(folder, &error))? {
            self.entries += 1;
            if self.entries > MOST_ENTRIES {
                return Err(format!(
                    "the build context `{}` has more than {MOST_ENTRIES} files and folders; list what the build does not need in `{}`",
                    self.shown.display(),
                    self.shown.join(IGNORE_FILE).display()
                ));
            }
            let entry = entry.map_err(|error| failed(folder, &error))?;
            let path = entry.path();
            let Ok(own) = entry.file_name().into_string() else {
                return Err(format!("the name of `{}` is not UTF-8", path.display()));
            };
            let name = if name.is_empty() { own } else { format!("{name}/{own}") };
            let is_out = self.ignore.ignores(&name);
            let kind = entry.file_type().map_err(|error| failed(&path, &error))?;
            let looked_into = kind.is_dir() && self.ignore.takes_back_below(&name);
            if is_out && !looked_into {
                continue;
            }
            let target = if kind.is_symlink() { self.target(&name, &path, place)? } else { path };
            let metadata = target.metadata().map_err(|error| failed(&target, &error))?;
            if metadata.is_dir() {
                let place = Rc::new(Place { path: target, outer: Some(Rc::clone(place)) });
                todo.push(Folder { name, place });
            } else if metadata.is_file() && !is_out {
                self.file(name, target, &metadata);
            }
            // FIFOs, sockets and devices have no content.
        }
        Ok(())
    }

    fn file(&mut self, name: String, path: PathBuf, metadata: &Metadata) {
        self.found.insert(name, Found { path, size: metadata.len(), mode: mode(metadata) });
    }

    /// What a link leads to. A tree of files has no links, so what it leads to goes in its place.
    fn target(&self, name: &str, link: &Path, inside: &Place) -> Result<PathBuf, String> {
        let shown = self.shown.join(name);
        let problem = |target: &Path, problem: &str| {
            format!(
                "the link `{}` leads to `{}`, {problem}; list it in `{}`",
                shown.display(),
                target.display(),
                self.shown.join(IGNORE_FILE).display()
            )
        };
        let target = match link.canonicalize() {
            Ok(target) => target,
            Err(_) => {
                let target = fs::read_link(link).map_err(|error| failed(link, &error))?;
                return Err(problem(&target, "which is not there"));
            }
        };
        if !target.starts_with(self.root) {
            return Err(problem(&target, "which is outside of the build's folder"));
        }
        if inside.is_in(&target) {
            return Err(problem(&target, "in which it is itself"));
        }
        Ok(target)
    }
}

#[cfg(unix)]
fn mode(metadata: &Metadata) -> u32 {
    use std::os::unix::fs::PermissionsExt as _;

    metadata.permissions().mode() & 0o7777
}

/// What the docker CLI gives to files of a system without permission bits.
#[cfg(not(unix))]
fn mode(_: &Metadata) -> u32 {
    0o755
}

fn failed(path: &Path, error: &io::Error) -> String {
    format!("could not read `{}`: {error}", path.display())
}

/// The largest files and folders at the top.
fn largest(found: &BTreeMap<String, Found>) -> String {
    let mut sizes: BTreeMap<&str, u64> = BTreeMap::new();
    for (name, file) in found {
        *sizes.entry(name.split('/').next().unwrap_or(name)).or_default() += file.size;
    }
    let mut sizes: Vec<(&str, u64)> = sizes.into_iter().collect();
    sizes.sort_by_key(|(_, size)| std::cmp::Reverse(*size));
    let shown = sizes.iter().take(LARGEST).map(|(name, size)| format!("`{name}` ({})", mebibytes(*size)));
    shown.collect::<Vec<_>>().join(", ")
}

fn mebibytes(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
}
