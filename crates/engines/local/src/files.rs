//! Files of a container.

use std::{fs, io, os::unix::fs::PermissionsExt, path::Path};

use testcelery_api::{File, FileTree, Mount};

use crate::translate::Translation;

/// Folders, links for mounts, and files; later trees win. Owners are left out: everything belongs to who runs the test.
pub(crate) fn lay_out(
    translation: &Translation,
    folders: &[&str],
    mounts: &[Mount],
    trees: &[&FileTree],
) -> io::Result<()> {
    // First: what is mounted at one of the folders is in its place.
    let binds = || {
        mounts.iter().filter_map(|mount| match mount {
            Mount::Bind { source, target, .. } => Some((source, target)),
            _ => None,
        })
    };
    for (source, target) in binds() {
        let is_around = |outer: &String| outer != target && Path::new(target).starts_with(outer);
        if let Some((_, outer)) = binds().find(|(_, outer)| is_around(outer)) {
            return Err(io::Error::other(format!(
                "{target} is mounted inside of {outer}; a mount is a link here, and what was put into it would be put into the folder \
                 that it leads to: mount {target} elsewhere"
            )));
        }
        link(source, &translation.path(target))?;
    }
    for folder in folders {
        fs::create_dir_all(translation.path(folder))?;
    }
    write(translation, trees)
}

fn link(source: &Path, target: &Path) -> io::Result<()> {
    let source = source
        .canonicalize()
        .map_err(|error| io::Error::new(error.kind(), format!("mount {}: {error}", source.display())))?;
    if let Some(folder) = target.parent() {
        fs::create_dir_all(folder)?;
    }
    std::os::unix::fs::symlink(source, target)
}

/// Writes trees. Which paths are the container's own is known when all files are there, so settings come last.
pub(crate) fn write(translation: &Translation, trees: &[&FileTree]) -> io::Result<()> {
    for (path, file) in trees.iter().flat_map(|tree| tree.iter()) {
        put(&translation.path(path), &file.content, file.mode)?;
    }
    for (place, tree) in trees.iter().enumerate().filter(|(_, tree)| tree.is_settings()) {
        let is_last = |path: &str| trees[place + 1..].iter().all(|later| later.get(path).is_none());
        for (path, file) in tree.iter().filter(|(path, _)| is_last(path)) {
            if let Ok(text) = std::str::from_utf8(&file.content) {
                put(&translation.path(path), translation.text(text).as_bytes(), file.mode)?;
            }
        }
    }
    Ok(())
}

/// Writes a file beside its place and moves it there, so that nobody reads half of it.
fn put(path: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    let folder = path.parent().unwrap_or(path);
    fs::create_dir_all(folder)?;
    let draft = folder.join(format!(".testcelery-{}", crate::run::random()));
    fs::write(&draft, content)?;
    fs::set_permissions(&draft, fs::Permissions::from_mode(mode))?;
    fs::rename(&draft, path)
}

/// Reads a file, or a folder with all that is in it.
pub(crate) fn read(translation: &Translation, path: &str) -> io::Result<FileTree> {
    let own = translation.path(path);
    let mut tree = FileTree::new();
    collect(translation, &own, &mut tree)?;
    Ok(tree)
}

fn collect(translation: &Translation, path: &Path, tree: &mut FileTree) -> io::Result<()> {
    let metadata = fs::metadata(path)?;
    if !metadata.is_dir() {
        if !metadata.is_file() {
            // A FIFO or a device may have no end.
            return Err(io::Error::other("it is neither a regular file nor a folder"));
        }
        let mode = metadata.permissions().mode() & 0o7777;
        tree.insert_file(translation.inside(path), File { content: fs::read(path)?, mode });
        return Ok(());
    }
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        // What is neither a file nor a folder has nothing to read: links, sockets.
        let kind = entry.file_type()?;
        if kind.is_dir() || kind.is_file() {
            collect(translation, &entry.path(), tree)?;
        }
    }
    Ok(())
}
