//! What RabbitMQ gets from many senders, and what it refuses.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use testcelery::{Exchange, Exec, Queue, prelude::*};

/// Far below the time for which a call waits for a broker that is away, and far above what a loaded machine needs.
const AT_ONCE: Duration = Duration::from_secs(20);

const SENDERS: usize = 8;
const QUEUES: usize = 100;

fn broker_alone() -> SetupBuilder {
    Setup::builder().broker(RabbitMq::default()).without_workers()
}

async fn rabbitmqctl(setup: &Setup, arguments: &str) -> Result<String> {
    let command = format!("PATH=$PATH:/usr/lib/rabbitmq/bin rabbitmqctl --quiet {arguments}");
    let done = setup.brokers()[0].container().exec(Exec::new(["sh", "-c", &command])).await?;
    assert!(done.success(), "{}", done.stderr_text());
    Ok(done.stdout_text().expect("it is text"))
}

/// The number of messages of every queue.
async fn messages(setup: &Setup) -> Result<BTreeMap<String, u64>> {
    let table = rabbitmqctl(setup, "list_queues --no-table-headers name messages").await?;
    let row = |line: &str| {
        let (name, messages) = line.split_once('\t')?;
        Some((name.to_owned(), messages.trim().parse().ok()?))
    };
    Ok(table.lines().filter_map(row).collect())
}

/// Every message that is reported as sent is in its queue, once.
#[testcelery::test(setup = broker_alone)]
async fn many_senders_to_queues_that_do_not_exist(setup: Setup) -> Result<()> {
    let sender = |sender: usize| {
        let app = setup.app().clone();
        tokio::spawn(async move {
            let mut failed = Vec::new();
            for queue in 0..QUEUES {
                let queue = format!("fresh-{sender}-{queue}");
                if let Err(error) = app.task("t").queue(&queue).send().await {
                    failed.push(format!("{queue}: {error}"));
                }
            }
            failed
        })
    };
    let failed: Vec<_> =
        join_all((0..SENDERS).map(sender)).await.into_iter().flat_map(|it| it.expect("it ends")).collect();
    assert!(failed.is_empty(), "{failed:?}");
    let messages = messages(&setup).await?;
    let wrong: Vec<_> = (0..SENDERS * QUEUES)
        .map(|at| format!("fresh-{}-{}", at / QUEUES, at % QUEUES))
        .filter(|queue| messages.get(queue) != Some(&1))
        .collect();
    assert!(wrong.is_empty(), "{wrong:?}");
    Ok(())
}

/// A queue that somebody deletes is declared again for the next message, and for that one only.
#[testcelery::test(setup = broker_alone)]
async fn queue_deleted_between_two_messages(setup: Setup) -> Result<()> {
    let send = async |queue: &str| setup.app().task("t").queue(queue).send().await;
    for _ in 0..2 {
        send("gone").await?;
        send("kept").await?;
    }
    rabbitmqctl(&setup, "delete_queue gone").await?;
    let (gone, kept) = tokio::join!(send("gone"), join_all((0..20).map(|_| send("kept"))));
    gone?;
    kept.into_iter().collect::<Result<Vec<_>, _>>()?;
    let expected = [("gone".to_owned(), 1), ("kept".to_owned(), 22)];
    assert_eq!(messages(&setup).await?, BTreeMap::from(expected));
    Ok(())
}

fn few_channels() -> SetupBuilder {
    Setup::builder().broker(RabbitMq::default().conf("channel_max = 64")).without_workers()
}

/// Senders wait for a channel, and a channel that a refusal has closed gives its error to no other call.
#[testcelery::test(setup = few_channels)]
async fn more_senders_than_channels(setup: Setup) -> Result<()> {
    for round in 0..3 {
        let refused = join_all((0..3).map(|_| setup.app().task("t").queue("amq.reserved").send()));
        let sent = join_all((0..100).map(|at| setup.app().task("t").queue(format!("{round}-{at}")).send()));
        let (refused, sent) = tokio::join!(refused, sent);
        for error in refused {
            let problem = chain(&error.expect_err("the name is reserved"));
            assert!(problem.contains("reserved prefix"), "{problem}");
        }
        sent.into_iter().collect::<Result<Vec<_>, _>>()?;
    }
    let messages = messages(&setup).await?;
    assert_eq!((messages.len(), messages.values().max()), (300, Some(&1)));
    Ok(())
}

fn small_messages() -> SetupBuilder {
    Setup::builder().broker(RabbitMq::default().conf("max_message_size = 65536")).backend(Redis::default())
}

/// The headers of a message have 128 KiB, as with Python's client. A message that is refused harms no other.
#[testcelery::test(setup = small_messages)]
async fn messages_that_are_too_large(setup: Setup) -> Result<()> {
    let call = || setup.app().task("testcelery.tasks.ping");
    for kib in [16, 32, 100] {
        let sent = call().header("blob", "x".repeat(kib << 10)).send().await?;
        assert_eq!(sent.get::<String>().await?, "pong");
    }
    let begin = Instant::now();
    let neighbours = join_all((0..50).map(|_| async { call().send().await }));
    let (header, body, neighbours) = tokio::join!(
        call().header("blob", "x".repeat(129 << 10)).send(),
        call().kwarg("blob", "x".repeat(70 << 10)).send(),
        neighbours,
    );
    assert!(begin.elapsed() < AT_ONCE, "{:?}", begin.elapsed());
    let header = chain(&header.expect_err("it is too large"));
    assert!(header.contains("the broker accepts 131072 (frame_max)"), "{header}");
    let body = chain(&body.expect_err("it is too large"));
    assert!(body.contains("larger than configured max size 65536"), "{body}");
    let neighbours = neighbours.into_iter().collect::<Result<Vec<_>, _>>()?;
    for neighbour in &neighbours {
        assert_eq!(neighbour.get::<String>().await?, "pong");
    }
    // A message that was sent twice would be in front of this one.
    let last = call().send().await?;
    let logs = setup.workers()[0].logs();
    logs.wait_for(format!("[{}] received", last.id()).as_str()).await?;
    for neighbour in &neighbours {
        assert_eq!(logs.count(format!("[{}] received", neighbour.id()).as_str()), 1);
    }
    Ok(())
}

fn exchange_of_no_type() -> SetupBuilder {
    let queue = Queue::new("nonsense").exchange(Exchange::new("nonsense").kind("x-nonsense"));
    broker_alone().configure(Config::new().task_queues([queue]))
}

/// RabbitMQ closes the whole connection for an exchange type that it does not know. The call to blame fails, and no other.
#[testcelery::test(setup = exchange_of_no_type)]
async fn declaration_that_costs_the_connection(setup: Setup) -> Result<()> {
    let begin = Instant::now();
    let neighbours = (0..20).map(|at| setup.app().task("t").queue(format!("neighbour-{at}")).send());
    let nonsense = setup.app().task("t").queue("nonsense").send();
    let (nonsense, neighbours) = tokio::join!(nonsense, join_all(neighbours));
    assert!(begin.elapsed() < AT_ONCE, "{:?}", begin.elapsed());
    let problem = chain(&nonsense.expect_err("there is no such type"));
    assert!(problem.contains("x-nonsense"), "{problem}");
    neighbours.into_iter().collect::<Result<Vec<_>, _>>()?;
    let messages = messages(&setup).await?;
    assert!((0..20).all(|at| messages[&format!("neighbour-{at}")] >= 1), "{messages:?}");
    Ok(())
}

async fn until_connection_is(setup: &Setup, state: &str) -> Result<()> {
    while rabbitmqctl(setup, "list_connections --no-table-headers state").await?.trim() != state {}
    Ok(())
}

async fn alarm(setup: &Setup) -> Result<()> {
    rabbitmqctl(setup, "set_vm_memory_high_watermark 0.00001").await?;
    until_connection_is(setup, "blocking").await
}

/// Under its memory alarm RabbitMQ reads nothing. Calls end all the same, and say why; what waited is sent once the alarm is over.
#[testcelery::test(setup = broker_alone)]
async fn memory_alarm(setup: Setup) -> Result<()> {
    let send = |queue: &'static str| tokio::spawn(setup.app().task("t").queue(queue).send());
    send("before").await.expect("it ends")?;
    alarm(&setup).await?;
    // The first message shows the broker that the connection publishes.
    let first = send("first");
    until_connection_is(&setup, "blocked").await?;
    let second = send("second");
    let begin = Instant::now();
    let ping = setup.app().control().ping().timeout(Duration::from_secs(1)).send().await;
    assert!(begin.elapsed() < AT_ONCE, "{:?}", begin.elapsed());
    let problem = chain(&ping.expect_err("it cannot be sent"));
    assert!(problem.contains("connection.blocked: low on memory"), "{problem}");
    assert!(problem.contains("could not send the command ping"), "{problem}");
    assert!(!second.is_finished());

    rabbitmqctl(&setup, "set_vm_memory_high_watermark 0.6").await?;
    first.await.expect("it ends")?;
    second.await.expect("it ends")?;
    let expected = ["before", "first", "second"].map(|queue| (queue.to_owned(), 1));
    assert_eq!(messages(&setup).await?, BTreeMap::from(expected));

    // Closing ends in its time, too.
    alarm(&setup).await?;
    let lost = send("lost");
    until_connection_is(&setup, "blocked").await?;
    let begin = Instant::now();
    setup.app().close().await;
    assert!(begin.elapsed() < AT_ONCE, "{:?}", begin.elapsed());
    lost.abort();
    Ok(())
}

/// Refused credentials are reported at once.
#[testcelery::test(setup = broker_alone)]
async fn wrong_credentials(setup: Setup) -> Result<()> {
    let url = setup.brokers()[0].host_url()?.credentials("nobody", Secret::new("hunter2"));
    let begin = Instant::now();
    let error =
        testcelery::app("app").broker_url(url.reveal()).connect().await.expect_err("nobody is unknown");
    assert!(begin.elapsed() < AT_ONCE);
    let problem = chain(&error);
    assert!(problem.contains("ACCESS_REFUSED") && !problem.contains("hunter2"), "{problem}");
    Ok(())
}

/// An error with its sources.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(&format!(": {cause}"));
        source = cause.source();
    }
    text
}
