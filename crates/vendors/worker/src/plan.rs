//! From the recipe to the container.

use std::{env, path::PathBuf};

use testcelery_api::{
    ContainerSpec, Error, File, FileTree, Mount, Result, Secret, Wait, WorkerContext, WorkerPlan,
};
use testcelery_codegen::{Config, InitialContent, READY_MARKER, SETTINGS_FILE};

use crate::{CeleryWorker, WorkerRecipe, answers::Answers, check, command, debugpy, image, queues};

/// The folder that Python imports from when something is mounted there.
pub const SOURCE_FOLDER: &str = "/src";

const PYTHON_PATH: &str = "PYTHONPATH";

/// The folder with the content.
pub(crate) const APP_FOLDER: &str = "/app";

/// The group of the modules with handlers of signals.
const SIGNALS: &str = "signals";

/// User and group of our image, which own all that is in `/app`.
const OWNER: (u32, u32) = (10001, 10001);

/// Celery's name for "no results" (`celery.app.backends.BACKEND_ALIASES`).
const NO_BACKEND: &str = "disabled://";

/// What every recipe becomes.
pub(crate) fn plan<R: WorkerRecipe + ?Sized>(recipe: &R, context: &WorkerContext) -> Result<WorkerPlan> {
    let problem = |problem| Error::component(&context.name, problem);
    let mut answers = Answers::of(recipe);
    let content = recipe.content(content(&answers, context));
    if answers.queues.is_empty() {
        answers.queues = queues::of_content(&content);
    }
    check::check(&answers).map_err(problem)?;
    let default = command::default(&answers, &context.name, content.command_app());
    let command = recipe.command(default.clone());
    command::check(&default, &command).map_err(problem)?;

    let image = image::of(&answers, |built_in| recipe.software(built_in)).map_err(problem)?;
    let [code, settings] = files(&content, &answers, &context.name)?;
    let mut spec = ContainerSpec::new(&context.name, image)
        .files(code)
        .files(settings)
        .init(answers.init)
        .ready_timeout(
            answers.debugpy.map_or(answers.ready_timeout, |it| it.ready_timeout(answers.ready_timeout)),
        );
    if command::holds_still(&command) {
        let go = File { content: Vec::new(), mode: 0o644 };
        spec = spec.go(owned(&answers, [(command::GO.to_owned(), go)]));
    }
    spec = spec.command(command);
    let backend = backend(&answers, context).map_err(problem)?;
    spec = variables(&answers, context, backend)
        .into_iter()
        .fold(spec, |spec, (key, value)| spec.env(key, value));
    spec.user = answers.user;
    spec.ports = answers.ports;
    if answers.debugpy.is_some() {
        spec = spec.announce(debugpy::PORT, debugpy::NAME);
    }
    hidden(&spec, &answers.mounts).map_err(problem)?;
    spec.mounts = answers.mounts.into_iter().map(on_host).collect::<Result<_, _>>().map_err(problem)?;
    spec.memory_limit = answers.memory_limit;
    spec.waits = recipe.waits(vec![Wait::log(READY_MARKER)]);

    let hostname = format!("{}@{}", context.name, spec.hostname);
    let Answers { kind, version, log_level, queues, .. } = answers;
    Ok(WorkerPlan::new(spec, move |container| CeleryWorker {
        queues: if queues.is_empty() { queues::of_log(container.logs()) } else { queues },
        container,
        kind,
        hostname,
        version,
        log_level,
    }))
}

/// The environment, later ones of the same name winning.
fn variables(answers: &Answers, context: &WorkerContext, backend: &str) -> Vec<(String, String)> {
    let mut all = vec![("PYTHONUNBUFFERED", "1".to_owned()), ("PYTHONDONTWRITEBYTECODE", "1".to_owned())];
    all.extend(answers.debugpy.map(|it| it.variables(answers.pool.as_deref())).unwrap_or_default());
    all.extend(answers.env.iter().map(|(key, value)| (key.as_str(), value.reveal().to_owned())));
    let own = all.iter().rfind(|(key, _)| *key == PYTHON_PATH).map(|(_, value)| value.clone());
    let source = answers.mounts.iter().any(|mount| mount.target() == SOURCE_FOLDER);
    let path: Vec<String> = [APP_FOLDER.to_owned()]
        .into_iter()
        .chain(source.then(|| SOURCE_FOLDER.to_owned()))
        .chain(own)
        .collect();
    all.push((PYTHON_PATH, path.join(":")));
    all.extend(context.broker_url().map(|url| ("CELERY_BROKER_URL", url)));
    // Celery changes the titles of its processes where the package `setproctitle` is there, over their environment unless told not to.
    all.push(("SPT_NOENV", "1".to_owned()));
    all.push(("CELERY_RESULT_BACKEND", backend.to_owned()));
    all.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

/// The URL of the result backend.
fn backend<'a>(answers: &Answers, context: &'a WorkerContext) -> Result<&'a str, String> {
    let Some(name) = &answers.backend else {
        return Ok(context.backend_url.as_ref().map_or(NO_BACKEND, Secret::reveal));
    };
    match context.backend_urls.iter().find(|(known, _)| known == name) {
        Some((_, url)) => Ok(url.reveal()),
        None => {
            let known: Vec<String> =
                context.backend_urls.iter().map(|(known, _)| format!("`{known}`")).collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            Err(format!("has the result backend `{name}`, which the setup does not have; it has {known}"))
        }
    }
}

/// The content that the recipe may change.
fn content(answers: &Answers, context: &WorkerContext) -> InitialContent {
    let Answers { app_module, utils_module, tasks, signals, config, .. } = answers;
    let of_setup = context.get::<Config>().cloned().unwrap_or_default();
    let content = InitialContent::new(&context.app_name).configure(of_setup.merge(config.clone()));
    let content = app_module.iter().cloned().fold(content, InitialContent::app);
    let content = utils_module.iter().cloned().fold(content, InitialContent::utils);
    let content = tasks.iter().cloned().fold(content, InitialContent::tasks);
    signals.iter().cloned().fold(content, |content, module| content.module(SIGNALS, module))
}

/// The code, which stays as it is, and the configuration, which may name paths and hosts of the stack.
fn files(content: &InitialContent, answers: &Answers, name: &str) -> Result<[FileTree; 2]> {
    let content = content
        .generate()
        .map_err(|error| Error::component_source(name, "its modules or settings cannot be used", error))?;
    let files = content.iter().map(|(path, bytes)| {
        let mode = content.mode(path).unwrap_or(0o644);
        (format!("{APP_FOLDER}/{path}"), File { content: bytes.to_owned(), mode })
    });
    let settings = format!("{APP_FOLDER}/{SETTINGS_FILE}");
    let (settings, code): (Vec<_>, Vec<_>) = files.partition(|(path, _)| *path == settings);
    Ok([owned(answers, code), owned(answers, settings).as_settings()])
}

/// Refuses a package of the content that hides the same one below `/src`: Python looks into `/app` first, and does not look on.
fn hidden(spec: &ContainerSpec, mounts: &[Mount]) -> Result<(), String> {
    let source = mounts.iter().find_map(|mount| match mount {
        Mount::Bind { source, target, .. } if target == SOURCE_FOLDER => Some(source),
        _ => None,
    });
    let Some(source) = source else { return Ok(()) };
    let paths = spec.files.iter().flat_map(|tree| tree.iter().map(|(path, _)| path));
    let packages = paths.filter_map(|path| path.strip_prefix("/app/")?.split_once('/')).map(|(top, _)| top);
    let mut hidden = packages.filter(|package| *package != "testcelery" && source.join(package).is_dir());
    match hidden.next() {
        None => Ok(()),
        Some(package) => Err(format!(
            "the package `{package}` comes along with its modules and would hide all of `{package}` in {SOURCE_FOLDER}; name what is there with \
             `PyModule::installed(..)`"
        )),
    }
}

/// Files of whoever the worker runs as.
fn owned(answers: &Answers, files: impl IntoIterator<Item = (String, File)>) -> FileTree {
    let mut tree = if image::is_ours(answers) && answers.user.is_none() {
        FileTree::owned_by(OWNER.0, OWNER.1)
    } else {
        FileTree::owned_by_container_user()
    };
    for (path, file) in files {
        tree.insert_file(path, file);
    }
    tree
}

/// A mount with the path of the host in full: an engine does not know where the test runs.
fn on_host(mount: Mount) -> Result<Mount, String> {
    match mount {
        Mount::Bind { source, target, read_only } if source.is_relative() => {
            let here = env::current_dir().unwrap_or_else(|_| PathBuf::from("."));
            let full = here.join(&source).canonicalize().map_err(|error| {
                format!("cannot mount `{}` (looked for in {}): {error}", source.display(), here.display())
            })?;
            let mount = Mount::bind(full, target);
            Ok(if read_only { mount.read_only() } else { mount })
        }
        other => Ok(other),
    }
}

#[cfg(test)]
mod tests;
