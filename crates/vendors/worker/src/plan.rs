//! From the recipe to the container.

use std::{env, path::PathBuf};

use testcelery_api::{
    ContainerSpec, Error, FileTree, Mount, Result, Secret, Wait, WorkerContext, WorkerPlan,
};
use testcelery_codegen::{InitialContent, READY_MARKER};

use crate::{CeleryWorker, WorkerRecipe, answers::Answers, check, command, image};

/// The folder that Python imports from when something is mounted there.
pub const SOURCE_FOLDER: &str = "/src";

const PYTHON_PATH: &str = "PYTHONPATH";

/// The folder with the content.
const APP_FOLDER: &str = "/app";

/// The group of the modules with handlers of signals.
const SIGNALS: &str = "signals";

/// User and group of our image, which own all that is in `/app`.
const OWNER: (u32, u32) = (10001, 10001);

/// Celery's name for "no results" (`celery.app.backends.BACKEND_ALIASES`).
const NO_BACKEND: &str = "disabled://";

/// What every recipe becomes.
pub(crate) fn plan<R: WorkerRecipe + ?Sized>(recipe: &R, context: &WorkerContext) -> Result<WorkerPlan> {
    let problem = |problem| Error::component(&context.name, problem);
    let answers = Answers::of(recipe);
    check::check(&answers).map_err(problem)?;
    let default = command::default(&answers, &context.name);
    let command = recipe.command(default.clone());
    command::check(&default, &command).map_err(problem)?;

    let image = image::of(&answers, |built_in| recipe.software(built_in)).map_err(problem)?;
    let mut spec = ContainerSpec::new(&context.name, image)
        .files(files(recipe, &answers, context)?)
        .init(answers.init)
        .ready_timeout(answers.ready_timeout);
    if command::holds_still(&command) {
        spec = spec.go(owned(&answers, [(command::GO, &b""[..])]));
    }
    spec = spec.command(command);
    spec = variables(&answers, context).into_iter().fold(spec, |spec, (key, value)| spec.env(key, value));
    spec.user = answers.user;
    spec.ports = answers.ports;
    spec.mounts = answers.mounts.into_iter().map(on_host).collect::<Result<_, _>>().map_err(problem)?;
    spec.memory_limit = answers.memory_limit;
    spec.waits = recipe.waits(vec![Wait::log(READY_MARKER)]);

    let hostname = format!("{}@{}", context.name, spec.hostname);
    let Answers { kind, version, log_level, queues, .. } = answers;
    Ok(WorkerPlan::new(spec, move |container| CeleryWorker {
        container,
        kind,
        hostname,
        queues,
        version,
        log_level,
    }))
}

/// The environment, later ones of the same name winning.
fn variables(answers: &Answers, context: &WorkerContext) -> Vec<(String, String)> {
    let mut all = vec![("PYTHONUNBUFFERED", "1".to_owned()), ("PYTHONDONTWRITEBYTECODE", "1".to_owned())];
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
    let backend = context.backend_url.as_ref().map_or(NO_BACKEND, Secret::reveal);
    all.push(("CELERY_RESULT_BACKEND", backend.to_owned()));
    all.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

fn files<R: WorkerRecipe + ?Sized>(
    recipe: &R,
    answers: &Answers,
    context: &WorkerContext,
) -> Result<FileTree> {
    let content = InitialContent::new(&context.app_name);
    let content = answers.tasks.iter().cloned().fold(content, InitialContent::tasks);
    let signals = answers.signals.iter().cloned();
    let content = signals.fold(content, |content, module| content.module(SIGNALS, module));
    let content = recipe.content(content).generate().map_err(|error| {
        Error::component_source(&context.name, "its modules or settings cannot be used", error)
    })?;
    let paths: Vec<(String, &[u8])> =
        content.iter().map(|(path, bytes)| (format!("{APP_FOLDER}/{path}"), bytes)).collect();
    Ok(owned(answers, paths.iter().map(|(path, bytes)| (path.as_str(), *bytes))))
}

/// Files of whoever the worker runs as.
fn owned<'a>(answers: &Answers, files: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> FileTree {
    let mut tree = if image::is_ours(answers) && answers.user.is_none() {
        FileTree::owned_by(OWNER.0, OWNER.1)
    } else {
        FileTree::owned_by_container_user()
    };
    for (path, content) in files {
        tree.insert(path, content);
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
mod tests {
    use std::{
        sync::atomic::{AtomicU32, Ordering},
        time::Duration,
    };

    use testcelery_api::ConnectionUrl;
    use testcelery_codegen::PyModule;

    use super::*;
    use crate::{Worker, fake::FakeContainer};

    fn context() -> WorkerContext {
        let mut context = WorkerContext::new("worker-1", "shop");
        let url = |host: &str| {
            ConnectionUrl::new("amqp", host).port(5672).credentials("me", Secret::new("hunter2"))
        };
        context.broker_urls = vec![url("broker-1"), url("broker-2")];
        context.backend_url = Some(Secret::new("redis://:hunter2@backend:6379/0"));
        context
    }

    #[test]
    fn the_whole_spec() {
        let worker = Worker::default()
            .queues(["fast", "slow"])
            .log_level("debug")
            .concurrency(2)
            .pool("threads")
            .mingle(true)
            .arg("--without-heartbeat")
            .env("TOKEN", "hunter2")
            .env("PYTHONPATH", "/opt/lib")
            .user("1000")
            .source("src")
            .mount(Mount::tmpfs("/scratch"))
            .port(8000)
            .memory_limit(1 << 28)
            .init(true)
            .ready_timeout(Duration::from_secs(5))
            .tasks(PyModule::source("tests.tasks", ""))
            .signals(PyModule::source("tests.signals", ""));
        let spec = worker.plan(&context()).unwrap().spec;
        let files: Vec<&str> = spec.files.iter().flat_map(|tree| tree.iter().map(|(path, _)| path)).collect();
        let go: Vec<&str> = spec.go.iter().flat_map(|tree| tree.iter().map(|(path, _)| path)).collect();
        let owners: Vec<_> = spec.files.iter().chain(&spec.go).map(FileTree::owner).collect();
        let here = env::current_dir().unwrap();
        let rest = format!(
            "{:?} {:?} {:?} {:?} {} {:?}\n{:?}",
            spec.user, spec.mounts, spec.ports, spec.memory_limit, spec.init, spec.ready_timeout, spec.waits
        );
        insta::assert_snapshot!(format!(
            "{}\n{:#?}\n{:#?}\n{files:#?}\n{go:?} {owners:?}\n{}",
            spec.hostname,
            spec.command.as_ref().unwrap(),
            spec.env,
            rest.replace(here.to_str().unwrap(), "HERE"),
        ));
        let settings = spec.files[0].text("/app/testcelery/settings.py").unwrap();
        assert!(settings.contains("APP_NAME = 'shop'"), "{settings}");
        assert!(settings.contains("'signals': ['tests.signals']"), "{settings}");
    }

    /// A recipe that makes up its queue each time, and changes all that it is given.
    #[derive(Debug)]
    struct MyWorker(AtomicU32);

    impl WorkerRecipe for MyWorker {
        fn kind(&self) -> String {
            "mine".to_owned()
        }

        fn version(&self) -> String {
            "5.6.2".to_owned()
        }

        fn log_level(&self) -> String {
            "debug".to_owned()
        }

        fn queues(&self) -> Vec<String> {
            vec![format!("queue-{}", self.0.fetch_add(1, Ordering::SeqCst))]
        }

        fn command(&self, default: Vec<String>) -> Vec<String> {
            // Without what starts it early.
            default[4..].to_vec()
        }

        fn content(&self, content: InitialContent) -> InitialContent {
            content.module("more", PyModule::source("more", ""))
        }

        fn waits(&self, mut default: Vec<Wait>) -> Vec<Wait> {
            default.push(Wait::log("more"));
            default
        }
    }

    #[test]
    fn what_a_recipe_says_is_what_runs_and_what_the_node_reports() {
        let plan = MyWorker(AtomicU32::new(1)).plan(&context()).unwrap();
        let command = plan.spec.command.clone().unwrap();
        assert_eq!(command[..4], ["celery", "-A", "app", "worker"]);
        assert!(command.contains(&"--queues=queue-1".to_owned()), "{command:?}");
        assert_eq!(plan.spec.go, None, "it does not hold still");
        assert_eq!(plan.spec.waits.len(), 2);
        assert!(plan.spec.files[0].get("/app/more.py").is_some());
        let default = WorkerRecipe::plan(&Worker::default().celery("5.6.2"), &context()).unwrap();
        assert_eq!(plan.spec.image, default.spec.image);

        let node = plan.into_node(FakeContainer::answering(0, "", ""));
        assert_eq!((node.kind(), node.queues()), ("mine", &["queue-1".to_owned()][..]));
        assert_eq!((node.version(), node.log_level()), ("5.6.2", "DEBUG"));
        assert_eq!(node.hostname(), "worker-1@worker-1");
    }

    #[test]
    fn paths_of_the_host_are_whole() {
        let plan = Worker::default().source_writable("src").plan(&context()).unwrap();
        let full = env::current_dir().unwrap().join("src").canonicalize().unwrap();
        assert_eq!(plan.spec.mounts, [Mount::bind(full, "/src")]);
        assert_eq!(spec_env(&plan, "PYTHONPATH").as_deref(), Some("/app:/src"));
        let error = Worker::default().source("nowhere").plan(&context()).unwrap_err().to_string();
        assert!(error.contains("`worker-1`: cannot mount `nowhere` (looked for in "), "{error}");
    }

    #[test]
    fn secrets_are_not_shown() {
        let worker = Worker::default().env("TOKEN", "hunter2");
        let plan = worker.plan(&context()).unwrap();
        assert!(!format!("{worker:?} {plan:?}").contains("hunter2"));
        assert!(spec_env(&plan, "CELERY_BROKER_URL").unwrap().contains("hunter2"));
    }

    fn spec_env(plan: &WorkerPlan, key: &str) -> Option<String> {
        plan.spec.env.iter().find(|(name, _)| name == key).map(|(_, value)| value.clone())
    }

    #[test]
    fn no_backend_is_said_aloud() {
        let mut context = context();
        context.backend_url = None;
        let plan = Worker::default().plan(&context).unwrap();
        assert_eq!(spec_env(&plan, "CELERY_RESULT_BACKEND").as_deref(), Some("disabled://"));
    }

    #[test]
    fn mistakes_name_the_worker() {
        let error = |worker: Worker| {
            let error = worker.plan(&context()).unwrap_err();
            let source =
                std::error::Error::source(&error).map(|source| format!(": {source}")).unwrap_or_default();
            format!("{error}{source}")
        };
        assert_eq!(
            error(Worker::default().queue("a,b")),
            "component `worker-1`: \"a,b\" cannot be the name of a queue: the comma separates queues on Celery's command line; \
             name each one with `.queue(..)`"
        );
        let text = error(Worker::default().tasks(PyModule::source("broken", "def f(:\n    pass\n")));
        assert!(
            text.starts_with("component `worker-1`: its modules or settings cannot be used: broken.py:1:7: "),
            "{text}"
        );
        let text = error(Worker::default().tasks(PyModule::file("tests/nowhere/tasks.py")));
        assert!(text.contains("`tests/nowhere/tasks.py`"), "{text}");
    }
}
