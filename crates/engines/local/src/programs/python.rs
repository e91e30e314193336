//! Python environments, made once for each Python and set of packages.

use std::{
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    process::Command,
};

use sha2::{Digest, Sha256};
use testcelery_api::{BoxError, PythonEnvironment};

use super::{Installed, Sources, find, packages, tool, variable};
use crate::cache;

/// Where in the cache.
const KIND: &str = "python";

/// The folder of the environment in its folder of the cache.
const ENVIRONMENT: &str = "venv";

/// Which Python it was made with, for people.
const MADE_WITH: &str = "python";

/// The minor versions of Python 3 that are looked for by name, the newest first.
const MINORS: std::ops::RangeInclusive<u32> = 6..=15;

/// Prints the version and where the program really is.
const ASK: &str = "import sys; print('%d.%d.%d' % sys.version_info[:3]); print(sys.executable)";

/// A Python of this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Python {
    path: PathBuf,
    version: String,
}

/// The environment, made where it is not there.
pub(crate) fn provide(sources: &Sources, wanted: &PythonEnvironment) -> Result<Installed, BoxError> {
    let candidates = candidates(sources, wanted)?;
    if let Some(installed) = cached(sources, wanted, &candidates)? {
        return Ok(installed);
    }
    let (path, python) = choose(wanted, &candidates)?;
    let key = key(wanted, &path);
    let folder = cache::filled(&sources.cache, KIND, &key, |folder| fill(sources, folder, wanted, &python))?;
    Ok(installed(&folder))
}

/// Where it is, or which Python it would be made with.
pub(crate) fn origin(sources: &Sources, wanted: &PythonEnvironment) -> Result<String, BoxError> {
    let candidates = candidates(sources, wanted)?;
    if let Some(installed) = cached(sources, wanted, &candidates)? {
        return Ok(installed.origin);
    }
    let (_, python) = choose(wanted, &candidates)?;
    if find::look_up(sources, &[], "uv").is_none() {
        let mut ask = clean(&python.path);
        tool::ask(ask.args(["-c", "import ensurepip, venv; ensurepip.version()"]).current_dir("/"))
            .map_err(|error| explain_venv(&python, error))?;
    }
    let Python { path, version } = python;
    Ok(format!("not here yet: will be made with Python {version} ({})", path.display()))
}

/// The programs that may be a Python that fits, in order. Programs that are scripts, as those of pyenv, come last: which Python they
/// start is only known when they have started it.
fn candidates(sources: &Sources, wanted: &PythonEnvironment) -> Result<Vec<PathBuf>, BoxError> {
    if let Some(path) = sources.explicit("python")? {
        return Ok(vec![path]);
    }
    let names: Vec<String> = match &wanted.version {
        Some(version) => {
            let minor: Vec<&str> = version.split('.').take(2).collect();
            vec![format!("python{}", minor.join("."))]
        }
        None => {
            let named = MINORS.rev().map(|minor| format!("python3.{minor}"));
            ["python3".to_owned()].into_iter().chain(named).collect()
        }
    };
    let mut found: Vec<PathBuf> = Vec::new();
    for name in names {
        for path in sources.folders().map(|folder| folder.join(&name)).filter(|path| find::is_usable(path)) {
            if !found.contains(&path) {
                found.push(path);
            }
        }
    }
    // A stable sort keeps the order otherwise.
    found.sort_by_cached_key(|path| find::is_script(path).unwrap_or(false));
    Ok(found)
}

/// The first that fits, by the path it was found at.
fn choose(wanted: &PythonEnvironment, candidates: &[PathBuf]) -> Result<(PathBuf, Python), BoxError> {
    let mut seen = Vec::new();
    for path in candidates {
        match ask(path) {
            Ok(python) if fits(wanted, &python.version) => return Ok((path.clone(), python)),
            Ok(python) => seen.push(format!("{} is Python {}", path.display(), python.version)),
            Err(error) => seen.push(format!("{} does not work: {error}", path.display())),
        }
    }
    let needed = needed(wanted);
    let variable = variable("python");
    if seen.is_empty() {
        let name = format!("python{}", wanted.version.as_deref().unwrap_or("3"));
        return Err(format!(
            "there is no Python on PATH, and {} needs {needed}; install {}, or set {variable}",
            wanted.purpose,
            packages(&[&name, &format!("{name}-venv")])
        )
        .into());
    }
    Err(format!(
        "{} needs {needed}, and {}; install such a Python, or set {variable} to one",
        wanted.purpose,
        seen.join(", ")
    )
    .into())
}

fn needed(wanted: &PythonEnvironment) -> String {
    if let Some(version) = &wanted.version {
        return format!("Python {version}, as was asked for");
    }
    let (major, minor) = wanted.at_least;
    match wanted.at_most {
        Some((newest_major, newest)) => format!("Python {major}.{minor} to {newest_major}.{newest}"),
        None => format!("Python {major}.{minor} or newer"),
    }
}

fn fits(wanted: &PythonEnvironment, version: &str) -> bool {
    let mut numbers = version.split('.').map(|number| number.parse::<u32>().ok());
    let (Some(Some(major)), Some(Some(minor))) = (numbers.next(), numbers.next()) else { return false };
    let seen = (major, minor);
    let asked = wanted
        .version
        .as_deref()
        .is_none_or(|asked| version == asked || version.starts_with(&format!("{asked}.")));
    asked && seen >= wanted.at_least && wanted.at_most.is_none_or(|newest| seen <= newest)
}

fn ask(path: &Path) -> Result<Python, BoxError> {
    let told = tool::ask(Command::new(path).args(["-I", "-S", "-c", ASK]))?;
    let mut lines = told.lines();
    match (lines.next(), lines.next()) {
        (Some(version), Some(path)) => Ok(Python { path: PathBuf::from(path), version: version.to_owned() }),
        _ => Err(format!("it answers {told:?}").into()),
    }
}

/// The environment that was made with one of these Pythons.
fn cached(
    sources: &Sources,
    wanted: &PythonEnvironment,
    candidates: &[PathBuf],
) -> Result<Option<Installed>, BoxError> {
    for python in candidates {
        if let Some(folder) = cache::complete(&sources.cache, KIND, &key(wanted, python))? {
            return Ok(Some(installed(&folder)));
        }
    }
    Ok(None)
}

fn installed(folder: &Path) -> Installed {
    let made_with = fs::read_to_string(folder.join(MADE_WITH)).unwrap_or_default();
    let environment = folder.join(ENVIRONMENT);
    let origin = format!("{} ({})", environment.display(), made_with.trim());
    Installed { path: vec![environment.join("bin")], origin, ..Installed::default() }
}

/// A hash of the Python (where it is, and which build: an update replaces the file) and of what is installed.
fn key(wanted: &PythonEnvironment, python: &Path) -> String {
    let mut hash = Sha256::new();
    let mut add = |part: &str| {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    };
    let real = python.canonicalize().unwrap_or_else(|_| python.to_owned());
    add(&python.to_string_lossy());
    add(&real.to_string_lossy());
    let build = real.metadata().map(|it| (it.size(), it.mtime()));
    add(&format!("{build:?} {:?} {:?} {:?}", wanted.version, wanted.at_least, wanted.at_most));
    add(&wanted.requirements);
    hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

fn fill(
    sources: &Sources,
    folder: &Path,
    wanted: &PythonEnvironment,
    python: &Python,
) -> Result<(), BoxError> {
    let environment = folder.join(ENVIRONMENT);
    let requirements = folder.join("requirements.txt");
    fs::write(&requirements, &wanted.requirements)?;
    fs::write(folder.join(MADE_WITH), format!("Python {}, {}\n", python.version, python.path.display()))?;
    if let Some(uv) = find::look_up(sources, &[], "uv") {
        tool::run(clean(&uv).arg("venv").arg("--python").arg(&python.path).arg(&environment))?;
        let mut install = clean(&uv);
        install
            .args(["pip", "install", "--compile-bytecode", "--python"])
            .arg(environment.join("bin/python"));
        return tool::run(install.arg("-r").arg(&requirements))
            .map(drop)
            .map_err(|error| not_installed(wanted, &*error));
    }
    let inner = environment.join("bin/python");
    // Python imports modules from its working folder: that of the test may be anybody's.
    let [mut make, mut bring_pip, mut install] = [&python.path, &inner, &inner].map(|program| {
        let mut command = clean(program);
        command.current_dir(folder);
        command
    });
    // In two steps: `venv` keeps what pip's installation has to say to itself.
    tool::run(make.args(["-m", "venv", "--without-pip"]).arg(&environment))
        .and_then(|_| tool::run(bring_pip.args(["-m", "ensurepip", "--default-pip"])))
        .map_err(|error| explain_venv(python, error))?;
    install.args([
        "-m",
        "pip",
        "install",
        "--disable-pip-version-check",
        "--no-input",
        "--quiet",
        "--compile",
    ]);
    tool::run(install.arg("-r").arg(&requirements)).map(drop).map_err(|error| not_installed(wanted, &*error))
}

/// Without the variables that would mix another Python into this one.
fn clean(program: &Path) -> Command {
    let mut command = Command::new(program);
    for variable in ["PYTHONHOME", "PYTHONPATH", "VIRTUAL_ENV", "PIP_TARGET", "PIP_PREFIX", "PIP_USER"] {
        command.env_remove(variable);
    }
    command
}

fn not_installed(wanted: &PythonEnvironment, error: &(dyn std::error::Error + Send + Sync)) -> BoxError {
    format!("the packages for {} could not be installed: {error}", wanted.purpose).into()
}

/// Debian splits what makes environments off from Python.
fn explain_venv(python: &Python, error: BoxError) -> BoxError {
    let text = error.to_string();
    let modules = ["venv", "ensurepip", "pip"];
    let is_missing = |module: &&str| {
        // As `-m`, `import` and an empty folder of that name have it.
        ["No module named {}", "No module named '{}", "module '{}' has no", "{} is not available"]
            .iter()
            .any(|words| text.contains(&words.replace("{}", module)))
    };
    if !modules.iter().any(is_missing) {
        return error;
    }
    let minor: Vec<&str> = python.version.split('.').take(2).collect();
    format!(
        "Python {} ({}) cannot make virtual environments; install {}, or `uv`: {text}",
        python.version,
        python.path.display(),
        packages(&[&format!("python{}-venv", minor.join("."))])
    )
    .into()
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, os::unix::fs::PermissionsExt};

    use super::*;

    fn celery() -> PythonEnvironment {
        PythonEnvironment::new("Celery 5.7.0", "celery==5.7.0\n", (3, 10))
    }

    /// A Python of a version, whose modules fail as told.
    fn python(folder: &Path, name: &str, version: &str, modules: &str) {
        let path = folder.join(name);
        let body = format!(
            "case \"$*\" in *sys.version_info*) echo {version}; echo {};; *) {modules};; esac",
            path.display()
        );
        fs::write(&path, format!("#!/bin/sh\n{body}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn sources(folder: &Path) -> Sources {
        let path = folder.as_os_str().to_owned();
        Sources { cache: folder.join("cache"), explicit: BTreeMap::new(), path }
    }

    fn error(folder: &Path, wanted: &PythonEnvironment) -> String {
        provide(&sources(folder), wanted).unwrap_err().to_string()
    }

    #[test]
    fn no_python() {
        let folder = tempfile::tempdir().unwrap();
        let text = error(folder.path(), &celery());
        assert!(
            text.contains("no Python on PATH") && text.contains("`python3` and `python3-venv`"),
            "{text}"
        );
    }

    #[test]
    fn too_old_too_new_and_another_one_than_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        python(folder.path(), "python3", "3.9.2", "exit 1");
        python(folder.path(), "python3.12", "3.12.1", "exit 1");
        let old = celery().at_most(3, 11);
        let text = error(folder.path(), &old);
        assert!(text.contains("Celery 5.7.0 needs Python 3.10 to 3.11"), "{text}");
        assert!(
            text.contains("python3 is Python 3.9.2") && text.contains("python3.12 is Python 3.12.1"),
            "{text}"
        );
        let text = error(folder.path(), &celery().version("3.13"));
        assert!(text.contains("no Python on PATH") && text.contains("`python3.13-venv`"), "{text}");
    }

    #[test]
    fn a_python_without_venv_names_the_package() {
        let folder = tempfile::tempdir().unwrap();
        python(folder.path(), "python3", "3.11.2", "echo 'ensurepip is not available' >&2; exit 1");
        let sources = sources(folder.path());
        for error in [provide(&sources, &celery()).unwrap_err(), origin(&sources, &celery()).unwrap_err()] {
            let text = error.to_string();
            assert!(text.contains("install the package `python3.11-venv`"), "{text}");
        }
    }

    /// A Python that makes environments in which a part of the work fails.
    fn error_inside(folder: &Path, fails: &str) -> String {
        let inner = folder.join("inner");
        fs::write(&inner, format!("#!/bin/sh\ncase \"$*\" in {fails} >&2; exit 1;; esac\n")).unwrap();
        fs::set_permissions(&inner, fs::Permissions::from_mode(0o755)).unwrap();
        let venv =
            format!("PATH=/usr/bin:/bin; mkdir -p \"$4/bin\"; cp {} \"$4/bin/python\"", inner.display());
        python(folder, "python3", "3.11.2", &venv);
        error(folder, &PythonEnvironment::new("Celery 9.9", "celery==9.9\n", (3, 10)))
    }

    #[test]
    fn what_pip_says_is_shown() {
        let folder = tempfile::tempdir().unwrap();
        let text = error_inside(folder.path(), "*install*) echo 'No matching distribution found'");
        assert!(
            text.contains("packages for Celery 9.9") && text.contains("No matching distribution"),
            "{text}"
        );
    }

    #[test]
    fn a_full_disk_is_no_missing_package() {
        let folder = tempfile::tempdir().unwrap();
        let text = error_inside(folder.path(), "*ensurepip*) echo 'No space left on device'");
        assert!(text.contains("make room") && !text.contains("python3.11-venv"), "{text}");
    }

    #[test]
    fn versions_fit() {
        assert!(fits(&celery(), "3.10.0") && fits(&celery(), "3.13.1") && !fits(&celery(), "3.9.19"));
        let asked = celery().version("3.1");
        assert!(!fits(&asked, "3.11.2"));
        assert!(fits(&celery().version("3.11"), "3.11.2") && fits(&celery().version("3.11.2"), "3.11.2"));
    }
}
