//! What a failed test leaves on disk.

use std::{
    fs,
    hash::{DefaultHasher, Hash as _, Hasher as _},
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
    target_dir().join("testcelery").join(folder_name(test))
}

/// The longest name of a folder in bytes; file systems take 255.
const LONGEST_NAME: usize = 200;

/// A test's path as the name of one folder that every shell takes without quotes. A name that is cut short ends with a hash of the path.
fn folder_name(test: &str) -> String {
    let plain = |c: char| if c.is_alphanumeric() || matches!(c, '_' | '-' | '.') { c } else { '_' };
    let parts = test.split("::").map(|part| part.strip_prefix("r#").unwrap_or(part));
    let name: String = parts.collect::<Vec<_>>().join(".").chars().map(plain).collect();
    // Neither hidden nor the folder above.
    let name = if name.is_empty() || name.starts_with('.') { format!("_{name}") } else { name };
    if name.len() <= LONGEST_NAME {
        return name;
    }
    let mut hasher = DefaultHasher::new();
    test.hash(&mut hasher);
    format!("{}-{:016x}", &name[..name.floor_char_boundary(LONGEST_NAME - 17)], hasher.finish())
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
    fn a_test_s_path_becomes_the_name_of_a_folder() {
        for (test, name) in [
            ("shop::hello::rabbitmq_redis", "shop.hello.rabbitmq_redis"),
            ("shop::r#break::r#loop", "shop.break.loop"),
            ("<impl shop::X<'a>>::f/..", "_impl_shop.X__a__.f_.."),
            ("../../etc", "_.._.._etc"),
            ("a b\n$(c)", "a_b___c_"),
            ("tests::Grüße", "tests.Grüße"),
            ("", "_"),
        ] {
            assert_eq!(folder_name(test), name);
        }
        let long = |end: &str| folder_name(&format!("{}::{end}", "é".repeat(300)));
        assert!(long("a").len() <= LONGEST_NAME && long("a") != long("b"), "{}", long("a"));
    }

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
