//! Reading files of the user's.

use std::{
    fs,
    io::{self, Read as _},
    path::Path,
};

use crate::Error;

/// The largest module that is taken: more is data, or a mistake. In bytes.
const LARGEST_MODULE: u64 = 4 * 1024 * 1024;

/// The largest other file of a package that is taken, in bytes.
const LARGEST_FILE: u64 = 16 * 1024 * 1024;

/// The text of a module. `shown` is what errors call it, and `folder` where they say that it was looked for.
///
/// # Errors
/// When it cannot be read, is too large or is not UTF-8.
pub(crate) fn text(path: &Path, shown: &Path, folder: &Path) -> Result<String, Error> {
    utf8(bytes(path, shown, folder, LARGEST_MODULE)?, shown)
}

/// A file that is no module.
///
/// # Errors
/// When it cannot be read or is too large.
pub(crate) fn other(path: &Path, shown: &Path, folder: &Path) -> Result<Vec<u8>, Error> {
    bytes(path, shown, folder, LARGEST_FILE)
}

fn bytes(path: &Path, shown: &Path, folder: &Path, most: u64) -> Result<Vec<u8>, Error> {
    let failed =
        |source: io::Error| Error::Read { path: shown.to_owned(), folder: folder.to_owned(), source };
    let too_large = |size| Error::TooLarge { path: shown.to_owned(), size, most };
    let metadata = fs::metadata(path).map_err(failed)?;
    if let Some(kind) = not_a_file(&metadata) {
        return Err(Error::NotAFile { path: shown.to_owned(), kind });
    }
    if metadata.len() > most {
        return Err(too_large(metadata.len()));
    }
    let mut bytes = Vec::new();
    // The file may grow while it is read, and some files of the kernel say that they are empty.
    fs::File::open(path).and_then(|file| file.take(most + 1).read_to_end(&mut bytes)).map_err(failed)?;
    let size = bytes.len() as u64;
    if size > most { Err(too_large(size)) } else { Ok(bytes) }
}

/// What something is that is no regular file; `None` for one that is.
#[cfg(unix)]
fn not_a_file(metadata: &fs::Metadata) -> Option<&'static str> {
    use std::os::unix::fs::FileTypeExt as _;

    let kind = metadata.file_type();
    match kind {
        _ if kind.is_file() => None,
        _ if kind.is_dir() => Some("a folder"),
        _ if kind.is_fifo() => Some("a FIFO"),
        _ if kind.is_socket() => Some("a socket"),
        _ => Some("a device"),
    }
}

/// What something is that is no regular file; `None` for one that is.
#[cfg(not(unix))]
fn not_a_file(metadata: &fs::Metadata) -> Option<&'static str> {
    (!metadata.is_file()).then_some("no file")
}

/// Text of UTF-8, or the first line that is not.
pub(crate) fn utf8(bytes: Vec<u8>, shown: &Path) -> Result<String, Error> {
    String::from_utf8(bytes).map_err(|error| {
        let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = valid.iter().filter(|byte| **byte == b'\n').count() + 1;
        Error::NotUtf8 { path: shown.to_owned(), line }
    })
}

/// The permission bits that a file gets in the worker: everything is readable there, and what may be executed may be.
#[cfg(unix)]
pub(crate) fn mode(metadata: &fs::Metadata) -> u32 {
    use std::os::unix::fs::PermissionsExt as _;

    if metadata.permissions().mode() & 0o111 == 0 { 0o644 } else { 0o755 }
}

/// The permission bits that a file gets in the worker.
#[cfg(not(unix))]
pub(crate) fn mode(_: &fs::Metadata) -> u32 {
    0o644
}
