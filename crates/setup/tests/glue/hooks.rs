//! Code of the user's own at fixed points of a setup's life.

use std::{
    future::{Ready, ready},
    sync::{
        OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use testcelery::{Config, Error, prelude::*};

use crate::{
    fake::{Calls, FakeBackend, FakeStores, Fault},
    refused, stack,
    workers::Curious,
};

/// A hook that only writes down that it ran.
fn noting(calls: &Calls, name: &'static str) -> impl FnOnce(Setup) -> Ready<Result<()>> + Send + 'static {
    let calls = calls.clone();
    move |_| {
        calls.add(name);
        ready(Ok(()))
    }
}

#[tokio::test(start_paused = true)]
async fn each_hook_has_its_time() {
    let (builder, calls) = stack(Fault::None);
    let note = |name: &'static str| {
        let calls = calls.clone();
        move || calls.add(name)
    };
    let (config, plan) = (note("config"), note("plan"));
    let (up, second) = (note("up"), note("up too"));
    let (down, later) = (note("down"), note("down too"));
    let starting = builder
        .update_app_config(move |_| config())
        .before_start(move |_| {
            plan();
            Ok(())
        })
        .after_start(async move |setup| {
            assert_eq!(setup.len(), 2);
            up();
            Ok(())
        })
        .after_start(async move |_| {
            second();
            Ok(())
        })
        .before_down(async move |setup| {
            // Everything still works.
            setup.app().task("tasks.last").send().await?;
            down();
            Ok(())
        })
        .before_down(async move |_| {
            later();
            Ok(())
        })
        .start();
    let setup = tokio::spawn(starting).await.unwrap().unwrap();
    assert_eq!(calls.all()[..3], ["config", "plan", "create network"]);
    let made = calls.all();
    assert_eq!(made[made.len() - 2..], ["up", "up too"]);
    setup.down().await.unwrap();
    assert_eq!(calls.all()[made.len()..][..2], ["down", "down too"]);
    setup.down().await.unwrap();
    assert_eq!(calls.all().iter().filter(|call| *call == "down").count(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_configuration_reaches_both_sides() {
    let (builder, _) = stack(Fault::None);
    let curious = Curious::default();
    let setup = builder
        .backend(FakeBackend::default())
        .store(FakeStores)
        .worker(curious.clone())
        .config("task_acks_late", true)
        .config("task_default_queue", "first")
        .configure(Config::new().task_time_limit(Duration::from_secs(30)))
        .result_timeout(Duration::from_secs(7))
        .update_app_config(|config| {
            assert_eq!(
                (config.name.as_str(), config.result_timeout),
                ("celery_test_app", Duration::from_secs(7))
            );
            assert_eq!(config.settings.get("task_acks_late"), Some(&PyValue::Bool(true)));
            assert_eq!(config.broker_urls(), ["fake://broker:1/"]);
            assert_eq!(config.backend_url(), Some("fake://:**@backend:2/7"));
            config.set("task_default_queue", "orders");
            "shop".clone_into(&mut config.name);
        })
        .update_app_config(|config| {
            assert_eq!(config.name, "shop", "it sees what the one before it did");
            config.result_timeout = Duration::from_millis(1);
        })
        .start()
        .await
        .unwrap();
    let app = setup.app();
    assert_eq!((app.name(), app.default_queue()), ("shop", "orders"));
    let error = app.task("tasks.add").send().await.unwrap().get::<()>().await.unwrap_err();
    assert!(error.to_string().contains("within 1.0ms"), "{error}");
    let told = curious.told();
    assert_eq!(told.app_name, "shop");
    let settings: Vec<&str> = told.get::<Config>().unwrap().iter().map(|(key, _)| key).collect();
    assert_eq!(settings, ["task_acks_late", "task_default_queue", "task_time_limit"]);
    setup.down().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_is_planned_can_be_changed() {
    let (builder, _) = stack(Fault::None);
    let builder = builder.before_start(|plan| {
        assert_eq!(plan.names().collect::<Vec<_>>(), ["broker", "worker"]);
        plan.update("worker", |spec| spec.env("TOKEN", "s3cret"))
    });
    let setup = builder.start().await.unwrap();
    let env = &setup.workers()[0].container().spec().env;
    assert_eq!(*env, [("TOKEN".to_owned(), "s3cret".to_owned())]);
    setup.down().await.unwrap();
}

#[tokio::test]
async fn what_fails_before_the_start_starts_nothing() {
    let (builder, first) = stack(Fault::None);
    let error = refused(builder.before_start(|plan| plan.get("backend").map(drop))).await;
    assert!(error.contains("the hook before_start failed") && error.contains("no node `backend`"), "{error}");

    let (builder, second) = stack(Fault::None);
    let error = refused(builder.before_start(|_| panic!("as told"))).await;
    assert!(error.contains("the hook before_start failed") && error.contains("panicked: as told"), "{error}");

    let (builder, third) = stack(Fault::None);
    let error = refused(builder.update_app_config(|_| panic!("as told"))).await;
    assert!(error.contains("the hook update_app_config failed"), "{error}");

    let (builder, fourth) = stack(Fault::None);
    let error = refused(builder.config("task_default_queue", ["two", "queues"])).await;
    assert!(error.contains("task_default_queue"), "{error}");
    for calls in [first, second, third, fourth] {
        assert!(calls.all().is_empty(), "{:?}", calls.all());
    }
}

#[tokio::test(start_paused = true)]
async fn a_start_whose_hook_fails_takes_everything_away() {
    for panics in [false, true] {
        let (builder, calls) = stack(Fault::None);
        let builder = builder
            .after_start(async move |_| {
                assert!(!panics, "as told");
                Err(Error::other("as told"))
            })
            .after_start(noting(&calls, "another"))
            .before_down(noting(&calls, "down"));
        let error = refused(builder).await;
        assert!(error.contains("the hook after_start failed") && error.contains("as told"), "{error}");
        assert!(!calls.all().contains(&"another".to_owned()));
        assert!(calls.place("down") < calls.place("remove broker"));
        assert!(calls.place("remove worker") < calls.place("remove network"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_hook_that_fails_before_the_end_is_reported_and_stops_nothing() {
    let (builder, calls) = stack(Fault::None);
    let setup = builder
        .before_down(async |_| Err(Error::other("first of all")))
        .before_down(async |_| panic!("second of all"))
        .before_down(noting(&calls, "third"))
        .start()
        .await
        .unwrap();
    let error = setup.down().await.unwrap_err().to_string();
    assert!(error.contains("the hook before_down failed: first of all"), "{error}");
    assert!(error.contains("the hook before_down failed: panicked: second of all"), "{error}");
    assert!(calls.place("third") < calls.place("remove broker"));
    assert_eq!(calls.all().last().unwrap(), "remove network");
    setup.down().await.unwrap();
}

#[test]
fn a_failed_test_has_its_hook_too() {
    if crate::runs_elsewhere("hooks::a_failed_test_has_its_hook_too") {
        return;
    }
    static CALLS: OnceLock<Calls> = OnceLock::new();
    static RUNS: AtomicUsize = AtomicUsize::new(0);
    let builder = || {
        let (builder, calls) = stack(Fault::None);
        CALLS.get_or_init(|| calls);
        builder.before_down(async |_| {
            RUNS.fetch_add(1, Ordering::SeqCst);
            Err(Error::other("the hook too"))
        })
    };
    let outcome = testcelery::runner::run("glue::failed_with_hook", builder, &[], |_| async {
        Err::<(), _>(Error::other("the body"))
    });
    let failure = format!("{:?}", outcome.unwrap_err());
    assert!(failure.contains("the body") && failure.contains("the hook too"), "{failure}");
    assert_eq!(RUNS.load(Ordering::SeqCst), 1);
    assert_eq!(CALLS.get().unwrap().all().last().unwrap(), "remove network");
}
