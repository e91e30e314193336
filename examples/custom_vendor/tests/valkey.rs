//! Valkey in a stack, like a broker and a result backend of testcelery's own.

use custom_vendor::Valkey;
use testcelery::prelude::*;

#[testcelery::test(brokers(valkey = Valkey::default(), rabbitmq), backends(valkey = Valkey::default()), needs(software))]
async fn carries_tasks_and_results(setup: Setup) -> Result<()> {
    assert_eq!(setup.backends()[0].kind(), "valkey");
    let sum = setup.app().task("testcelery.tasks.add").args((2, 3)).send().await?;
    assert_eq!(sum.get::<i64>().await?, 5);
    setup.ready().await
}

fn configured() -> SetupBuilder {
    // Nothing in a password has a meaning to a file, a URL or an engine.
    let password = Secret::new("p@ss w/\"0.0.0.0\"\\\u{e9}:6379");
    let broker = Valkey::default().named("messages").password(password.clone()).db(17);
    Setup::builder().broker(broker).backend(Valkey::default().named("results").password(password).db(255))
}

#[testcelery::test(setup = configured, needs(software))]
async fn with_options(setup: Setup) -> Result<()> {
    let names = [setup.brokers()[0].name(), setup.backends()[0].name()];
    assert_eq!(names, ["messages", "results"]);
    assert!(setup.brokers()[0].url().to_string().ends_with(":6379/17"));
    assert_eq!(setup.ping().await?, "pong");

    // Ready again means that it has answered.
    setup.brokers()[0].restart().await?;
    setup.backends()[0].restart().await?;
    assert_eq!(setup.ping().await?, "pong");
    Ok(())
}
