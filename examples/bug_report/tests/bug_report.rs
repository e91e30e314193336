//! A bug in Celery, as a test that fails because of it. There are five places to fill in.

use testcelery::prelude::*;

// 1. The versions that show it, and perhaps one that does not.
const CELERY: &str = "5.7.0";
const PYTHON: &str = "3.13";
const RABBITMQ: &str = "rabbitmq:4.2.1";

// 2. The tasks. They are called `reported.` and their names.
const TASKS: &str = r#"
from celery import shared_task


@shared_task(bind=True)
def halve(self, number):
    print(f"delivered by {self.request.delivery_info['routing_key']}")
    return number / 2
"#;

// 3. The settings, and how the worker is started.
fn worker() -> Worker {
    Worker::default()
        .celery(CELERY)
        .python(PYTHON)
        .tasks(PyModule::source("reported", TASKS))
        .config("task_acks_late", true)
        .config("worker_prefetch_multiplier", 1)
        .concurrency(2)
        .log_level("DEBUG")
        .arg("--without-gossip")
}

// 4. The servers. Where no registry answers, the substitute runs: what `cargo xtask images` has built.
fn servers() -> SetupBuilder {
    let rabbitmq = Image::reference(RABBITMQ).substitute("testcelery/rabbitmq:debian-trixie");
    Setup::builder().broker(RabbitMq::default().image(rabbitmq)).backend(Redis::default())
}

fn stack() -> SetupBuilder {
    servers().worker(worker())
}

// 5. What is done, what was expected, and what happens.
#[testcelery::test(setup = stack, needs(images))]
async fn bug_report(setup: Setup) -> Result<()> {
    let result = setup.app().task("reported.halve").args((10,)).send().await?;

    // Expected, and not so with the versions above:
    // assert_eq!(result.get::<f64>().await?, 4.0);

    // What happens:
    assert_eq!(result.get::<f64>().await?, 5.0);
    setup.workers()[0].logs().wait_for("delivered by celery").await?;
    Ok(())
}
