//! From the recipe to the container.

use testcelery_api::{
    Component, ContainerSpec, Error, FileTree, Result, Secret, Wait, WorkerComponent, WorkerContext,
    WorkerPlan,
};
use testcelery_codegen::READY_MARKER;

use crate::{CeleryWorker, Worker, check, image};

/// What the component and its node are called.
pub(crate) const KIND: &str = "celery";

/// User and group of the image, which own all that is in `/app`.
const OWNER: (u32, u32) = (10001, 10001);

/// The file that the worker holds still for, below its working folder `/app`.
const GO: &str = "testcelery/go";

/// Celery's name for "no results" (`celery.app.backends.BACKEND_ALIASES`).
const NO_BACKEND: &str = "disabled://";

impl Component for Worker {
    fn kind(&self) -> &str {
        KIND
    }

    fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }
}

impl WorkerComponent for Worker {
    fn plan(&self, context: &WorkerContext) -> Result<WorkerPlan> {
        check::check(self).map_err(|problem| Error::component(&context.name, problem))?;
        let spec = ContainerSpec::new(&context.name, image::of(self))
            .command(self.command(&context.name))
            .files(self.files(context)?)
            .go(owned([(GO, &b""[..])]))
            .wait(Wait::log(READY_MARKER));
        let spec = self.env.iter().fold(spec, |spec, (key, value)| spec.env(key, value.reveal()));
        let spec = match context.broker_url() {
            Some(url) => spec.env("CELERY_BROKER_URL", url),
            None => spec,
        };
        // Celery changes the titles of its processes where the package `setproctitle` is there, over their environment unless told not to.
        let spec = spec.env("SPT_NOENV", "1");
        let backend = context.backend_url.as_ref().map_or(NO_BACKEND, Secret::reveal);
        let spec = spec.env("CELERY_RESULT_BACKEND", backend);

        let hostname = format!("{}@{}", context.name, spec.hostname);
        let (queues, version, log_level) = (self.queues.clone(), self.celery.clone(), self.log_level.clone());
        Ok(WorkerPlan::new(spec, move |container| CeleryWorker {
            container,
            hostname,
            queues,
            version,
            log_level,
        }))
    }
}

impl Worker {
    /// `celery -A app worker ...`, behind what starts it early. Values stand behind a `=`, so that none is taken for an option.
    fn command(&self, name: &str) -> Vec<String> {
        let mut command: Vec<String> =
            ["python", "-m", "testcelery.boot", GO, "celery", "-A", "app", "worker"]
                .map(str::to_owned)
                .into();
        command.push(format!("--loglevel={}", self.log_level));
        // Not `%h`: an engine without host names of its own has that of the machine.
        command.push(format!("--hostname={name}@{name}"));
        command.push(format!("--queues={}", self.queues.join(",")));
        command.extend(self.concurrency.map(|concurrency| format!("--concurrency={concurrency}")));
        command.extend(self.pool.as_ref().map(|pool| format!("--pool={pool}")));
        if !self.mingle {
            command.push("--without-mingle".to_owned());
        }
        command.extend(self.args.iter().cloned());
        command
    }

    fn files(&self, context: &WorkerContext) -> Result<FileTree> {
        let content = self.content.clone().app_name(&context.app_name).generate();
        let content = content.map_err(|error| {
            Error::component_source(&context.name, "its modules or settings cannot be used", error)
        })?;
        Ok(owned(content.iter()))
    }
}

/// Files below `/app`.
fn owned<'a>(files: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> FileTree {
    let mut tree = FileTree::owned_by(OWNER.0, OWNER.1);
    for (path, content) in files {
        tree.insert(format!("/app/{path}"), content);
    }
    tree
}

#[cfg(test)]
mod tests {
    use testcelery_api::ConnectionUrl;
    use testcelery_codegen::PyModule;

    use super::*;

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
            .tasks(PyModule::source("tests.tasks", ""));
        let spec = worker.plan(&context()).unwrap().spec;
        let files: Vec<&str> = spec.files.iter().flat_map(|tree| tree.iter().map(|(path, _)| path)).collect();
        let go: Vec<&str> = spec.go.iter().flat_map(|tree| tree.iter().map(|(path, _)| path)).collect();
        let owners: Vec<_> = spec.files.iter().chain(&spec.go).map(FileTree::owner).collect();
        insta::assert_snapshot!(format!(
            "{}\n{:#?}\n{:#?}\n{files:#?}\n{go:?} {owners:?}\n{:?}",
            spec.hostname,
            spec.command.as_ref().unwrap(),
            spec.env,
            spec.waits,
        ));
        let settings = spec.files[0].text("/app/testcelery/settings.py").unwrap();
        assert!(settings.contains("APP_NAME = 'shop'"), "{settings}");
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
