//! One Redis as broker and as result backend.

use testcelery::prelude::*;

fn one_server() -> SetupBuilder {
    Setup::builder().broker(Redis::default().named("store")).backend(Redis::default().db(1).inside("store"))
}

#[testcelery::test(setup = one_server)]
async fn one_container_two_databases(setup: Setup) -> Result<()> {
    let (broker, backend) = (&setup.brokers()[0], &setup.backends()[0]);
    assert_eq!(broker.container().id(), backend.container().id());
    assert!(broker.url().to_string().ends_with("/0"));
    assert!(backend.url().to_string().ends_with("/1"));
    assert_eq!(setup.ping().await?, "pong");
    Ok(())
}
