//! The order of things between recipes and a running stack, on an engine that writes down what it is asked for.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod fake;
mod hooks;
mod narrowing;
mod shared;
mod workers;

use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use fake::{Calls, FakeBroker, FakeEngine, FakeTransport, FakeWorker, Fault};
use testcelery::{
    api::{Capability, DEFAULT_READY_TIMEOUT},
    prelude::*,
    runner::Need,
};

fn stack(fault: Fault) -> (SetupBuilder, Calls) {
    let calls = Calls::default();
    let engine = FakeEngine { calls: calls.clone(), fault };
    let builder = Setup::builder()
        .engine(Arc::new(engine))
        .broker(FakeBroker)
        .worker(FakeWorker::default())
        .transport(FakeTransport);
    (builder, calls)
}

/// Runs a test that goes through the runner again, in a process whose environment changes nothing for the runner; returns whether this process
/// was to do so, and has. The name is that of the test in this program.
fn runs_elsewhere(test: &str) -> bool {
    const ELSEWHERE: &str = "TESTCELERY_TEST_ELSEWHERE";
    if std::env::var_os(ELSEWHERE).is_some() {
        return false;
    }
    let mut command = std::process::Command::new(std::env::current_exe().unwrap());
    for variable in ["TESTCELERY_BROKERS", "TESTCELERY_BACKENDS", "TESTCELERY_REPORT"] {
        command.env_remove(variable);
    }
    let output = command.args([test, "--exact", "--nocapture"]).env(ELSEWHERE, "1").output().unwrap();
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
    true
}

async fn refused(builder: SetupBuilder) -> String {
    format!("{:?}", builder.start().await.unwrap_err())
}

#[tokio::test(start_paused = true)]
async fn everything_starts_at_once_and_the_worker_goes_when_the_broker_is_ready() {
    let (builder, calls) = stack(Fault::None);
    let setup = builder.start().await.unwrap();
    assert_eq!(setup.len(), 2);
    assert_eq!(calls.all()[0], "create network");
    for call in ["start broker", "start worker"] {
        assert!(calls.place(call) < calls.place("ready broker"), "{:?}", calls.all());
    }
    assert!(calls.place("ready broker") < calls.place("go worker"));
    setup.down().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn down_removes_containers_before_their_network_and_only_once() {
    let (builder, calls) = stack(Fault::None);
    let setup = builder.start().await.unwrap();
    setup.down().await.unwrap();
    let network = calls.place("remove network");
    assert!(calls.place("remove broker") < network && calls.place("remove worker") < network);
    let made = calls.all().len();
    setup.down().await.unwrap();
    assert_eq!(calls.all().len(), made);
}

#[tokio::test(start_paused = true)]
async fn down_says_what_stays_and_removes_the_rest() {
    let (builder, calls) = stack(Fault::Stays("worker"));
    let setup = builder.start().await.unwrap();
    let error = setup.down().await.unwrap_err().to_string();
    assert!(error.contains("it stays"), "{error}");
    assert!(
        calls.all().contains(&"remove broker".to_owned())
            && calls.all().contains(&"remove network".to_owned())
    );
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_ends_before_it_is_told_to_go_is_an_error_at_once() {
    let (builder, calls) = stack(Fault::Exits("worker"));
    let error = refused(builder).await;
    assert!(error.contains("exited with code 2") && error.contains("| ImportError: as told"), "{error}");
    assert!(
        !calls.all().contains(&"ready broker".to_owned()),
        "nobody waited for the broker: {:?}",
        calls.all()
    );
    assert!(calls.place("remove broker") < calls.place("remove network"));
    assert!(calls.place("remove worker") < calls.place("remove network"));
}

#[tokio::test(start_paused = true)]
async fn a_broker_that_ends_takes_the_rest_with_it() {
    let (builder, calls) = stack(Fault::Exits("broker"));
    let error = refused(builder).await;
    assert!(error.contains("container `broker` ended too early"), "{error}");
    assert!(!calls.all().contains(&"go worker".to_owned()));
    assert_eq!(calls.all().last().unwrap(), "remove network");
}

#[tokio::test(start_paused = true)]
async fn a_container_that_hangs_has_its_ready_timeout_once() {
    let (builder, _) = stack(Fault::Silent("broker"));
    let begin = tokio::time::Instant::now();
    let error = refused(builder).await;
    assert!(error.contains("container `broker`") && error.contains("ready"), "{error}");
    let over = begin.elapsed().checked_sub(DEFAULT_READY_TIMEOUT).unwrap();
    assert!(over < Duration::from_secs(1), "{over:?} more than it has");
}

#[tokio::test]
async fn without_its_images_nothing_is_created() {
    let (builder, calls) = stack(Fault::Image);
    let error = refused(builder).await;
    assert!(error.contains("image `fake` is not present"), "{error}");
    assert!(calls.all().is_empty(), "{:?}", calls.all());
}

#[tokio::test]
async fn a_mistake_in_the_recipe_starts_nothing() {
    let (builder, calls) = stack(Fault::None);
    let broken = Worker::default().tasks(PyModule::source("broken", "def f(:\n"));
    assert!(refused(builder.worker(broken)).await.contains("broken.py:1:7"));

    let (builder, same_name) = stack(Fault::None);
    let twins = [Worker::default().named("twin"), Worker::default().named("twin")];
    assert!(refused(builder.workers(twins)).await.contains("two components are named `twin`"));

    let (builder, both) = stack(Fault::None);
    assert!(refused(builder.rpc().backend(Redis::default())).await.contains("not both"));

    for calls in [calls, same_name, both] {
        assert!(calls.all().is_empty(), "{:?}", calls.all());
    }
    assert!(refused(Setup::builder()).await.contains("it has no broker"));
}

#[tokio::test]
async fn what_the_engine_cannot_do_starts_nothing() {
    let (builder, calls) = stack(Fault::Unable);
    let error = refused(builder).await;
    assert!(error.contains("the fake engine cannot do images"), "{error}");
    assert!(calls.all().is_empty(), "{:?}", calls.all());
}

#[test]
fn a_test_whose_needs_are_not_met_is_skipped() {
    if runs_elsewhere("a_test_whose_needs_are_not_met_is_skipped") {
        return;
    }
    static CALLS: OnceLock<Calls> = OnceLock::new();
    static RUN: AtomicBool = AtomicBool::new(false);
    let builder = || {
        let (builder, calls) = stack(Fault::Unable);
        CALLS.get_or_init(|| calls);
        builder
    };
    let needs = [Need::Engine(Capability::Partition)];
    let outcome = testcelery::runner::run("glue::skipped", builder, &needs, |_| async {
        RUN.store(true, Ordering::SeqCst);
    });
    assert!(outcome.is_ok(), "{outcome:?}");
    assert!(!RUN.load(Ordering::SeqCst));
    assert!(CALLS.get().unwrap().all().is_empty());
}

#[test]
fn software_that_is_not_to_be_had_is_a_failure_or_a_need() {
    if runs_elsewhere("software_that_is_not_to_be_had_is_a_failure_or_a_need") {
        return;
    }
    async fn body(_: Setup) {
        panic!("it never runs");
    }
    let builder = || stack(Fault::Software).0;
    testcelery::runner::run("glue::needs_software", builder, &[Need::Software], body).unwrap();
    let failure = testcelery::runner::run("glue::no_software", builder, &[], body).unwrap_err();
    assert!(
        format!("{failure:?}").contains("`fake` is not to be had on this machine: as told"),
        "{failure:?}"
    );
}
