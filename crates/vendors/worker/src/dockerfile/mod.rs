//! An image of the user's own, from a folder with a Dockerfile.

mod context;
mod ignore;
mod instructions;

use std::{collections::BTreeMap, path::PathBuf};

use testcelery_api::{Build, Image};

use crate::{answers::Answers, dockerfile::instructions::Declared, image};

/// The most that a build's folder may hold, unless told otherwise: 256 MiB.
pub const DEFAULT_CONTEXT_LIMIT: u64 = 256 << 20;

/// The argument with the version of Celery.
const CELERY_VERSION: &str = "CELERY_VERSION";

/// The argument with the image to start from.
const BASE_IMAGE: &str = "BASE_IMAGE";

/// Arguments of pytest-celery that say what is said when a worker of ours starts. They get its defaults, so that a Dockerfile made for it
/// builds, and another queue or log level builds nothing.
const RUN_TIME: &[(&str, &str)] = &[
    ("CELERY_LOG_LEVEL", "INFO"),
    ("CELERY_WORKER_NAME", "celery_test_worker"),
    ("CELERY_WORKER_QUEUE", "celery"),
    ("PYTEST_CELERY_PKG", "pytest-celery"),
];

/// Arguments that need no `ARG` (<https://docs.docker.com/reference/dockerfile/#predefined-args>), in lower case.
const PREDEFINED: &[&str] = &["http_proxy", "https_proxy", "ftp_proxy", "no_proxy", "all_proxy"];

/// A Dockerfile of your own, with its folder as the build's context.
///
/// The folder's `.dockerignore` is honoured as Docker does, links inside it are followed, and file modes are kept. The image is tagged with a
/// hash of all that goes in, and built when there is none of that hash: a changed file builds, a changed queue or log level does not.
///
/// These arguments are passed to a Dockerfile that declares them:
///
/// | `ARG` | value |
/// |---|---|
/// | `BASE_IMAGE` | the recipe's [`base`](crate::WorkerRecipe::base), else the official image of its [`python`](crate::WorkerRecipe::python), or what stands in for that on this machine; another default in the Dockerfile stays where the recipe has neither |
/// | `CELERY_VERSION` | the recipe's [`version`](crate::WorkerRecipe::version) |
/// | `PIP_INDEX_URL` | this machine's, where it has one |
/// | others of pytest-celery's | its defaults, where the Dockerfile has none |
///
/// The image needs a `python` on its path with `celery` in it. The worker's content comes to `/app`, whatever the working folder is. An
/// `ENTRYPOINT` has to run the command that it gets.
///
/// ```
/// use testcelery_worker::{Dockerfile, Worker};
///
/// let worker = Worker::default()
///     .dockerfile(Dockerfile::folder("tests/myworker").file("Dockerfile.dev").target("worker").arg("EXTRAS", "msgpack"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dockerfile {
    folder: PathBuf,
    file: String,
    target: Option<String>,
    args: BTreeMap<String, String>,
    size_limit: u64,
}

impl Dockerfile {
    /// The `Dockerfile` of a folder. A relative path starts from the current folder, which is the package's own under `cargo test`.
    pub fn folder(path: impl Into<PathBuf>) -> Self {
        Self {
            folder: path.into(),
            file: "Dockerfile".to_owned(),
            target: None,
            args: BTreeMap::new(),
            size_limit: DEFAULT_CONTEXT_LIMIT,
        }
    }

    /// Takes another file of the folder, as `Dockerfile.dev` or `docker/worker.Dockerfile`. A list of what to ignore may stand beside it, as
    /// `Dockerfile.dev.dockerignore`.
    #[must_use]
    pub fn file(mut self, name: impl Into<String>) -> Self {
        self.file = name.into();
        self
    }

    /// Ends at a stage, which `FROM .. AS stage` names.
    #[must_use]
    pub fn target(mut self, stage: impl Into<String>) -> Self {
        self.target = Some(stage.into());
        self
    }

    /// Sets a build argument. The Dockerfile has to declare it. Build arguments are in the history of the image: no place for passwords.
    #[must_use]
    pub fn arg(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.args.insert(name.into(), value.into());
        self
    }

    /// Sets how many bytes the folder may hold besides what is ignored: [`DEFAULT_CONTEXT_LIMIT`] by default. They are read into memory.
    #[must_use]
    pub fn size_limit(mut self, bytes: u64) -> Self {
        self.size_limit = bytes;
        self
    }

    /// The image, to be built from what the folder holds now.
    pub(crate) fn image(&self, answers: &Answers) -> Result<Image, String> {
        let file = ignore::clean(&self.file);
        let shown = self.folder.join(&self.file);
        if self.file.starts_with('/') || file.split('/').next() == Some("..") {
            let folder = self.folder.display();
            return Err(format!("`{}` is not below `{folder}`, which the build gets", shown.display()));
        }
        let context = context::read(&self.folder, &file, self.size_limit)?;
        let text = context.text(&file).ok_or_else(|| format!("`{}` is not UTF-8", shown.display()))?;
        let declared = instructions::declared(text);
        let declares = |name: &str| declared.iter().any(|arg| arg.name == name);
        let predefined = |name: &str| PREDEFINED.contains(&name.to_ascii_lowercase().as_str());
        if let Some(name) = self.args.keys().find(|name| !declares(name) && !predefined(name)) {
            return Err(format!("`{}` has no `ARG {name}`, which it is given", shown.display()));
        }

        if (answers.base.is_some() || answers.python.is_some()) && !declares(BASE_IMAGE) {
            return Err(format!(
                "`{}` has no `ARG {BASE_IMAGE}`, and cannot start from the base or the Python that it is given",
                shown.display()
            ));
        }
        let mut args: BTreeMap<String, String> = BTreeMap::new();
        if declares(CELERY_VERSION) {
            args.insert(CELERY_VERSION.to_owned(), answers.version.clone());
        }
        let without_default = declared.iter().filter(|arg| arg.default.is_none());
        let run_time = without_default.filter_map(|arg| RUN_TIME.iter().find(|(name, _)| *name == arg.name));
        args.extend(run_time.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        args.extend(self.args.clone());

        let mut build = Build::new("", context).dockerfile(file);
        build.base = self.base(answers, &declared).map(Box::new);
        build.target.clone_from(&self.target);
        build.args = args;
        build.tag = image::tag(&build);
        Ok(Image::build(build))
    }

    /// The value of `BASE_IMAGE`: the image that the recipe names, else the one that the Dockerfile names, else ours.
    fn base(&self, answers: &Answers, declared: &[Declared]) -> Option<Image> {
        let declared = declared.iter().find(|arg| arg.name == BASE_IMAGE)?;
        if self.args.contains_key(BASE_IMAGE) {
            return None;
        }
        let ours = image::base(answers);
        match &declared.default {
            Some(default) if answers.base.is_none() && answers.python.is_none() && default != ours.name() => {
                None
            }
            _ => Some(ours),
        }
    }
}

#[cfg(test)]
mod tests;
