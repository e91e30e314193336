//! What a failed test leaves on disk.

use std::{
    fs,
    path::{Path, PathBuf},
};

use testcelery_api::Logs;

use crate::{Error, Result, kept_errors::KeptErrors};

/// Writes every node's log and the whole errors of results under `target/testcelery/<test>/` and returns that folder.
pub(crate) fn keep(test: &str, failure: &str, errors: &KeptErrors, logs: &[Logs]) -> Result<PathBuf> {
    let folder = folder(test);
    // What an earlier run left would be mistaken for this run's.
    if folder.exists() {
        fs::remove_dir_all(&folder).map_err(failed(&folder))?;
    }
    fs::create_dir_all(&folder).map_err(failed(&folder))?;
    write(&folder.join("failure.txt"), failure)?;
    if let Some(errors) = errors.text() {
        write(&folder.join("errors.txt"), &errors)?;
    }
    for log in logs {
        let mut text = log.text();
        let dropped = log.dropped();
        if dropped > 0 {
            text.insert_str(0, &format!("[{dropped} older lines were dropped]\n"));
        }
        write(&folder.join(format!("{}.log", log.container())), &text)?;
    }
    Ok(folder)
}

fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).map_err(failed(path))
}

fn failed(path: &Path) -> impl FnOnce(std::io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::Report { path, source }
}

fn folder(test: &str) -> PathBuf {
    let name = test.replace("::", ".");
    target_dir().join("testcelery").join(name)
}

/// The target folder that the running test binary lies in, so that a workspace has one place; else `target` right here.
fn target_dir() -> PathBuf {
    let from_binary = std::env::current_exe().ok().and_then(|exe| {
        let target = exe.ancestors().find(|folder| folder.join("CACHEDIR.TAG").exists())?;
        Some(target.to_owned())
    });
    from_binary.unwrap_or_else(|| PathBuf::from("target"))
}

#[cfg(test)]
mod tests {
    use testcelery_api::Stream;

    use super::*;

    #[test]
    fn every_log_is_kept_and_old_ones_go() {
        let first = Logs::new("broker");
        first.push(Stream::Stdout, b"up\n");
        let folder = keep("evidence::tests::kept", "boom", &KeptErrors::default(), &[first]).unwrap();
        assert_eq!(fs::read_to_string(folder.join("broker.log")).unwrap(), "up\n");
        assert_eq!(fs::read_to_string(folder.join("failure.txt")).unwrap(), "boom");
        keep("evidence::tests::kept", "again", &KeptErrors::default(), &[Logs::new("worker")]).unwrap();
        assert!(!folder.join("broker.log").exists() && folder.join("worker.log").exists());
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn what_the_log_has_dropped_is_named() {
        let log = Logs::new("worker");
        log.push(Stream::Stdout, "line\n".repeat(20_001).as_bytes());
        let folder = keep("evidence::tests::dropped", "boom", &KeptErrors::default(), &[log]).unwrap();
        let text = fs::read_to_string(folder.join("worker.log")).unwrap();
        assert!(text.starts_with("[1 older lines were dropped]\nline\n"), "{}", &text[..60]);
        assert!(!folder.join("errors.txt").exists());
        fs::remove_dir_all(folder).unwrap();
    }
}
