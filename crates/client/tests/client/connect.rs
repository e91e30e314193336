//! How an app finds its servers, without one.

use std::sync::Arc;

use crate::fake::World;
use testcelery_api::{BoxError, ConnectionUrl};
use testcelery_client::{Address, App, Error};

#[derive(Debug)]
struct Gone;

impl Address for Gone {
    fn url(&self) -> Result<ConnectionUrl, BoxError> {
        Err("the container does not run".into())
    }
}

#[tokio::test]
async fn a_scheme_that_nobody_speaks_is_named_with_those_that_are_known() {
    let world = World::default();
    let error = world.builder().broker_url("sqs://h/").connect().await.unwrap_err();
    assert_eq!(error.to_string(), "nobody speaks sqs:// as a broker; known are fake");
    let builder = world.builder().broker_url("fake://h/").backend_url("mongodb://h/");
    assert_eq!(
        builder.connect().await.unwrap_err().to_string(),
        "nobody speaks mongodb:// as a result backend; known are fake, cache+fake, rpc, disabled"
    );
    assert!(world.log().is_empty(), "{:?}", world.log());
}

#[tokio::test]
async fn a_text_that_is_no_url_is_not_repeated() {
    let builder = World::default().builder().broker_url("hunter2:nothing at all");
    assert!(!format!("{builder:?}").contains("hunter2"));
    let error = builder.connect().await.unwrap_err();
    assert!(matches!(error, Error::UnknownScheme { .. } | Error::Url { .. }), "{error}");
    let error = World::default().builder().broker_url("redis://:hunter2@:x").connect().await.unwrap_err();
    assert_eq!(error.to_string(), "the URL of the broker cannot be read");
    assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
}

/// What a URL asks for is followed or refused by its name, and a refusal comes before the first connection.
#[tokio::test]
async fn what_a_url_asks_for_is_never_dropped() {
    for (broker, backend, expected) in [
        (
            "fake://h/?virtual_host=hunter2",
            "rpc://",
            "the URL of the broker cannot be used (fake://h/?virtual_host=hunter2): option `virtual_host` of the URL is not supported; \
             none is known",
        ),
        (
            "fake://h/;fake://i/?password=hunter2",
            "rpc://",
            "the URL of the broker cannot be used (fake://i/?password=**): option `password` of the URL is not supported; none is known",
        ),
        (
            "fake://h/",
            "fake://h/?a=1",
            "the URL of the result backend cannot be used (fake://h/?a=1): option `a` of the URL is not supported; none is known",
        ),
        (
            "fake://h/",
            "rpc://?a=1",
            "the URL of the result backend cannot be used (rpc:///?a=1): `rpc://` names no server of its own and has no options",
        ),
        (
            "fake://h/",
            "disabled://x",
            "the URL of the result backend cannot be used (disabled://x/): `disabled://` names no server of its own and has no options",
        ),
        ("amqps://h/", "rpc://", "nobody speaks amqps:// as a broker; known are fake (TLS is not supported)"),
        (
            "redis+socket:///run/redis.sock",
            "rpc://",
            "nobody speaks redis+socket:// as a broker; known are fake (Unix sockets are not supported)",
        ),
        ("fake://a#b@h/", "rpc://", "the URL of the broker cannot be read"),
        ("fake://h1;h2/", "rpc://", "the URL of the broker cannot be read"),
        ("fake://h/", "fake://h1;h2/", "the URL of the result backend cannot be read"),
    ] {
        let world = World::default();
        let error = world.builder().broker_url(broker).backend_url(backend).connect().await.unwrap_err();
        assert_eq!(error.to_string(), expected);
        assert!(world.log().is_empty(), "{broker} {backend}: {:?}", world.log());
    }
}

#[tokio::test]
async fn an_app_needs_a_broker() {
    let error = App::builder("test").connect().await.unwrap_err();
    assert_eq!(error.to_string(), "the app has no broker; name one with `broker_url(..)` or `broker(..)`");
}

#[tokio::test]
async fn the_first_broker_that_answers_is_taken() {
    let world = World::default();
    world.down("a");
    world.builder().broker_url("fake://a/;fake://b/").broker_url("fake://c/").connect().await.unwrap();
    assert_eq!(world.log(), ["connect to broker a", "connect to broker b"]);
}

#[tokio::test]
async fn no_broker_that_answers_is_an_error() {
    let world = World::default();
    world.down("a");
    let error = world.builder().broker_url("fake://a/").connect().await.unwrap_err();
    assert_eq!(error.to_string(), "could not connect to the broker at fake://h/");
}

#[tokio::test]
async fn each_of_several_brokers_has_its_reason() {
    let world = World::default();
    world.down("a");
    world.down("b");
    let error = world.builder().broker_url("fake://a/;fake://b/").connect().await.unwrap_err();
    let reason = "could not connect to the broker at fake://h/: refused";
    assert_eq!(error.to_string(), format!("none of 2 brokers could be reached\n  {reason}\n  {reason}"));
    assert_eq!(world.log(), ["connect to broker a", "connect to broker b"]);
}

#[tokio::test]
async fn an_address_that_does_not_know_is_an_error() {
    let error = World::default().builder().broker(Arc::new(Gone)).connect().await.unwrap_err();
    assert_eq!(error.to_string(), "could not find the broker at its address");
}

#[tokio::test]
async fn backends_are_found_by_their_scheme() {
    let world = World::default();
    let connect = |url: &str| world.builder().broker_url("fake://h/").backend_url(url).connect();
    assert!(connect("cache+fake://h/").await.unwrap().backend_url().is_some());
    assert!(connect("disabled://").await.unwrap().backend_url().is_none());
    connect("rpc://").await.unwrap();
    assert_eq!(world.log().last().unwrap(), "rpc store");
}

#[tokio::test]
async fn a_backend_that_is_down_closes_the_broker_again() {
    let world = World::default();
    let builder = world.builder().broker_url("fake://h/").backend_url("fake://down/");
    builder.connect().await.unwrap_err();
    assert_eq!(world.log().last().unwrap(), "close broker");
}

#[tokio::test]
async fn closing_closes_both() {
    let world = World::default();
    world.app().await.close().await;
    assert_eq!(world.log()[2..], ["close backend", "close broker"]);
}
