//! What every engine has to do the same, on whichever is chosen.

use std::{sync::Arc, time::Duration};

use testcelery::{
    Engine,
    api::{
        self, BrokerComponent, Container, ContainerSpec, ContainerState, ExitStatus, FileTree, PlanContext,
    },
    prelude::*,
};

/// A container with what Redis runs in, and a shell script instead.
async fn script(text: &str) -> (Arc<dyn api::Engine>, Arc<dyn Container>) {
    let engine = Engine::auto().await.expect("an engine");
    let plan = BrokerComponent::plan(&Redis::default(), &PlanContext::new("shell")).expect("it plans");
    engine.ensure_image(&plan.spec.image).await.expect("it is there");
    let spec = ContainerSpec::new("shell", plan.spec.image).command(["sh", "-c", text]).port(6379);
    let container = engine.create(spec).await.expect("it is created");
    (engine, container)
}

#[tokio::test]
async fn life_of_a_container() -> anyhow::Result<()> {
    let (_engine, container) = script("trap 'exit 3' TERM; echo up; while :; do sleep 0.05; done").await;
    assert_eq!(container.state().await?, ContainerState::Created);
    assert!(container.endpoint(6379).is_err());
    container.start().await?;
    container.logs().wait_for("up").await?;
    assert_eq!(container.state().await?, ContainerState::Running);
    assert!(container.endpoint(6379)?.host.starts_with("127."));
    assert!(container.endpoint(1).is_err(), "it is not published");
    container.pause().await?;
    assert_eq!(container.state().await?, ContainerState::Paused);
    container.unpause().await?;
    let cursor = container.logs().cursor();
    container.restart(Duration::from_secs(10)).await?;
    let line = container.logs().wait_for("up").await?;
    assert_eq!(container.logs().lines_since(cursor), [line], "one line of the new run, and none of the old");
    container.kill(&Signal::TERM).await?;
    assert_eq!(container.wait_exit().await, ExitStatus::Code(3));
    container.start().await?;
    container.logs().wait_for("up").await?;
    container.kill(&Signal::KILL).await?;
    assert_eq!(container.wait_exit().await, ExitStatus::Code(137));
    assert!(container.kill(&Signal::TERM).await.is_err(), "it does not run");
    container.remove().await?;
    container.remove().await?;
    assert_eq!(container.state().await?, ContainerState::Exited(ExitStatus::Gone));
    Ok(())
}

#[tokio::test]
async fn a_line_of_a_log_has_a_limit() -> anyhow::Result<()> {
    let (_engine, container) =
        script("head -c 5000000 /dev/zero | tr '\\0' x; echo; echo done; exec sleep 60").await;
    container.start().await?;
    container.logs().wait_for("done").await?;
    let line = container.logs().lines().swap_remove(0);
    assert!(line.text.len() < 300_000 && line.text.ends_with("bytes left out]"), "{} bytes", line.text.len());
    container.remove().await?;
    Ok(())
}

#[tokio::test]
async fn commands_and_files() -> anyhow::Result<()> {
    let (_engine, container) = script("echo up; exec sleep 60").await;
    container.start().await?;
    container.logs().wait_for("up").await?;
    let exec = api::Exec::new(["sh", "-c", "echo out; echo err >&2; echo $MORE; exit 5"]).env("MORE", "more");
    let output = container.exec(exec).await?;
    assert_eq!((output.code, output.stdout_text()?.as_str()), (5, "out\nmore\n"));
    assert_eq!(output.stderr_text(), "err\n");
    let error = container.exec(api::Exec::new(["no-such-program"])).await.unwrap_err();
    let source = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
    assert!(source.contains("no-such-program"), "{error}: {source}");

    let endless = api::Exec::new(["sh", "-c", "echo begun; sleep 600"]).timeout(Duration::from_secs(1));
    let error = container.exec(endless).await.unwrap_err();
    let source = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
    assert!(source.contains("sleep 600` ") && source.contains("within 1s"), "{error}: {source}");

    let mut files = FileTree::new();
    files.insert("/data/of/test", "any \u{fc} text\n");
    container.upload(&files).await?;
    let seen = container.exec(api::Exec::new(["cat", "/data/of/test"])).await?;
    assert_eq!(seen.stdout_text()?, "any \u{fc} text\n");
    let back = container.download("/data/of").await?;
    assert_eq!(back.text("/data/of/test"), files.text("/data/of/test"));
    assert!(container.download("/data/nowhere").await.is_err());
    container.remove().await?;
    Ok(())
}

/// A worker that is cut off gets no tasks, and goes on when it is back. Skipped where the engine cannot cut it off.
#[testcelery::test(brokers(redis), needs(partition))]
async fn cut_off_from_the_network(setup: Setup) -> Result<()> {
    let container = setup.workers()[0].container();
    let network = container.spec().network.clone().expect("a setup has a network");
    network.disconnect(container.as_ref()).await?;
    let ping = setup.app().task("testcelery.tasks.ping").send().await?;
    let error = ping.get_within::<String>(Duration::from_secs(1)).await.expect_err("it is cut off");
    assert!(error.to_string().contains("no result"), "{error}");
    network.connect(container.as_ref()).await?;
    assert_eq!(ping.get::<String>().await?, "pong");
    Ok(())
}

fn broker_alone() -> SetupBuilder {
    Setup::builder().broker(RabbitMq::default()).without_workers()
}

/// The broker's own tools work inside it once it is up.
#[testcelery::test(setup = broker_alone)]
async fn rabbitmqctl(setup: Setup) -> Result<()> {
    let exec = api::Exec::new(["rabbitmqctl", "list_vhosts", "--quiet"]);
    let output = setup.brokers()[0].container().exec(exec).await?;
    assert!(output.success(), "{}", output.stderr_text());
    assert!(String::from_utf8_lossy(&output.stdout).lines().any(|line| line == "/"));
    Ok(())
}
