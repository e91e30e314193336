//! What a worker makes of the content that it gets: apps, tasks and signal handlers of the user's own.

use testcelery::{client::DEFAULT_QUEUE, prelude::*};

/// Modules as the files of a project.
fn data(path: &str) -> PyModule {
    PyModule::file(format!("tests/data/{path}")).root("tests/data")
}

fn one(worker: Worker) -> SetupBuilder {
    Setup::builder().broker(Redis::default()).backend(Redis::default()).worker(worker)
}

async fn answer<T: serde::de::DeserializeOwned>(setup: &Setup, task: &str) -> Result<T> {
    Ok(setup.app().task(task).send().await?.get().await?)
}

fn own_app() -> SetupBuilder {
    let app = PyModule::file("tests/data/proj/proj/celery.py").root("tests/data/proj");
    one(Worker::default().app(app).config("task_acks_late", true).config("task_default_priority", 3))
}

/// An app that somebody else has built is used as it is, and speaks to the servers of the setup.
#[testcelery::test(setup = own_app)]
async fn an_app_of_ones_own(setup: Setup) -> Result<()> {
    let sum = setup.app().task("proj.tasks.add").args((2, 3)).send().await?;
    assert_eq!(sum.get::<i64>().await?, 5);
    // Its own name and settings, but for those that the worker was told.
    let settings: (String, i64, bool, i64) = answer(&setup, "proj.tasks.settings").await?;
    assert_eq!(settings, ("proj".to_owned(), 3600, true, 3));
    // The default tasks are there all the same.
    setup.ready().await
}

fn own_queue() -> SetupBuilder {
    let text = "from celery import Celery\n\napp = object()\nshop = Celery('shop')\nshop.conf.task_default_queue = 'orders'\n";
    one(Worker::default().app(PyModule::source("shop", text)))
}

/// What an app of one's own says of its queues is what runs and what the node reports, though only Python knows. Celery's rules lead to an `app`
/// that is something else here, as in a module with a web app.
#[testcelery::test(setup = own_queue)]
async fn queues_of_an_app_of_ones_own(setup: Setup) -> Result<()> {
    assert_eq!(setup.workers()[0].queues(), ["orders"]);
    assert_eq!(setup.ping().await?, "pong");
    Ok(())
}

fn foreign_tasks() -> SetupBuilder {
    let package = PyModule::package("tests/data/jobs").root("tests/data");
    one(Worker::default().tasks(package))
}

/// Tasks on an app of their module's own run in the worker's, and no name of a module gets into it.
#[testcelery::test(setup = foreign_tasks)]
async fn tasks_of_other_apps(setup: Setup) -> Result<()> {
    for (task, meant) in [
        ("jobs.foreign.shared", "shared"),
        ("jobs.foreign.unshared", "unshared"),
        ("jobs.foreign.whose", "celery_test_app"),
        ("deep.named", "named"),
        ("jobs.factory.by_function", "by function"),
        ("made.by_name", "by name"),
        ("jobs.nested.deep.plain", "plain"),
    ] {
        assert_eq!(answer::<String>(&setup, task).await?, meant, "{task}");
    }
    let doubled = setup.app().task("jobs.registered").args((21,)).send().await?;
    assert_eq!(doubled.get::<i64>().await?, 42);
    Ok(())
}

/// What is listed on the host is what the worker has registered.
#[testcelery::test(setup = foreign_tasks)]
async fn tasks_that_are_listed(setup: Setup) -> Result<()> {
    let code =
        "app.loader.import_default_modules(); [name for name in app.tasks if not name.startswith('celery.')]";
    let mut registered: Vec<String> = setup.workers()[0].python(code).await?;
    registered.sort();
    let package = PyModule::package("tests/data/jobs").root("tests/data");
    let listed = testcelery::InitialContent::default().tasks(package).task_names();
    let listed = listed.expect("it can be read");
    assert_eq!(registered, listed.names());
    assert!(listed.is_complete(), "{:?}", listed.unseen());
    Ok(())
}

fn with_signals() -> SetupBuilder {
    one(Worker::default().concurrency(1).signals(data("signals.py")))
}

/// The handlers of the guide, and of pytest-celery's own smoke test.
#[testcelery::test(setup = with_signals)]
async fn signals_of_a_worker(setup: Setup) -> Result<()> {
    let worker = &setup.workers()[0];
    for handler in ["worker_init", "worker_process_init", "worker_ready"] {
        worker.logs().wait_for(format!("{handler}_handler")).await?;
    }
    worker.kill(Signal::TERM).await?;
    for handler in ["worker_process_shutdown", "worker_shutdown"] {
        worker.logs().wait_for(format!("{handler}_handler")).await?;
    }
    assert!(worker.wait_exit().await.success());
    Ok(())
}

fn with_utils() -> SetupBuilder {
    one(Worker::default().utils(data("myutils.py")))
}

/// Helpers of one's own take the place of `utils`, and the list of processes is still there.
#[testcelery::test(setup = with_utils)]
async fn utils_of_ones_own(setup: Setup) -> Result<()> {
    let worker = &setup.workers()[0];
    let answer: String = worker.python("from utils import myfunc; myfunc()").await?;
    assert_eq!(answer, "foo");
    assert!(worker.processes().await?.iter().any(|process| process.pid > 0));
    Ok(())
}

fn configured() -> SetupBuilder {
    let config = Config::new()
        .task_queues([
            Queue::new(DEFAULT_QUEUE),
            Queue::new("media").exchange(Exchange::new("media").kind("topic")).routing_key("media.#"),
        ])
        .beat_schedule([(
            "nightly",
            PyValue::dict([
                ("task", PyValue::from("testcelery.tasks.ping")),
                ("schedule", Crontab::new().minute("*/5").hour(3).into()),
            ]),
        )])
        .custom("shop_since", jiff_date())
        .custom("shop_password", "hunter2")
        .custom("shop_url", "redis://:hunter2@somewhere/0")
        .custom("shop_pause", std::time::Duration::from_millis(1500))
        .custom("shop_colours", PyValue::set(["red", "green"]));
    one(Worker::default().configure(config))
}

fn jiff_date() -> PyValue {
    PyValue::call("datetime.date", [2026.into(), 11.into(), 24.into()], [])
}

/// Values that are no literals arrive as what they are, and the worker says what it was told without what is secret.
#[testcelery::test(setup = configured)]
async fn settings_of_every_kind(setup: Setup) -> Result<()> {
    let worker = &setup.workers()[0];
    let code = "[[(q.name, q.exchange.name, q.exchange.type, q.routing_key) for q in app.conf.task_queues],
        repr(app.conf.beat_schedule['nightly']['schedule']), repr(app.conf.shop_since), repr(app.conf.shop_pause), sorted(app.conf.shop_colours)]";
    let seen: serde_json::Value = worker.python(code).await?;
    assert_eq!(seen[0][1], serde_json::json!(["media", "media", "topic", "media.#"]));
    assert_eq!(seen[1], "<crontab: */5 3 * * * (m/h/dM/MY/d)>");
    assert_eq!(seen[2], "datetime.date(2026, 11, 24)");
    assert_eq!(seen[3], "datetime.timedelta(seconds=1, microseconds=500000)");
    assert_eq!(seen[4], serde_json::json!(["green", "red"]));
    worker.logs().wait_for("Changed worker configuration").await?;
    worker.logs().wait_for("\"shop_url\": \"redis://:**@somewhere/0\"").await?;
    assert!(!worker.logs().text().contains("hunter2"));
    setup.ready().await
}

fn default_worker() -> SetupBuilder {
    one(Worker::default())
}

/// What is uploaded belongs to who runs the worker.
#[testcelery::test(setup = default_worker)]
async fn the_content_is_the_workers_own(setup: Setup) -> Result<()> {
    let code = "open('app.py', 'a').close(); open('new', 'w').write('x')";
    assert_eq!(setup.workers()[0].python::<i64>(code).await?, 1);
    Ok(())
}
