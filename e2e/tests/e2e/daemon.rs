//! A daemon that is not the one of the environment, goes away, or hangs. On the Docker engine only; elsewhere these tests have nothing to do.

use std::{
    path::PathBuf,
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

use testcelery::{
    ENGINE_VARIABLE, Engine,
    api::{self, Filter},
    prelude::*,
};

use crate::{
    leftovers::{SIGTERM, hold, hold_command},
    proxy::{Proxy, Way},
};

/// Time for what is not to be measured here, on a busy machine.
const SOON: Duration = Duration::from_secs(60);

/// A first signal ends the process within 8 s. The rest is for a busy machine; a call to the daemon alone has 120 s.
const ENDS_WITHIN: Duration = Duration::from_secs(30);

/// The socket of the daemon, where tests run on it.
async fn socket() -> Option<PathBuf> {
    let engine = Engine::auto().await.expect("an engine");
    let address = engine.address()?;
    Some(PathBuf::from(address.strip_prefix("unix://")?))
}

/// Names the engine in code.
fn on_docker(builder: SetupBuilder) -> SetupBuilder {
    static DOCKER: OnceLock<Option<Arc<dyn api::Engine>>> = OnceLock::new();
    let connect = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().ok()?;
        runtime.block_on(Engine::docker()).ok()
    };
    // Not on the thread of a runtime.
    let docker = DOCKER.get_or_init(|| std::thread::spawn(connect).join().ok().flatten());
    match docker {
        Some(docker) => builder.engine(Arc::clone(docker)),
        None => builder,
    }
}

#[testcelery::test(with = on_docker, brokers(redis), backends(redis))]
async fn held_on_docker(setup: Setup) -> Result<()> {
    crate::leftovers::hold_as_told(&setup).await
}

async fn until_gone(session: &str) {
    let docker = Engine::docker().await.expect("Docker");
    let begin = Instant::now();
    loop {
        let left = docker.leftovers(&Filter::Session(session.to_owned())).await.expect("a list");
        if left.is_empty() {
            return;
        }
        assert!(begin.elapsed() < SOON, "{left:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn the_reaper_goes_where_the_stack_is() {
    if socket().await.is_none() {
        return;
    }
    let holding = hold_command(&["daemon::held_on_docker::redis_redis", "--exact"], Some("kill"));
    let mut held = holding.env(ENGINE_VARIABLE, "local").into_held();
    held.until_up().await;
    held.signal("-KILL");
    held.child.wait().expect("it ends");
    until_gone(&held.session).await;
}

#[tokio::test]
async fn the_reaper_waits_for_its_daemon() {
    let Some(socket) = socket().await else { return };
    let proxy = Proxy::to(socket);
    let mut held = hold("redis_redis", Some("kill"), &[("TESTCELERY_DOCKER_HOST", &proxy.address)]);
    held.until_up().await;
    proxy.set(Way::Cut);
    held.signal("-KILL");
    held.child.wait().expect("it ends");
    // It tries again after a failure, and is there when the daemon is.
    proxy.until_accepted(3, SOON);
    proxy.set(Way::Open);
    until_gone(&held.session).await;
}

/// The boot fails, and nothing can be removed then.
#[tokio::test]
async fn a_daemon_that_goes_away_during_the_boot_keeps_nothing() {
    let Some(socket) = socket().await else { return };
    let proxy = Proxy::to(socket);
    let mut held = hold("rabbitmq_redis", Some("kill"), &[("TESTCELERY_DOCKER_HOST", &proxy.address)]);
    while !crate::leftovers::left_over(&held.session).await.iter().any(|left| left.kind == "container") {
        tokio::task::yield_now().await;
    }
    proxy.set(Way::Cut);
    assert_eq!(held.child.wait().expect("it ends").code(), Some(101));
    proxy.set(Way::Open);
    until_gone(&held.session).await;
}

#[tokio::test]
async fn a_daemon_that_hangs_does_not_outlast_a_signal() {
    let Some(socket) = socket().await else { return };
    let proxy = Proxy::to(socket);
    let mut held = hold("redis_redis", Some("block"), &[("TESTCELERY_DOCKER_HOST", &proxy.address)]);
    held.until_up().await;
    proxy.set(Way::Blocked);
    let begin = Instant::now();
    held.signal("-TERM");
    let status = tokio::task::spawn_blocking(move || held.child.wait().map(|status| (status, held.session)));
    let (status, session) = status.await.expect("no panic").expect("it ends");
    assert!(begin.elapsed() < ENDS_WITHIN, "{:?}", begin.elapsed());
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(SIGTERM));
    proxy.set(Way::Open);
    until_gone(&session).await;
}
