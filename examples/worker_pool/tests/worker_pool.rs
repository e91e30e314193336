//! The pools of a worker.

use futures_util::future::try_join_all;
use testcelery::prelude::*;

/// How many tasks meet, as `tasks.py` has it.
const PARTY: usize = 20;

fn stack(worker: Worker) -> SetupBuilder {
    Setup::builder().broker(Redis::default()).backend(Redis::default()).worker(worker)
}

fn side_by_side(pool: &str) -> Worker {
    Worker::default().pool(pool).concurrency(100).tasks(PyModule::file("tests/tasks.py"))
}

fn prefork() -> SetupBuilder {
    stack(Worker::default().pool("prefork").concurrency(2))
}

fn solo() -> SetupBuilder {
    stack(Worker::default().pool("solo").concurrency(1))
}

fn threads() -> SetupBuilder {
    stack(side_by_side("threads"))
}

fn gevent() -> SetupBuilder {
    stack(side_by_side("gevent"))
}

fn eventlet() -> SetupBuilder {
    stack(side_by_side("eventlet"))
}

#[testcelery::test(setup = prefork)]
async fn prefork_has_processes(setup: Setup) -> Result<()> {
    runs_in(&setup, "concurrency: 2 (prefork)").await
}

#[testcelery::test(setup = solo)]
async fn solo_has_one_process(setup: Setup) -> Result<()> {
    runs_in(&setup, "concurrency: 1 (solo)").await
}

#[testcelery::test(setup = threads)]
async fn threads_run_side_by_side(setup: Setup) -> Result<()> {
    runs_in(&setup, "concurrency: 100 (thread)").await?;
    all_meet(&setup).await
}

#[testcelery::test(setup = gevent)]
async fn gevent_runs_side_by_side(setup: Setup) -> Result<()> {
    runs_in(&setup, "concurrency: 100 (gevent)").await?;
    all_meet(&setup).await
}

#[testcelery::test(setup = eventlet)]
async fn eventlet_runs_side_by_side(setup: Setup) -> Result<()> {
    runs_in(&setup, "concurrency: 100 (eventlet)").await?;
    all_meet(&setup).await
}

/// The worker says which pool it has, and works.
async fn runs_in(setup: &Setup, banner: &str) -> Result<()> {
    setup.workers()[0].logs().wait_for(banner).await?;
    assert_eq!(setup.ping().await?, "pong");
    Ok(())
}

/// Tasks that wait for each other all come to their end, so all of them ran at the same time.
async fn all_meet(setup: &Setup) -> Result<()> {
    let sent = (0..PARTY).map(|_| setup.app().task("tests.tasks.meet").send());
    let results = try_join_all(sent).await?;
    let mut guests = try_join_all(results.iter().map(|result| result.get::<usize>())).await?;
    guests.sort_unstable();
    assert!(guests.iter().copied().eq(0..PARTY), "{guests:?}");

    let logs = setup.workers()[0].logs();
    logs.wait("tests.tasks.meet[").times(2 * PARTY).await?;
    assert!(!logs.contains("Exception for") && !logs.contains("raised unexpected"));
    Ok(())
}
