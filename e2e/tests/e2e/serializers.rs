//! Results that this client does not read say what wrote them.

use testcelery::{client, prelude::*};

fn pickle(setup: SetupBuilder) -> SetupBuilder {
    setup.worker(Worker::default().concurrency(1).config("result_serializer", "pickle"))
}

#[testcelery::test(backends(redis, memcached, rpc), with = pickle)]
async fn a_pickled_result_names_its_serializer(setup: Setup) -> Result<()> {
    let error = setup.ping().await.expect_err("it is pickled");
    assert!(matches!(error, testcelery::Error::Client(client::Error::Serializer { .. })), "{error}");
    let text = error.to_string();
    assert!(text.contains("pickle") && text.contains("result_serializer = \"json\""), "{text}");
    Ok(())
}
