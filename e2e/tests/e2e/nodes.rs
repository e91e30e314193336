//! What nodes and clusters say of themselves, and clients that look inside.

use testcelery::{api::ServiceNode, prelude::*};

fn stack() -> SetupBuilder {
    Setup::builder()
        .app_name("my app")
        .broker(RabbitMq::default().vhost("a/b c%20"))
        .backend(Redis::default().db(17))
        .worker(Worker::default().named("letters"))
        .worker(Worker::default().queues(["numbers", "celery"]))
}

#[testcelery::test(setup = stack)]
async fn clusters_and_names(setup: Setup) -> Result<()> {
    assert_eq!(setup.len(), 4);
    let names: Vec<&str> = setup.workers().iter().map(|worker| worker.name()).collect();
    assert_eq!(names, ["letters", "worker-2"]);
    assert_eq!(setup.workers()[0].hostname(), "letters@letters");
    assert_eq!(setup.workers()[1].queues(), ["numbers", "celery"]);

    assert_eq!(*setup.workers(), setup.workers().clone());
    assert_ne!(*setup.workers(), setup.workers().iter().rev().cloned().collect());
    setup.workers().ready().await?;

    // A virtual host and a database that need encoding and creating work on both sides.
    assert_eq!(setup.ping().await?, "pong");
    for (node, port) in [(setup.brokers()[0].container(), 5672), (setup.backends()[0].container(), 6379)] {
        let endpoint = node.endpoint(port)?;
        assert!(endpoint.host.starts_with("127."), "{endpoint}");
        assert_eq!((endpoint.network_host, endpoint.network_port), node.network_address(port));
    }
    let (host, port) = setup.brokers()[0].container().network_address(5672);
    let url = setup.brokers()[0].url().reveal();
    assert!(url.ends_with(&format!("@{host}:{port}/a%2Fb%20c%2520")), "{host}:{port}");
    assert!(setup.brokers()[0].downcast_ref::<ServiceNode>().is_none());
    Ok(())
}

/// No password in anything that a log or an error may show.
#[testcelery::test(setup = stack)]
async fn passwords_are_not_shown(setup: Setup) -> Result<()> {
    let urls = [setup.brokers()[0].url(), setup.backends()[0].url()];
    let shown = format!("{setup:?} {urls:?}");
    for url in urls {
        let password = url.password().expect("it has one").reveal();
        assert!(!shown.contains(password));
    }
    Ok(())
}
