//! The private cache: folders that are filled once, by one process at a time, and never used half.

use std::{
    fs, io,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

use rustix::io::FdFlags;
use testcelery_api::{BoxError, LOCK_TIMEOUT, LockFile, PrivateFolder};

use crate::run::remove_folder;

/// The variable that names another folder.
pub(crate) const CACHE_VARIABLE: &str = "TESTCELERY_CACHE";

/// Written last: a folder without it was left by a run that was killed.
const COMPLETE: &str = ".complete";

/// `TESTCELERY_CACHE`, else `testcelery` in the system's folder for caches.
pub(crate) fn folder() -> PathBuf {
    use etcetera::BaseStrategy as _;

    if let Some(folder) = std::env::var_os(CACHE_VARIABLE).filter(|folder| !folder.is_empty()) {
        return PathBuf::from(folder);
    }
    match etcetera::choose_base_strategy() {
        Ok(strategy) => strategy.cache_dir().join("testcelery"),
        // Nobody's home is known.
        Err(_) => testcelery_api::temp_folder()
            .join(format!("testcelery-{}-cache", rustix::process::getuid().as_raw())),
    }
}

/// A folder of the cache that is complete.
///
/// # Errors
/// When another user can change it: its programs are executed as this user.
pub(crate) fn complete(cache: &Path, kind: &str, key: &str) -> Result<Option<PathBuf>, BoxError> {
    let folder = cache.join(kind).join(key);
    match PrivateFolder::open(&folder) {
        Ok(_) => Ok(folder.join(COMPLETE).exists().then_some(folder)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(explain(cache, error.into())),
    }
}

/// The folder, filled where it was not. Of several processes one fills it and the others wait.
///
/// # Errors
/// When it cannot be written to, and when filling fails; nothing is left of it then.
pub(crate) fn filled(
    cache: &Path,
    kind: &str,
    key: &str,
    fill: impl FnOnce(&Path) -> Result<(), BoxError>,
) -> Result<PathBuf, BoxError> {
    if let Some(folder) = complete(cache, kind, key)? {
        return Ok(folder);
    }
    let folder = cache.join(kind).join(key);
    let told = |error: io::Error| explain(cache, error.into());
    let parent = PrivateFolder::create(cache.join(kind)).map_err(told)?;
    let purpose = format!("the filling of {}", folder.display());
    let lock = LockFile::take(&parent, &format!("{key}.lock"), &purpose, LOCK_TIMEOUT).map_err(told)?;
    // The tools that fill it get the lock too: they may outlive a process that is killed, and write on.
    rustix::io::fcntl_setfd(lock.file(), FdFlags::empty()).map_err(|error| told(error.into()))?;
    fill_locked(cache, kind, key, &folder, fill).map(|()| folder)
}

fn fill_locked(
    cache: &Path,
    kind: &str,
    key: &str,
    folder: &Path,
    fill: impl FnOnce(&Path) -> Result<(), BoxError>,
) -> Result<(), BoxError> {
    let told = |error: io::Error| explain(cache, error.into());
    if complete(cache, kind, key)?.is_some() {
        return Ok(());
    }
    remove_folder(folder).map_err(told)?;
    fs::DirBuilder::new().mode(0o700).create(folder).map_err(told)?;
    let filled = fill(folder).and_then(|()| Ok(fs::write(folder.join(COMPLETE), "")?));
    if let Err(error) = filled {
        // What cannot be removed now is removed by who fills it next.
        let _ = remove_folder(folder);
        return Err(explain(cache, error));
    }
    Ok(())
}

/// What the system says of a full disk, which tools repeat in their own messages (in English: see [`tool`](crate::programs)).
const FULL: [&str; 2] = ["No space left on device", "Disk quota exceeded"];

/// Whether a tool failed because there is no room.
pub(crate) fn tells_of_a_full_disk(error: &(dyn std::error::Error + Send + Sync)) -> bool {
    let text = error.to_string();
    FULL.iter().any(|full| text.contains(full))
}

fn explain(cache: &Path, error: BoxError) -> BoxError {
    use io::ErrorKind::{
        InvalidInput, NotADirectory, PermissionDenied, QuotaExceeded, ReadOnlyFilesystem, StorageFull,
    };
    let advice = match error.downcast_ref::<io::Error>().map(io::Error::kind) {
        Some(PermissionDenied | ReadOnlyFilesystem | NotADirectory | InvalidInput) => {
            "name a folder that you, and no other user, can write to,"
        }
        Some(StorageFull | QuotaExceeded) => "make room, or name a folder elsewhere",
        None if tells_of_a_full_disk(&*error) => "make room, or name a folder elsewhere",
        _ => return error,
    };
    format!("the cache folder {} cannot be used: {advice} with {CACHE_VARIABLE}: {error}", cache.display())
        .into()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn filled_once_however_many_ask() {
        let cache = tempfile::tempdir().unwrap();
        let fills = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    let folder = filled(cache.path(), "kind", "key", |folder| {
                        fills.fetch_add(1, Ordering::SeqCst);
                        Ok(fs::write(folder.join("file"), "whole")?)
                    });
                    assert_eq!(fs::read_to_string(folder.unwrap().join("file")).unwrap(), "whole");
                });
            }
        });
        assert_eq!(fills.into_inner(), 1);
    }

    #[test]
    fn half_a_folder_is_done_again() {
        let cache = tempfile::tempdir().unwrap();
        let half = cache.path().join("kind/key");
        fs::create_dir_all(&half).unwrap();
        fs::write(half.join("rest"), "of a killed run").unwrap();
        assert_eq!(complete(cache.path(), "kind", "key").unwrap(), None);
        let folder =
            filled(cache.path(), "kind", "key", |folder| Ok(fs::write(folder.join("file"), "")?)).unwrap();
        assert!(!folder.join("rest").exists() && folder.join("file").exists());
    }

    #[test]
    fn what_others_may_have_planted_is_not_used() {
        use std::os::unix::fs::PermissionsExt as _;

        let cache = tempfile::tempdir().unwrap();
        let folder = filled(cache.path(), "kind", "key", |_| Ok(())).unwrap();
        assert_eq!(complete(cache.path(), "kind", "key").unwrap().as_deref(), Some(&*folder));
        for open in [folder.parent().unwrap(), &folder] {
            let mode = |mode| fs::set_permissions(open, fs::Permissions::from_mode(mode)).unwrap();
            mode(0o777);
            for error in [
                complete(cache.path(), "kind", "key").map(drop),
                filled(cache.path(), "kind", "key", |_| Ok(())).map(drop),
            ] {
                let text = error.unwrap_err().to_string();
                assert!(text.contains("every user can change") && text.contains(CACHE_VARIABLE), "{text}");
            }
            mode(0o700);
        }
    }

    #[test]
    fn a_failed_fill_leaves_nothing_and_says_why() {
        let cache = tempfile::tempdir().unwrap();
        let error = filled(cache.path(), "kind", "key", |_| Err("no network".into())).unwrap_err();
        assert_eq!(error.to_string(), "no network");
        assert!(!cache.path().join("kind").exists());
    }

    #[test]
    fn a_cache_that_cannot_be_used_is_told_with_the_variable() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = filled(file.path(), "kind", "key", |_| Ok(())).unwrap_err().to_string();
        assert!(error.contains("cannot be used") && error.contains(CACHE_VARIABLE), "{error}");
        let error = filled(Path::new("here"), "kind", "key", |_| Ok(())).unwrap_err().to_string();
        assert!(error.contains("whole path") && error.contains(CACHE_VARIABLE), "{error}");
        let full = || io::Error::from(io::ErrorKind::StorageFull);
        let cache = tempfile::tempdir().unwrap();
        let error = filled(cache.path(), "kind", "key", |_| Err(full().into())).unwrap_err().to_string();
        assert!(error.contains("make room") && error.contains(CACHE_VARIABLE), "{error}");
        let told = || "`pip` failed:\n  | OSError: [Errno 28] No space left on device";
        let error = filled(cache.path(), "kind", "key", |_| Err(told().into())).unwrap_err().to_string();
        assert!(error.contains("make room") && error.contains("`pip` failed"), "{error}");
    }
}
