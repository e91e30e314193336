//! Hooks of a setup, on real stacks.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use serde_json::{Value, json};
use testcelery::{Error, api::Mount, prelude::*};

/// Tells what a worker finds around itself.
const SURROUNDINGS: &str = r#"
import os

from celery import current_app, shared_task


@shared_task(name="surroundings")
def surroundings():
    return {
        "app": current_app.main,
        "token": os.environ.get("TOKEN"),
        "prefetch": current_app.conf.worker_prefetch_multiplier,
        "track": current_app.conf.task_track_started,
    }
"#;

fn stack() -> SetupBuilder {
    Setup::builder()
        .broker(Redis::default())
        .backend(Redis::default())
        .worker(Worker::default().concurrency(1).tasks(PyModule::source("surroundings", SURROUNDINGS)))
}

/// The settings say where a call goes that names no queue, and both sides have the app's new name.
fn configured() -> SetupBuilder {
    stack().update_app_config(|config| {
        assert!(config.broker_urls()[0].starts_with("redis://:**@broker:6379"), "{:?}", config.broker_urls());
        config.set("task_default_queue", "orders");
        "shop".clone_into(&mut config.name);
    })
}

#[testcelery::test(setup = configured)]
async fn configuration_of_the_app(setup: Setup) -> Result<()> {
    let app = setup.app();
    assert_eq!((app.name(), app.default_queue()), ("shop", "orders"));
    let seen: Value = app.task("surroundings").send().await?.get().await?;
    assert_eq!(seen["app"], "shop");
    assert_eq!(setup.ping().await?, "pong");
    Ok(())
}

/// What the setup says holds for all workers that say nothing else.
fn settings() -> SetupBuilder {
    let worker = |queue: &str| {
        let tasks = PyModule::source("surroundings", SURROUNDINGS);
        Worker::default().concurrency(1).queue(queue).tasks(tasks)
    };
    Setup::builder()
        .broker(Redis::default())
        .backend(Redis::default())
        .worker(worker("plain"))
        .worker(worker("own").config("worker_prefetch_multiplier", 3))
        .config("worker_prefetch_multiplier", 7)
        .update_app_config(|config| config.set("task_track_started", true))
}

#[testcelery::test(setup = settings)]
async fn settings_of_the_setup_and_of_a_worker(setup: Setup) -> Result<()> {
    for (queue, prefetch) in [("plain", 7), ("own", 3)] {
        let seen: Value = setup.app().task("surroundings").queue(queue).send().await?.get().await?;
        assert_eq!((&seen["prefetch"], &seen["track"]), (&json!(prefetch), &json!(true)), "{queue}");
    }
    Ok(())
}

/// A variable and a file of the host that only the hook knows of.
#[tokio::test]
async fn planned_containers_can_be_changed() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    std::fs::write(folder.path().join("word"), "from the host")?;
    let source = folder.path().to_owned();
    let builder = stack().before_start(move |plan| {
        assert_eq!(plan.names().collect::<Vec<_>>(), ["broker", "backend", "worker"]);
        plan.update("worker", |spec| spec.env("TOKEN", "s3cret").mount(Mount::bind(source, "/data/host")))
    });
    let setup = builder.start().await?;
    let seen = setup.workers()[0].container().download("/data/host/word").await?;
    assert_eq!(seen.text("/data/host/word"), Some("from the host"));
    let seen: Value = setup.app().task("surroundings").send().await?.get().await?;
    assert_eq!(seen["token"], "s3cret");
    setup.down().await?;
    Ok(())
}

/// Hooks use the stack as a test does: one before the test, one behind it.
#[tokio::test]
async fn the_stack_works_in_hooks() -> anyhow::Result<()> {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let (up, down) = (Arc::clone(&seen), Arc::clone(&seen));
    let note =
        |seen: &Mutex<Vec<String>>, what: &str| seen.lock().expect("nobody panicked").push(what.to_owned());
    let builder = stack()
        .after_start(async move |setup| {
            assert_eq!(setup.ping().await?, "pong");
            note(&up, "up");
            Ok(())
        })
        .before_down(async move |setup| {
            assert_eq!(setup.ping().await?, "pong");
            // The log may come later than the result.
            setup.workers()[0].logs().wait("] received").times(3).await?;
            note(&down, &setup.workers()[0].logs().text());
            Ok(())
        });
    let setup = builder.start().await?;
    assert_eq!(setup.ping().await?, "pong");
    setup.down().await?;
    let seen = seen.lock().expect("nobody panicked");
    assert_eq!((seen.len(), seen[0].as_str()), (2, "up"));
    assert_eq!(seen[1].matches("] received").count(), 3, "{}", seen[1]);
    Ok(())
}

#[tokio::test]
async fn a_hook_that_fails_takes_the_stack_away() {
    static LAST: AtomicUsize = AtomicUsize::new(0);
    let builder = stack()
        .after_start(async |setup| {
            setup.workers()[0].kill(Signal::KILL).await?;
            Err(Error::other("nobody works here"))
        })
        .before_down(async |setup| {
            LAST.fetch_add(setup.workers().len(), Ordering::SeqCst);
            Ok(())
        });
    let error = format!("{:?}", builder.start().await.expect_err("the hook fails"));
    assert!(error.contains("the hook after_start failed") && error.contains("nobody works here"), "{error}");
    assert_eq!(LAST.load(Ordering::SeqCst), 1);
}
