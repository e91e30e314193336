//! The run of an engine: everything that one process makes, in one folder.

use std::{
    fs,
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    path::{Path, PathBuf},
};

use testcelery_api::{Owner, PrivateFolder, Result, session_id};

use crate::{error::failed, guardian::Guardian, leftovers};

/// The file of a run's folder that says whose it is: the owner in its first line, the session in its second. The owner holds a lock on it as long
/// as it lives, which says so to those who cannot see its process: in other process namespaces, and on other machines that share the folder.
pub(crate) const WHOSE: &str = "owner";

/// A run with its folder and its guardian. Dropping it ends both.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) id: String,
    pub(crate) folder: PathBuf,
    guardian: Guardian,
    /// Locked until it is closed.
    _whose: fs::File,
}

impl Run {
    pub(crate) fn begin() -> Result<Self> {
        let base = base();
        let id = format!("{}-{}", std::process::id(), random());
        let folder = base.join(&id);
        let failed_base = failed("create folder", base.display().to_string());
        PrivateFolder::create_in_shared(&base).map_err(failed_base)?;
        // Before its folder: it also removes one that is half made when we are killed.
        let guardian =
            Guardian::start(&id, &folder).map_err(failed("start", "/bin/sh, which guards the run"))?;
        match make(&base, &folder) {
            Ok(whose) => Ok(Self { id, folder, guardian, _whose: whose }),
            Err(error) => {
                // What is half made.
                let _ = remove_folder(&folder);
                Err(failed("create folder", folder.display().to_string())(error))
            }
        }
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        // A container that is still there could not be removed.
        let is_empty = leftovers::folders(&self.folder).is_ok_and(|containers| containers.is_empty());
        let removed =
            if is_empty { remove_folder(&self.folder) } else { Err(io::Error::other("it is not empty")) };
        if let Err(error) = removed {
            tracing::warn!(folder = %self.folder.display(), %error, "the guardian takes a run away");
            self.guardian.take_over();
        }
        // Other runs may have theirs in it.
        let _ = fs::remove_dir(base());
    }
}

/// Some characters that nobody else has.
pub(crate) fn random() -> String {
    uuid::Uuid::new_v4().simple().to_string()[..8].to_owned()
}

/// Where the folders of all runs of this user are.
pub(crate) fn base() -> PathBuf {
    testcelery_api::temp_folder().join(format!("testcelery-{}", rustix::process::getuid().as_raw()))
}

/// Removes a folder; one that is gone is no error. A program may have left folders in it that not even their owner may write to.
pub(crate) fn remove_folder(folder: &Path) -> io::Result<()> {
    let removed = match fs::remove_dir_all(folder) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            open_up(folder)?;
            fs::remove_dir_all(folder)
        }
        result => result,
    };
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

/// Lets the owner write to a folder and those in it.
fn open_up(folder: &Path) -> io::Result<()> {
    fs::set_permissions(folder, fs::Permissions::from_mode(0o700))?;
    for entry in fs::read_dir(folder)?.flatten() {
        if entry.file_type()?.is_dir() {
            open_up(&entry.path())?;
        }
    }
    Ok(())
}

fn make(base: &Path, folder: &Path) -> io::Result<fs::File> {
    // The base goes with the last run: another process may remove it between these two.
    for _ in 0..100 {
        PrivateFolder::create_in_shared(base)?;
        match fs::DirBuilder::new().mode(0o700).create(folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
            Ok(()) => {
                // Whole or not at all: who reads it must not take half an owner for a dead one.
                let draft = folder.join("owner.new");
                let mut whose = fs::File::create_new(&draft)?;
                // A file system without locks has none to look at either.
                match whose.try_lock() {
                    Ok(()) => {}
                    Err(error) => tracing::debug!(%error, "the run is not locked"),
                }
                write!(whose, "{}\n{}\n", Owner::of_this_process(), session_id())?;
                fs::rename(draft, folder.join(WHOSE))?;
                return Ok(whose);
            }
        }
    }
    Err(io::Error::other("other processes keep removing it"))
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn the_guardian_takes_away_what_could_not_be_removed() {
        let run = Run::begin().unwrap();
        let folder = run.folder.clone();
        fs::create_dir(folder.join("a-container")).unwrap();
        drop(run);
        let begin = Instant::now();
        while folder.exists() {
            assert!(begin.elapsed() < Duration::from_secs(10), "{} stays", folder.display());
            std::thread::yield_now();
        }
    }
}
