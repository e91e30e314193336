//! Locks between processes, for work that one of them does for all: the build of an image, the filling of a cache.
//!
//! A lock is a file of a [`PrivateFolder`], so that no other user can hold it or put something else in its place.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Write},
    path::PathBuf,
    thread,
    time::{Duration, Instant},
};

use crate::PrivateFolder;

/// Time limit for the wait for a lock. Builds and downloads over a slow network take some minutes. 30 minutes.
pub const LOCK_TIMEOUT: Duration = Duration::from_secs(1800);

/// Interval between two attempts.
const INTERVAL: Duration = Duration::from_millis(50);

/// A wait that takes longer is announced on standard error.
const ANNOUNCED_AFTER: Duration = Duration::from_secs(2);

/// A lock that this process holds until it is dropped. It ends with the process too, whatever happens to that.
///
/// Dropping removes the file, and the folder if nothing else is in it.
#[derive(Debug)]
pub struct LockFile {
    path: PathBuf,
    file: File,
}

impl LockFile {
    /// Takes the lock of a name, if no other holder has it.
    ///
    /// # Errors
    /// When the file cannot be opened, or something else than a file has its name.
    pub fn try_take(folder: &PrivateFolder, name: &str) -> io::Result<Option<Self>> {
        let path = folder.path().join(name);
        loop {
            let mut file = match open(&path) {
                // The holder before has removed the folder with its file.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    PrivateFolder::create(folder.path())?;
                    continue;
                }
                opened => opened.map_err(|error| named(&path, &error))?,
            };
            match file.try_lock() {
                Err(TryLockError::WouldBlock) => return Ok(None),
                Err(TryLockError::Error(error)) => return Err(named(&path, &error)),
                Ok(()) => {}
            }
            // The holder before removes its file: the lock of a file without a name protects nothing.
            if is_at(&file, &path) {
                file.set_len(0)?;
                writeln!(file, "{}", std::process::id())?;
                return Ok(Some(Self { path, file }));
            }
        }
    }

    /// Takes the lock, and blocks the thread as long as another holder has it. `purpose` is what the lock is held for, for example
    /// "the build of `worker:1`". A wait of more than 2 s is announced on standard error.
    ///
    /// # Errors
    /// As [`try_take`](Self::try_take), and when the time is up: with the purpose, the holder and the path.
    pub fn take(folder: &PrivateFolder, name: &str, purpose: &str, timeout: Duration) -> io::Result<Self> {
        let mut wait = Wait::new(folder, name, purpose, timeout);
        loop {
            match Self::try_take(folder, name)? {
                Some(lock) => return Ok(lock),
                None => wait.next()?,
            }
            pause();
        }
    }

    /// As [`take`](Self::take), without blocking the thread. Cancel safe.
    ///
    /// # Errors
    /// As [`take`](Self::take).
    pub async fn take_async(
        folder: &PrivateFolder,
        name: &str,
        purpose: &str,
        timeout: Duration,
    ) -> io::Result<Self> {
        let mut wait = Wait::new(folder, name, purpose, timeout);
        loop {
            match Self::try_take(folder, name)? {
                Some(lock) => return Ok(lock),
                None => wait.next()?,
            }
            tokio::time::sleep(INTERVAL).await;
        }
    }

    /// The open file, for child processes that are to hold the lock as long as they live.
    pub fn file(&self) -> &File {
        &self.file
    }
}

impl Drop for LockFile {
    fn drop(&mut self) {
        // Before the lock ends: whoever waits for this file sees that it has no name any more, and makes a new one.
        let _ = fs::remove_file(&self.path);
        let _ = self.path.parent().map(fs::remove_dir);
        // For children that still have it.
        let _ = self.file.unlock();
    }
}

/// A wait for a lock that another process holds.
struct Wait<'a> {
    path: PathBuf,
    purpose: &'a str,
    timeout: Duration,
    begin: Instant,
    is_announced: bool,
}

impl<'a> Wait<'a> {
    fn new(folder: &PrivateFolder, name: &str, purpose: &'a str, timeout: Duration) -> Self {
        let path = folder.path().join(name);
        Self { path, purpose, timeout, begin: Instant::now(), is_announced: false }
    }

    /// Fails when the time is up.
    fn next(&mut self) -> io::Result<()> {
        let waited = self.begin.elapsed();
        if waited >= self.timeout {
            let text = format!(
                "{} is not done after {:.1?}: {} holds the lock {}; wait for that process or stop it, and run again",
                self.purpose,
                self.timeout,
                self.holder(),
                self.path.display()
            );
            return Err(io::Error::new(io::ErrorKind::TimedOut, text));
        }
        if waited >= ANNOUNCED_AFTER && !self.is_announced {
            self.is_announced = true;
            let (holder, purpose, limit) = (self.holder(), self.purpose, self.timeout.as_secs());
            // Not through a macro: what a test prints is kept back unless it fails.
            let _ =
                writeln!(io::stderr(), "testcelery: waiting for {purpose} by {holder}, for up to {limit} s");
        }
        Ok(())
    }

    fn holder(&self) -> String {
        let text = fs::read_to_string(&self.path).unwrap_or_default();
        match text.trim().parse::<u32>() {
            Ok(pid) => format!("process {pid}"),
            Err(_) => "another process".to_owned(),
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a lock of another process ends without a word, and a blocking wait has no bound"
)]
fn pause() {
    thread::sleep(INTERVAL);
}

fn named(path: &std::path::Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

#[cfg(unix)]
fn open(path: &std::path::Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt as _;

    use rustix::fs::OFlags;

    // No link is followed, and a FIFO does not block.
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600).custom_flags(flags);
    let file = options.open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("something that is no file has the name of a lock; remove it"));
    }
    Ok(file)
}

#[cfg(not(unix))]
fn open(path: &std::path::Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)
}

/// Returns true if the file still has this path.
#[cfg(unix)]
fn is_at(file: &File, path: &std::path::Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;

    let number = |metadata: fs::Metadata| (metadata.dev(), metadata.ino());
    let there = fs::symlink_metadata(path).map(number);
    file.metadata().map(number).is_ok_and(|own| there.is_ok_and(|there| own == there))
}

#[cfg(not(unix))]
fn is_at(_: &File, path: &std::path::Path) -> bool {
    path.exists()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    fn folder() -> (tempfile::TempDir, PrivateFolder) {
        let temp = crate::private_folder::temporary();
        let folder = PrivateFolder::create(temp.path().join("locks")).unwrap();
        (temp, folder)
    }

    #[test]
    fn a_lock_leaves_no_file() {
        let (_temp, folder) = folder();
        let lock = LockFile::try_take(&folder, "a.lock").unwrap().unwrap();
        assert!(LockFile::try_take(&folder, "a.lock").unwrap().is_none());
        let other = LockFile::try_take(&folder, "b.lock").unwrap();
        assert!(other.is_some());
        drop((lock, other));
        assert!(!folder.path().exists());
        assert!(LockFile::try_take(&folder, "a.lock").unwrap().is_some());
    }

    #[test]
    fn one_holder_at_a_time() {
        let (_temp, folder) = folder();
        let holders = AtomicU32::new(0);
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..50 {
                        let lock = LockFile::take(&folder, "a.lock", "the test", LONG).unwrap();
                        assert_eq!(holders.fetch_add(1, Ordering::SeqCst), 0);
                        thread::yield_now();
                        holders.fetch_sub(1, Ordering::SeqCst);
                        drop(lock);
                    }
                });
            }
        });
    }

    #[tokio::test]
    async fn a_wait_has_an_end_that_names_the_holder() {
        let (_temp, folder) = folder();
        let _held = LockFile::try_take(&folder, "a.lock").unwrap();
        let short = Duration::from_millis(1);
        let blocking = LockFile::take(&folder, "a.lock", "the build of `x:1`", short).unwrap_err();
        let waiting = LockFile::take_async(&folder, "a.lock", "the build of `x:1`", short).await.unwrap_err();
        for error in [blocking, waiting] {
            let text = error.to_string();
            assert_eq!(error.kind(), io::ErrorKind::TimedOut);
            assert!(text.contains("the build of `x:1` is not done after 1.0ms"), "{text}");
            assert!(text.contains(&format!("process {} holds", std::process::id())), "{text}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn neither_a_link_nor_a_fifo_is_a_lock() {
        let (temp, folder) = folder();
        let target = temp.path().join("target");
        std::os::unix::fs::symlink(&target, folder.path().join("link")).unwrap();
        LockFile::try_take(&folder, "link").unwrap_err();
        assert!(!target.exists());
        let fifo = folder.path().join("fifo");
        assert!(std::process::Command::new("mkfifo").arg(&fifo).status().unwrap().success());
        let text = LockFile::try_take(&folder, "fifo").unwrap_err().to_string();
        assert!(text.contains("no file has the name of a lock"), "{text}");
    }
}
