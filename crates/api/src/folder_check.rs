//! Who can change a folder: its owner, its mode, and those of every folder and link on the way to it.
//!
//! For [`PrivateFolder`](crate::PrivateFolder). Access control lists are not read: their rights show in the mode of the group.

use std::{
    collections::VecDeque,
    ffi::OsString,
    fs::{self, Metadata},
    io,
    os::unix::fs::MetadataExt,
    path::{Component, Path, PathBuf},
};

/// How many links are followed, as Linux does (`path_resolution(7)`).
const LINKS: usize = 40;

const OTHERS_WRITE: u32 = 0o002;
const GROUP_WRITES: u32 = 0o020;

/// In such a folder an entry is renamed and removed by its owner alone.
const STICKY: u32 = 0o1000;

/// Checks a folder and the way to it.
pub(crate) fn check(folder: &Path) -> io::Result<()> {
    match walk(folder)? {
        None => Ok(()),
        Some(missing) => {
            Err(io::Error::new(io::ErrorKind::NotFound, format!("there is no {}", missing.display())))
        }
    }
}

/// Checks what exists of the way to a folder that is about to be created.
pub(crate) fn check_existing_part(folder: &Path) -> io::Result<()> {
    walk(folder).map(drop)
}

/// Follows a path from the root, and refuses what another user can change. Returns the first part that does not exist.
fn walk(path: &Path) -> io::Result<Option<PathBuf>> {
    if !path.is_absolute() {
        let text = format!("{:?} is relative; set it to a whole path", path.to_string_lossy());
        return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
    }
    let trust = Trust::of_this_process();
    let mut todo = parts(path);
    let mut done = PathBuf::from("/");
    let mut links = 0;
    trust.check(&done, &fs::symlink_metadata(&done)?, todo.is_empty())?;
    while let Some(part) = todo.pop_front() {
        if part == ".." {
            done.pop();
            continue;
        }
        let next = done.join(&part);
        let seen = match fs::symlink_metadata(&next) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Some(next)),
            Err(error) => return Err(io::Error::new(error.kind(), format!("{}: {error}", next.display()))),
            Ok(seen) => seen,
        };
        trust.check(&next, &seen, todo.is_empty())?;
        if !seen.is_symlink() {
            done = next;
            continue;
        }
        links += 1;
        if links > LINKS {
            return Err(io::Error::other(format!("{} has too many links", path.display())));
        }
        let target = fs::read_link(&next)?;
        if target.is_absolute() {
            done = PathBuf::from("/");
        }
        let mut all = parts(&target);
        all.append(&mut todo);
        todo = all;
    }
    Ok(None)
}

fn parts(path: &Path) -> VecDeque<OsString> {
    let names = path.components().filter_map(|component| match component {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some(OsString::from("..")),
        _ => None,
    });
    names.collect()
}

/// The users that may change a folder.
struct Trust {
    user: u32,
    group: u32,
    /// The number that stands for every user that has none in this user namespace, for example for the machine's root.
    unmapped: Option<u32>,
}

impl Trust {
    fn of_this_process() -> Self {
        let (user, group) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
        Self { user, group, unmapped: unmapped_user() }
    }

    fn check(&self, path: &Path, seen: &Metadata, is_last: bool) -> io::Result<()> {
        let (owner, mode, shown) = (seen.uid(), seen.mode(), path.display());
        let is_foreign_root = !is_last && self.unmapped == Some(owner);
        if owner != 0 && owner != self.user && !is_foreign_root {
            let user = self.user;
            return refuse(format!("{shown} belongs to user {owner}, and this process runs as user {user}"));
        }
        if seen.is_symlink() {
            return Ok(());
        }
        if !seen.is_dir() {
            return Err(io::Error::new(io::ErrorKind::NotADirectory, format!("{shown} is no folder")));
        }
        let is_safe = !is_last && mode & STICKY != 0;
        // A group with the number of its user has no other member, by the convention of most systems.
        let is_own_group = seen.gid() == 0 || (seen.gid() == self.group && self.group == self.user);
        let who = if mode & OTHERS_WRITE != 0 {
            "every user".to_owned()
        } else if mode & GROUP_WRITES != 0 && !is_own_group {
            format!("group {}", seen.gid())
        } else {
            return Ok(());
        };
        if is_safe {
            return Ok(());
        }
        // A temporary folder is shared, and safe with the sticky bit.
        let advice = if is_last { "" } else { ", or `chmod +t` if users share it" };
        refuse(format!(
            "{who} can change {shown} (mode {:03o}); run `chmod go-w` on it{advice}",
            mode & 0o7777
        ))
    }
}

fn refuse(problem: String) -> io::Result<()> {
    Err(io::Error::new(io::ErrorKind::PermissionDenied, problem))
}

/// The number of users that this user namespace does not have (`user_namespaces(7)`); `None` where it has all.
fn unmapped_user() -> Option<u32> {
    let map = fs::read_to_string("/proc/self/uid_map").ok()?;
    let has_all = map.split_whitespace().eq(["0", "0", "4294967295"]);
    let overflow = || fs::read_to_string("/proc/sys/kernel/overflowuid").ok()?.trim().parse().ok();
    if has_all { None } else { overflow() }
}
