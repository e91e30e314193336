//! Queues that the app declares before their workers do.

use testcelery::{Exchange, Exec, Queue, Ready, prelude::*};

fn topic() -> Queue {
    Queue::new("video").exchange(Exchange::new("media").kind("topic")).routing_key("media.#").max_priority(4)
}

/// Every way in which a queue gets properties that are not the default ones.
fn queues_of_many_kinds() -> SetupBuilder {
    let queues = [
        topic(),
        Queue::new("audio").exchange(Exchange::new("media").kind("topic")).routing_key("audio.*"),
        Queue::new("quorum").queue_arguments([("x-queue-type", "quorum")]),
        Queue::new("spread").exchange(Exchange::new("spread").kind("fanout")),
        Queue::new("bound").bound_to(Exchange::new("media").kind("topic"), "bound.#"),
        Queue::new("short").max_length(9).durable(true).exchange(Exchange::new("own").durable(false)),
    ];
    let names = ["video", "audio", "quorum", "spread", "bound", "short"];
    stack(Config::new().task_queues(queues), &names)
}

fn default_queue_with_priorities() -> SetupBuilder {
    stack(Config::new().task_queue_max_priority(10), &["celery", "other"])
}

fn quorum_queues() -> SetupBuilder {
    let settings = Config::new()
        .set("task_default_queue_type", "quorum")
        .set("task_create_missing_queue_type", "quorum")
        .set("task_create_missing_queue_exchange_type", "topic")
        .task_default_exchange("tasks");
    stack(settings, &["celery", "other"])
}

fn control_exchange_of_another_name() -> SetupBuilder {
    stack(Config::new().set("control_exchange", "orders"), &["celery"])
}

#[testcelery::test(setup = control_exchange_of_another_name)]
async fn remote_control_by_another_exchange(setup: Setup) -> Result<()> {
    setup.confirm(Ready::none().control()).await
}

fn stack(settings: Config, queues: &[&str]) -> SetupBuilder {
    let worker = queues.iter().fold(Worker::default().concurrency(1), |worker, queue| worker.queue(*queue));
    Setup::builder().broker(RabbitMq::default()).backend(Redis::default()).configure(settings).worker(worker)
}

/// The worker comes back to queues that were deleted and that the app has declared anew, and their tasks run.
async fn declared_by_the_app(setup: Setup) -> Result<()> {
    let worker = &setup.workers()[0];
    worker.kill(Signal::TERM).await?;
    worker.wait_exit().await;
    let broker = setup.brokers()[0].container();
    let mut sent = Vec::new();
    for queue in worker.queues() {
        let delete = format!("PATH=$PATH:/usr/lib/rabbitmq/bin rabbitmqctl --quiet delete_queue {queue}");
        let deleted = broker.exec(Exec::new(["sh", "-c", &delete])).await?;
        assert!(deleted.success(), "{}", deleted.stderr_text());
        sent.push(setup.app().task("testcelery.tasks.ping").queue(queue).send().await?);
    }
    worker.start().await?;
    for result in sent {
        assert_eq!(result.get::<String>().await?, "pong");
        worker.logs().wait_for(format!("[{}] received", result.id()).as_str()).await?;
    }
    setup.ready().await
}

#[testcelery::test(setup = queues_of_many_kinds)]
async fn queues_in_task_queues(setup: Setup) -> Result<()> {
    declared_by_the_app(setup).await
}

#[testcelery::test(setup = default_queue_with_priorities)]
async fn queues_with_priorities(setup: Setup) -> Result<()> {
    declared_by_the_app(setup).await
}

#[testcelery::test(setup = quorum_queues)]
async fn queues_of_the_quorum_type(setup: Setup) -> Result<()> {
    declared_by_the_app(setup).await
}

fn topics(builder: SetupBuilder) -> SetupBuilder {
    let audio = Queue::new("audio").exchange(Exchange::new("media").kind("topic")).routing_key("audio.*");
    let spread = Queue::new("spread").exchange(Exchange::new("spread").kind("fanout")).routing_key("s");
    let settings = Config::new().task_queues([topic(), audio, spread]);
    let queues = ["video", "audio", "spread"];
    builder
        .configure(settings)
        .worker(queues.iter().fold(Worker::default(), |worker, queue| worker.queue(*queue)))
}

/// A task reaches the queue that it names, whatever the type of its exchange, on every broker.
#[testcelery::test(backends(redis), with = topics)]
async fn topic_and_fanout_queues(setup: Setup) -> Result<()> {
    for queue in setup.workers()[0].queues() {
        let result = setup.app().task("testcelery.tasks.ping").queue(queue).send().await?;
        assert_eq!(result.get::<String>().await?, "pong", "{queue}");
        setup.workers()[0].logs().wait_for(format!("[{}] received", result.id()).as_str()).await?;
    }
    Ok(())
}

/// What the app cannot follow is an error before anything starts, and so is a queue that nobody has.
#[testcelery::test(brokers(rabbitmq), backends(redis), with = no_missing_queues)]
async fn queue_that_must_not_be_made(setup: Setup) -> Result<()> {
    let error = setup.app().task("t").queue("typo").send().await.expect_err("there is none").to_string();
    assert!(error.contains("`typo` is not in `task_queues`, which has video"), "{error}");
    let unreadable = Setup::builder().broker(RabbitMq::default()).config("task_queues", "video");
    let error = unreadable.start().await.expect_err("it is no list").to_string();
    assert!(error.contains("the app cannot follow the setting task_queues = 'video'"), "{error}");
    Ok(())
}

fn no_missing_queues(builder: SetupBuilder) -> SetupBuilder {
    let settings = Config::new().task_queues([topic()]).task_create_missing_queues(false);
    builder.configure(settings).worker(Worker::default().queue("video"))
}
