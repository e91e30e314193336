//! Programs that are installed.

use std::{
    fs,
    io::{self, Read},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};

use testcelery_api::{BoxError, Program};

use super::{Installed, Sources, tool, variable};

/// The program at its explicit path, in its own folders, or on `PATH`.
///
/// # Errors
/// When the explicit path is no program, and when what is found is too old.
pub(crate) fn on_this_machine(sources: &Sources, program: &Program) -> Result<Option<Installed>, BoxError> {
    if let Some(path) = sources.explicit(&program.name)? {
        check_version(program, &path)?;
        return Ok(Some(installed(sources, program, &path, &variable(&program.name))));
    }
    let Some(path) = look_up(sources, &program.folders, &program.name) else { return Ok(None) };
    check_version(program, &path)?;
    Ok(Some(installed(sources, program, &path, "installed")))
}

fn installed(sources: &Sources, program: &Program, path: &Path, rule: &str) -> Installed {
    let name = &program.name;
    Installed {
        path: path.parent().map(Path::to_owned).into_iter().collect(),
        path_behind: sources.folders().collect(),
        alias: (path.file_name() != Some(name.as_ref())).then(|| (name.clone(), path.to_owned())),
        libraries: Vec::new(),
        origin: format!("{} ({rule})", path.display()),
    }
}

/// The first program of a name in some folders and on `PATH`.
pub(crate) fn look_up(sources: &Sources, folders: &[String], name: &str) -> Option<PathBuf> {
    let folders = folders.iter().map(PathBuf::from);
    let mut found = folders.chain(sources.folders()).map(|folder| folder.join(name));
    found.find(|path| is_usable(path))
}

/// Returns true for a program that not every user of this machine can change.
pub(crate) fn is_usable(path: &Path) -> bool {
    is_program(path) && !is_open_to_all(path)
}

/// Returns true for a file or folder that every user of this machine can change.
pub(crate) fn is_open_to_all(path: &Path) -> bool {
    path.metadata().is_ok_and(|it| it.permissions().mode() & 0o002 != 0)
}

/// Whether there is a file that may be executed.
pub(crate) fn is_program(path: &Path) -> bool {
    path.metadata().is_ok_and(|it| it.is_file() && it.permissions().mode() & 0o111 != 0)
}

/// Whether a file is for an interpreter.
pub(crate) fn is_script(path: &Path) -> io::Result<bool> {
    let mut start = Vec::new();
    fs::File::open(path)?.take(2).read_to_end(&mut start)?;
    Ok(start == b"#!")
}

fn check_version(program: &Program, path: &Path) -> Result<(), BoxError> {
    let Some(needed) = program.at_least else { return Ok(()) };
    let told = tool::ask(Command::new(path).arg("--version"))?;
    let seen = version(&told).ok_or_else(|| {
        format!(
            "{} --version does not tell a version: {:?}",
            path.display(),
            told.lines().next().unwrap_or_default()
        )
    })?;
    if seen >= needed {
        return Ok(());
    }
    let text = format!(
        "{} is version {}.{}, and {}.{} or newer is needed; update it, or set {} to another one",
        path.display(),
        seen.0,
        seen.1,
        needed.0,
        needed.1,
        variable(&program.name)
    );
    Err(text.into())
}

/// The first `number.number` of a text that does not belong to a word.
fn version(text: &str) -> Option<(u32, u32)> {
    text.split(|c: char| !(c.is_ascii_digit() || c == '.')).find_map(|word| {
        let mut numbers = word.split('.');
        Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn script(folder: &Path, name: &str, says: &str) -> PathBuf {
        let path = folder.join(name);
        fs::write(&path, format!("#!/bin/sh\necho '{says}'\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    fn sources(path: &Path) -> Sources {
        Sources { cache: path.join("cache"), explicit: BTreeMap::new(), path: path.as_os_str().to_owned() }
    }

    #[test]
    fn versions_as_servers_tell_them() {
        assert_eq!(
            version("Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64"),
            Some((7, 0))
        );
        assert_eq!(version("memcached 1.6.18"), Some((1, 6)));
        assert_eq!(version("no version"), None);
    }

    #[test]
    fn too_old_on_path_is_told_with_both_versions() {
        let folder = tempfile::tempdir().unwrap();
        script(folder.path(), "redis-server", "Redis server v=5.0.3 sha=0");
        let program = Program::new("redis-server").at_least(6, 2);
        let error = on_this_machine(&sources(folder.path()), &program).unwrap_err().to_string();
        assert!(error.contains("is version 5.0, and 6.2 or newer is needed"), "{error}");
        assert!(error.contains("TESTCELERY_REDIS_SERVER"), "{error}");
    }

    #[test]
    fn explicit_before_own_folders_before_path() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["a", "b", "c"] {
            fs::create_dir(folder.path().join(name)).unwrap();
            script(&folder.path().join(name), "server", "server 1.0");
        }
        let [a, b, c] = ["a", "b", "c"].map(|name| folder.path().join(name));
        let mut sources = sources(&c);
        let program = Program::new("server");
        let found =
            |sources: &Sources, program: &Program| on_this_machine(sources, program).unwrap().unwrap().path;
        assert_eq!(found(&sources, &program), std::slice::from_ref(&c));
        let program = program.folder(b.to_string_lossy());
        assert_eq!(found(&sources, &program), [b]);
        sources.explicit.insert("server".into(), a.join("server"));
        assert_eq!(found(&sources, &program), [a]);
        let other = script(folder.path(), "server-1.2", "server 1.2");
        sources.explicit.insert("server".into(), other.clone());
        let alias = on_this_machine(&sources, &program).unwrap().unwrap().alias;
        assert_eq!(alias, Some(("server".to_owned(), other)));
        sources.explicit.insert("server".into(), folder.path().join("nowhere"));
        let error = on_this_machine(&sources, &program).unwrap_err().to_string();
        assert!(error.contains("TESTCELERY_SERVER") && error.contains("no program"), "{error}");
    }

    #[test]
    fn what_every_user_can_write_to_is_left_out() {
        let folder = tempfile::tempdir().unwrap();
        let path = script(folder.path(), "server", "server 1.0");
        let (sources, program) = (sources(folder.path()), Program::new("server"));
        assert!(on_this_machine(&sources, &program).unwrap().is_some());
        for (open, closed) in [(folder.path(), 0o700), (&path, 0o755)] {
            let mode = |mode| fs::set_permissions(open, fs::Permissions::from_mode(mode)).unwrap();
            mode(0o1777);
            assert_eq!(on_this_machine(&sources, &program).unwrap(), None, "{}", open.display());
            mode(closed);
        }
        let mode = |mode| fs::set_permissions(folder.path(), fs::Permissions::from_mode(mode)).unwrap();
        mode(0o1777);
        let error = sources.fetch(&program).unwrap_err().to_string();
        assert!(error.contains("are left out because every user can write to them"), "{error}");
        mode(0o700);
    }

    #[test]
    fn relative_paths_lead_nowhere() {
        let here = std::env::current_dir().unwrap();
        let up: PathBuf = here.components().skip(1).map(|_| "..").collect();
        let folder = up.join("bin");
        assert!(is_program(&folder.join("sh")), "the test would pass without a program");
        let mut sources = sources(&folder);
        assert_eq!(on_this_machine(&sources, &Program::new("sh")).unwrap(), None);
        sources.explicit.insert("sh".into(), folder.join("sh"));
        let error = on_this_machine(&sources, &Program::new("sh")).unwrap_err().to_string();
        assert!(error.contains("no whole path; set it to the whole path"), "{error}");
    }
}
