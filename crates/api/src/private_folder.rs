//! Folders whose content is trusted: executed, imported, or obeyed as a lock.
//!
//! Engines and tasks ask this module before they use such a folder: the cache of programs, the folders of runs, the folder of locks. On systems
//! other than Unix nothing is checked.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

#[cfg(unix)]
use crate::folder_check::{check, check_existing_part};

/// The usual folder for temporary files, where `TMPDIR` names none that every program can use.
const USUAL_TEMP: &str = "/tmp";

/// How often a folder is created that other processes keep removing.
const ATTEMPTS: usize = 100;

/// A folder whose content only this user and root can change.
///
/// "Only" includes the way to the folder: whoever may rename one of its parents may replace it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrivateFolder {
    path: PathBuf,
}

impl PrivateFolder {
    /// Creates the folder with mode 0700 where it is missing, parents included, and checks it.
    ///
    /// # Errors
    /// When it cannot be created, when its path is relative, or when another user can change it. In the last case nothing is created.
    pub fn create(path: impl Into<PathBuf>) -> io::Result<Self> {
        let path = path.into();
        #[cfg(unix)]
        check_existing_part(&path)?;
        let mut attempts = 1;
        loop {
            // Whoever leaves a folder last may remove it between these two.
            match create_folder(&path).and_then(|()| Self::open(&path)) {
                Err(error) if error.kind() == io::ErrorKind::NotFound && attempts < ATTEMPTS => attempts += 1,
                // The check saw nothing there: the way ends at a link.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    let text = format!("{} has a link in it that leads nowhere", path.display());
                    return Err(io::Error::new(io::ErrorKind::NotADirectory, text));
                }
                made => return made,
            }
        }
    }

    /// Checks a folder that exists.
    ///
    /// # Errors
    /// When it does not exist (`NotFound`), when its path is relative, or when another user can change it.
    pub fn open(path: impl Into<PathBuf>) -> io::Result<Self> {
        let path = path.into();
        #[cfg(unix)]
        check(&path)?;
        #[cfg(not(unix))]
        fs::read_dir(&path)?;
        Ok(Self { path })
    }

    /// Creates and checks the folder `testcelery-<user>-<name>` in [`temp_folder`].
    ///
    /// # Errors
    /// As [`create`](Self::create). A link in place of the folder is refused too.
    pub fn in_temp(name: &str) -> io::Result<Self> {
        let path = temp_folder().join(format!("testcelery-{}-{name}", user()));
        Self::create_in_shared(path)
    }

    /// Creates and checks a folder in a folder that other users may write to. A link in its place is refused.
    ///
    /// # Errors
    /// As [`create`](Self::create), with advice for a temporary folder.
    pub fn create_in_shared(path: impl Into<PathBuf>) -> io::Result<Self> {
        let path = path.into();
        let advise = |error: io::Error| {
            let advice = "remove it, or set TMPDIR to a folder of your own";
            io::Error::new(error.kind(), format!("{error}; {advice}"))
        };
        if let Some(parent) = path.parent().filter(|parent| !parent.is_dir()) {
            let text =
                format!("there is no folder {}; create it, or set TMPDIR to another one", parent.display());
            return Err(io::Error::new(io::ErrorKind::NotADirectory, text));
        }
        let folder = Self::create(&path).map_err(advise)?;
        if fs::symlink_metadata(&path).is_ok_and(|it| it.is_symlink()) {
            return Err(advise(io::Error::other(format!("{} is a link and no folder", path.display()))));
        }
        Ok(folder)
    }

    /// The path, as it was given.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// The folder for temporary files: `TMPDIR` if it is an absolute path of letters, digits and `_./@%+-`, else `/tmp`.
///
/// Shell scripts, configuration files and lists of folders cannot carry other characters in a path. An empty variable counts as unset.
pub fn temp_folder() -> PathBuf {
    choose_temp(std::env::temp_dir())
}

fn choose_temp(wanted: PathBuf) -> PathBuf {
    if cfg!(unix) && !is_plain(&wanted) { PathBuf::from(USUAL_TEMP) } else { wanted }
}

/// Returns true for an absolute path that shell scripts, configuration files and lists of folders can carry without quotes.
pub fn is_plain(path: &Path) -> bool {
    let is_usual = |c: char| c.is_ascii_alphanumeric() || "_./@%+-".contains(c);
    path.is_absolute() && path.to_str().is_some_and(|path| path.chars().all(is_usual))
}

#[cfg(unix)]
fn create_folder(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;

    fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

#[cfg(not(unix))]
fn create_folder(path: &Path) -> io::Result<()> {
    fs::create_dir_all(path)
}

#[cfg(unix)]
fn user() -> u32 {
    rustix::process::getuid().as_raw()
}

#[cfg(not(unix))]
fn user() -> &'static str {
    "user"
}

/// A folder for a test, of this user alone whatever the umask is.
#[cfg(all(test, unix))]
#[expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]
pub(crate) fn temporary() -> tempfile::TempDir {
    use std::os::unix::fs::PermissionsExt as _;

    tempfile::Builder::new().permissions(std::fs::Permissions::from_mode(0o700)).tempdir().unwrap()
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};

    use super::*;

    fn mode(path: &Path) -> u32 {
        path.metadata().unwrap().mode() & 0o777
    }

    fn set_mode(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    fn refusal(path: &Path) -> String {
        PrivateFolder::create(path).unwrap_err().to_string()
    }

    #[test]
    fn a_new_folder_is_for_its_user_alone() {
        let temp = temporary();
        let path = temp.path().join("parent/folder");
        assert_eq!(PrivateFolder::create(&path).unwrap().path(), path);
        assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o700, 0o700));
        assert_eq!(PrivateFolder::open(&path).unwrap(), PrivateFolder::create(&path).unwrap());
    }

    #[test]
    fn a_folder_that_others_can_write_to_is_refused() {
        let temp = temporary();
        let path = temp.path().join("folder");
        fs::create_dir(&path).unwrap();
        for open in [0o777, 0o1777, 0o703] {
            set_mode(&path, open);
            let text = refusal(&path);
            assert!(text.contains("every user can change") && text.contains("chmod go-w"), "{text}");
        }
        set_mode(&path, 0o755);
        PrivateFolder::open(&path).unwrap();
    }

    #[test]
    fn a_parent_that_others_can_write_to_is_refused_unless_it_is_sticky() {
        let temp = temporary();
        let parent = temp.path().join("shared");
        fs::create_dir(&parent).unwrap();
        set_mode(&parent, 0o777);
        let path = parent.join("folder");
        let text = refusal(&path);
        assert!(text.contains(&parent.display().to_string()) && !path.exists(), "{text}");
        set_mode(&parent, 0o1777);
        PrivateFolder::create(path).unwrap();
    }

    #[test]
    fn links_lead_to_what_is_checked() {
        let temp = temporary();
        let [open, closed] = ["open", "closed"].map(|name| temp.path().join(name));
        for folder in [&open, &closed] {
            fs::create_dir(folder).unwrap();
        }
        set_mode(&closed, 0o700);
        set_mode(&open, 0o777);
        let link = temp.path().join("link");
        symlink("closed", &link).unwrap();
        PrivateFolder::open(&link).unwrap();
        let text = PrivateFolder::create_in_shared(&link).unwrap_err().to_string();
        assert!(text.contains("is a link") && text.contains("TMPDIR"), "{text}");
        fs::remove_file(&link).unwrap();
        symlink(&open, &link).unwrap();
        assert!(refusal(&link).contains(&open.display().to_string()));
        assert!(refusal(&link.join("more")).contains(&open.display().to_string()));
    }

    #[test]
    fn a_dangling_link_creates_nothing() {
        let temp = temporary();
        let (link, target) = (temp.path().join("link"), temp.path().join("target"));
        symlink(&target, &link).unwrap();
        assert!(refusal(&link).contains(&format!("{} has a link in it that leads nowhere", link.display())));
        PrivateFolder::create_in_shared(&link).unwrap_err();
        assert!(!target.exists());
    }

    #[test]
    fn a_circle_of_links_ends() {
        let temp = temporary();
        let [one, other] = ["one", "other"].map(|name| temp.path().join(name));
        symlink(&one, &other).unwrap();
        symlink(&other, &one).unwrap();
        assert!(refusal(&one).contains("too many links"));
    }

    #[test]
    fn what_is_no_folder_and_what_is_relative_is_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        PrivateFolder::create(file.path()).unwrap_err();
        assert!(refusal(Path::new("here")).contains("whole path"));
        let missing = file.path().with_extension("missing");
        assert_eq!(PrivateFolder::open(missing).unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    /// Only root can give a folder away.
    #[test]
    fn a_folder_of_another_user_is_refused() {
        let temp = temporary();
        let path = temp.path().join("planted");
        fs::create_dir(&path).unwrap();
        if std::os::unix::fs::chown(&path, Some(65_534), None).is_ok() {
            for folder in [path.clone(), path.join("below")] {
                let text = refusal(&folder);
                assert!(text.contains("belongs to user 65534"), "{text}");
            }
            assert!(!path.join("below").exists());
        }
    }

    #[test]
    fn temporary_folders_have_plain_paths() {
        assert_eq!(choose_temp("/var/folders/x_1/T/".into()), Path::new("/var/folders/x_1/T/"));
        for awkward in ["", "here", "./tmp", "/a b", "/a'b", "/a\"b", "/a\nb", "/a:b", "/a$b", "/ä"] {
            assert_eq!(choose_temp(awkward.into()), Path::new(USUAL_TEMP), "{awkward:?}");
        }
    }
}
