//! Every call ends in time, whatever servers do.

use std::{future::Future, time::Duration};

use crate::fake::World;
use serde_json::{Value, json};
use testcelery_client::{App, AsyncResult, Error, State};
use tokio::time::{Instant, sleep};

const LIMIT: Duration = Duration::from_secs(100);

fn success() -> Value {
    json!({"status": "SUCCESS", "result": 5})
}

async fn sent(app: &App) -> AsyncResult {
    app.task("tasks.add").task_id("1").queue("fast").send().await.unwrap()
}

/// How long a call takes that ends with a server that does not answer.
async fn unanswered<T: std::fmt::Debug>(call: impl Future<Output = Result<T, Error>>) -> Duration {
    let begin = Instant::now();
    let error = call.await.unwrap_err();
    let source = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
    let words = ["no answer within ", "it was not sent within "];
    assert!(words.iter().any(|words| source.starts_with(words)), "{error}: {source}");
    begin.elapsed()
}

#[tokio::test(start_paused = true)]
async fn a_command_ends_with_its_timeout() {
    let world = World::default();
    let app = world.app().await;
    world.mute();
    let timeout = Duration::from_secs(2);
    let waited = unanswered(app.control().ping().timeout(timeout).send()).await;
    assert!(waited < timeout + Duration::from_millis(300), "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn a_command_ends_in_time_when_the_broker_becomes_mute_on_the_way() {
    let world = World::default();
    let app = world.app().await;
    let (timeout, begin) = (Duration::from_secs(2), Instant::now());
    let muting = async {
        sleep(timeout / 2).await;
        world.mute();
    };
    let (replies, ()) = tokio::join!(app.control().ping().timeout(timeout).send(), muting);
    assert!(replies.unwrap().is_empty());
    assert!(begin.elapsed() < timeout + Duration::from_millis(300), "{:?}", begin.elapsed());
}

#[tokio::test(start_paused = true)]
async fn calls_to_mute_servers_end() {
    let world = World::default();
    let app = world.app().await;
    let result = sent(&app).await;
    world.mute();
    for waited in [
        unanswered(result.state()).await,
        unanswered(result.meta()).await,
        unanswered(result.forget()).await,
        unanswered(app.task("tasks.add").send()).await,
        unanswered(app.task("tasks.add").ignore_result(true).send()).await,
    ] {
        assert!(waited <= Duration::from_secs(36), "{waited:?}");
    }
    let begin = Instant::now();
    let limit = Duration::from_secs(3);
    assert!(matches!(result.get_within::<()>(limit).await, Err(Error::Timeout { .. })));
    assert!(begin.elapsed() < limit + Duration::from_secs(2), "{:?}", begin.elapsed());
    let begin = Instant::now();
    app.close().await;
    assert!(begin.elapsed() < Duration::from_secs(6), "{:?}", begin.elapsed());
    assert!(world.log().contains(&"close broker".to_owned()), "the backend does not keep it");
}

#[tokio::test(start_paused = true)]
async fn a_backend_that_does_not_answer_ends_the_first_connection() {
    let world = World::default();
    let connect = |backend: &str| world.builder().broker_url("fake://h/").backend_url(backend).connect();
    world.mute();
    for backend in ["fake://h/", "rpc://"] {
        let waited = unanswered(connect(backend)).await;
        // The broker, which does not answer either, has 2.5 s more for closing.
        assert!(waited <= Duration::from_secs(13), "{backend}: {waited:?}");
        assert_eq!(world.log().last().unwrap(), "close broker");
    }
}

#[tokio::test(start_paused = true)]
async fn a_result_that_the_last_look_finds_is_returned() {
    let world = World::default();
    let app = world.app().await;
    let result = sent(&app).await;
    let answering = async {
        sleep(LIMIT / 2).await;
        world.answer(success());
    };
    let (sum, ()) = tokio::join!(result.get_within::<i64>(LIMIT), answering);
    assert_eq!(sum.unwrap(), 5);
}

async fn app_without_workers(world: &World) -> App {
    let builder = world.builder().broker_url("fake://h/").backend_url("fake://h/");
    let gone = |queue: &str| {
        let text = format!("the worker of {queue} exited");
        async move {
            sleep(LIMIT / 10).await;
            text
        }
    };
    builder.on_workers_gone(gone).connect().await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_wait_ends_when_no_worker_is_left() {
    let world = World::default();
    let app = app_without_workers(&world).await;
    let (result, begin) = (sent(&app).await, Instant::now());
    let error = result.get_within::<i64>(LIMIT).await.unwrap_err();
    assert!(begin.elapsed() < LIMIT / 2, "{:?}", begin.elapsed());
    assert!(matches!(error, Error::WorkersGone { state: State::Pending, .. }), "{error:?}");
    assert_eq!(
        error.to_string(),
        "no worker is left that could run task tasks.add [1] from queue fast; waited 10.0s, its last known state is PENDING\n\
         the worker of fast exited"
    );
}

#[tokio::test(start_paused = true)]
async fn a_result_that_came_before_the_last_worker_went_is_returned() {
    let world = World::default();
    let app = app_without_workers(&world).await;
    let result = sent(&app).await;
    let answering = async {
        sleep(LIMIT / 20).await;
        world.answer(success());
    };
    let (sum, ()) = tokio::join!(result.get_within::<i64>(LIMIT), answering);
    assert_eq!(sum.unwrap(), 5);
}
