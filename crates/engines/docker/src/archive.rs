//! Tar archives from file trees, and file trees from tar archives.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{self, Read},
};

use tar::{Archive, Builder, EntryType, Header};
use testcelery_api::{File, FileTree};

/// Who owns what nobody else does.
const ROOT: (u32, u32) = (0, 0);

/// Folders that belong to the system: never written, whoever owns the files in them.
const SYSTEM_FOLDERS: &[&str] = &[
    "/",
    "/bin",
    "/dev",
    "/etc",
    "/home",
    "/lib",
    "/lib64",
    "/mnt",
    "/opt",
    "/proc",
    "/root",
    "/run",
    "/sbin",
    "/srv",
    "/sys",
    "/tmp",
    "/usr",
    "/usr/bin",
    "/usr/lib",
    "/usr/local",
    "/usr/local/bin",
    "/usr/local/etc",
    "/usr/local/lib",
    "/usr/local/share",
    "/usr/share",
    "/var",
    "/var/cache",
    "/var/lib",
    "/var/log",
    "/var/run",
    "/var/spool",
    "/var/tmp",
];

/// A tree with the numbers of its owner.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Owned<'a> {
    pub(crate) tree: &'a FileTree,
    pub(crate) owner: (u32, u32),
}

/// The folders in which the trees put something, and which therefore have to belong to a tree's owner if they are new.
///
/// Root's folders are not among them: the daemon makes missing ones for root by itself.
pub(crate) fn owned_folders(trees: &[Owned<'_>]) -> BTreeSet<String> {
    let mut folders = BTreeSet::new();
    for Owned { tree, .. } in trees.iter().filter(|owned| owned.owner != ROOT) {
        for (path, _) in tree.iter() {
            folders
                .extend(parents(path).filter(|folder| !SYSTEM_FOLDERS.contains(folder)).map(str::to_owned));
        }
    }
    folders
}

/// The folders above a path, without the root.
fn parents(path: &str) -> impl Iterator<Item = &str> {
    path.match_indices('/').filter(|(at, _)| *at > 0).map(|(at, _)| &path[..at])
}

/// One archive, relative to the root folder, with every tree under its own owner.
///
/// Only the folders of `new` get entries: an entry for a folder that exists would change its owner and its mode. A missing folder
/// without an entry is made by the daemon, for root.
pub(crate) fn to_extract(trees: &[Owned<'_>], new: &BTreeSet<String>, mtime: u64) -> io::Result<Vec<u8>> {
    let mut archive = Builder::new(Vec::new());
    let mut owners = BTreeMap::new();
    for Owned { tree, owner } in trees {
        for folder in tree.iter().flat_map(|(path, _)| parents(path)) {
            if let Some(folder) = new.get(folder) {
                owners.entry(folder).or_insert(*owner);
            }
        }
    }
    // Ordered by path: a folder comes before what is in it.
    for (folder, owner) in owners {
        let mut header = header(EntryType::Directory, owner, 0o755, mtime);
        header.set_size(0);
        archive.append_data(&mut header, format!("{}/", relative(folder)?), io::empty())?;
    }
    for owned in trees {
        append_files(&mut archive, *owned, mtime, relative)?;
    }
    archive.into_inner()
}

/// One archive of a build context: paths as they are, always the same bytes for the same tree.
pub(crate) fn of_context(context: &FileTree) -> io::Result<Vec<u8>> {
    let mut archive = Builder::new(Vec::new());
    append_files(&mut archive, Owned { tree: context, owner: ROOT }, 0, |path| {
        Ok(path.trim_start_matches('/'))
    })?;
    archive.into_inner()
}

fn append_files(
    archive: &mut Builder<Vec<u8>>,
    Owned { tree, owner }: Owned<'_>,
    mtime: u64,
    name: impl Fn(&str) -> io::Result<&str>,
) -> io::Result<()> {
    for (path, file) in tree.iter() {
        let mut header = header(EntryType::Regular, owner, file.mode, mtime);
        header.set_size(file.content.len() as u64);
        archive.append_data(&mut header, name(path)?, file.content.as_slice())?;
    }
    Ok(())
}

fn header(kind: EntryType, (uid, gid): (u32, u32), mode: u32, mtime: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_uid(uid.into());
    header.set_gid(gid.into());
    header.set_mode(mode);
    header.set_mtime(mtime);
    header
}

fn relative(path: &str) -> io::Result<&str> {
    match path.strip_prefix('/') {
        Some(rest) if !rest.is_empty() && !rest.split('/').any(|part| part == "..") => Ok(rest),
        _ => Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("`{path}` is not an absolute path to a file"),
        )),
    }
}

/// The files of a downloaded archive, whose first component is the last one of `path`. What is neither file nor folder is left out.
pub(crate) fn read(archive: &[u8], path: &str) -> io::Result<FileTree> {
    let base = path.trim_end_matches('/');
    let mut tree = None;
    for entry in Archive::new(archive).entries()? {
        let mut entry = entry?;
        let header = entry.header();
        let owner = (number(header.uid()?)?, number(header.gid()?)?);
        let mode = header.mode()? & 0o7777;
        let tree = tree.get_or_insert_with(|| FileTree::owned_by(owner.0, owner.1));
        let name = entry.path()?.to_string_lossy().into_owned();
        let inside = name.split_once('/').map_or("", |(_, inside)| inside);
        match entry.header().entry_type() {
            EntryType::Regular => {
                let mut content = Vec::new();
                entry.read_to_end(&mut content)?;
                let file = File { content, mode };
                let separator = if inside.is_empty() { "" } else { "/" };
                tree.insert_file(format!("{base}{separator}{inside}"), file);
            }
            EntryType::Symlink if inside.is_empty() => {
                let target = entry.link_name()?.unwrap_or_default();
                return Err(io::Error::other(format!(
                    "it is a symbolic link to `{}`; ask for that path",
                    target.display()
                )));
            }
            _ => {}
        }
    }
    Ok(tree.unwrap_or_default())
}

fn number(id: u64) -> io::Result<u32> {
    u32::try_from(id).map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use testcelery_api::FileOwner;

    use super::*;

    fn tree(paths: &[&str]) -> FileTree {
        let mut tree = FileTree::new();
        for path in paths {
            tree.insert(*path, format!("{path}\n"));
        }
        tree
    }

    fn entries(archive: &[u8]) -> Vec<(String, u64, u32)> {
        let mut archive = Archive::new(archive);
        let entry = |entry: io::Result<tar::Entry<'_, _>>| {
            let entry: tar::Entry<'_, &[u8]> = entry.unwrap();
            let header = entry.header();
            let path = entry.path().unwrap().to_string_lossy().into_owned();
            (path, header.uid().unwrap(), header.mode().unwrap())
        };
        archive.entries().unwrap().map(entry).collect()
    }

    #[test]
    fn only_folders_below_the_system_and_not_of_root_are_asked_for() {
        let worker = tree(&["/app/a/b/c.py", "/tmp/go", "/var/lib/x/y"]);
        let root = tree(&["/etc/rabbitmq/conf.d/a.conf"]);
        let trees = [Owned { tree: &worker, owner: (10001, 10001) }, Owned { tree: &root, owner: ROOT }];
        let folders: Vec<_> = owned_folders(&trees).into_iter().collect();
        assert_eq!(folders, ["/app", "/app/a", "/app/a/b", "/var/lib/x"]);
    }

    #[test]
    fn new_folders_come_first_with_their_owner_and_others_not_at_all() {
        let worker = tree(&["/app/pkg/a.py", "/tmp/go"]);
        let root = tree(&["/etc/x/a.conf"]);
        let new = BTreeSet::from(["/app/pkg".to_owned()]);
        let trees = [Owned { tree: &worker, owner: (10001, 10002) }, Owned { tree: &root, owner: ROOT }];
        let archive = to_extract(&trees, &new, 5).unwrap();
        assert_eq!(
            entries(&archive),
            [
                ("app/pkg/".to_owned(), 10001, 0o755),
                ("app/pkg/a.py".to_owned(), 10001, 0o644),
                ("tmp/go".to_owned(), 10001, 0o644),
                ("etc/x/a.conf".to_owned(), 0, 0o644),
            ]
        );
    }

    #[test]
    fn paths_that_leave_the_root_are_refused() {
        for path in ["app/a.py", "/app/../etc/passwd", "/", ""] {
            let tree = tree(&[path]);
            let error = to_extract(&[Owned { tree: &tree, owner: ROOT }], &BTreeSet::new(), 0).unwrap_err();
            assert!(error.to_string().contains("not an absolute path"), "{path}: {error}");
        }
    }

    #[test]
    fn long_paths_survive() {
        let path = format!("/app/{}/{}.py", "d".repeat(150), "f".repeat(120));
        let tree = tree(&[&path]);
        let archive = to_extract(&[Owned { tree: &tree, owner: ROOT }], &BTreeSet::new(), 0).unwrap();
        assert_eq!(entries(&archive)[0].0, path.trim_start_matches('/'));
    }

    #[test]
    fn a_context_is_the_same_bytes_each_time() {
        let context = tree(&["Dockerfile", "ca/.keep"]);
        assert_eq!(of_context(&context).unwrap(), of_context(&context.clone()).unwrap());
        assert_eq!(entries(&of_context(&context).unwrap())[1].0, "ca/.keep");
    }

    #[test]
    fn a_download_has_absolute_paths() {
        let source = tree(&["/data", "/data/sub/b"]);
        let source = Owned { tree: &source, owner: (7, 8) };
        let folder = to_extract(&[source], &BTreeSet::new(), 0).unwrap();
        let got = read(&folder, "/var/data/").unwrap();
        assert_eq!(got.owner(), FileOwner::Ids(7, 8));
        assert_eq!(got.text("/var/data/sub/b"), Some("/data/sub/b\n"));
        assert_eq!(got.text("/var/data"), Some("/data\n"));
    }
}
