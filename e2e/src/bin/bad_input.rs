//! The mistake that the first argument names, made as a user would make it; another argument may be a folder to make it in. Ends as a test would: with the error, and an exit code that is not 0.

use std::{process::ExitCode, time::Duration};

use testcelery::{
    api::{Build, FileTree},
    prelude::*,
};

#[tokio::main]
async fn main() -> ExitCode {
    let mistake = std::env::args().nth(1).unwrap_or_default();
    match make(&mistake).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report(&error);
            ExitCode::FAILURE
        }
    }
}

#[expect(clippy::print_stderr, reason = "the report of a program goes to standard error")]
fn report(error: &testcelery::Error) {
    eprintln!("{error:?}");
}

/// A small stack that works, to make a mistake in.
fn stack() -> SetupBuilder {
    Setup::builder().broker(Redis::default()).backend(Redis::default())
}

async fn make(mistake: &str) -> Result<()> {
    match mistake {
        // With an environment in which it cannot work.
        "no-daemon" => start(stack()).await,
        "no-image" => {
            let image = Image::reference("testcelery.invalid/nothing:1");
            start(Setup::builder().broker(RabbitMq::default().image(image))).await
        }
        "full-disk" => {
            // More than any disk has: what a full one looks like to the broker.
            let broker = RabbitMq::default().conf("disk_free_limit.absolute = 1000000GB");
            start(Setup::builder().broker(broker).without_workers()).await
        }
        "url-option" => {
            testcelery::app("app").broker_url("redis://127.0.0.1:1/0?virtual_host=3").connect().await?;
            Ok(())
        }
        "url-fragment" => {
            testcelery::app("app").broker_url("redis://a#hunter2@127.0.0.1:1/0").connect().await?;
            Ok(())
        }
        "image-build" => {
            let mut context = FileTree::new();
            context.insert("Dockerfile", "ARG BASE_IMAGE\nFROM ${BASE_IMAGE}\nRUN no-such-command\n");
            let base = Image::reference("redis:8.2.3").substitute("testcelery/redis:debian-trixie");
            let image = Image::build(Build::new("testcelery-e2e/broken:1", context).base(base));
            start(Setup::builder().broker(Redis::default().image(image))).await
        }
        "broken-dockerfile" => {
            let dockerfile = Dockerfile::folder("tests/myworker").target("broken");
            start(stack().worker(Worker::default().dockerfile(dockerfile))).await
        }
        "huge-context" => {
            let folder = std::env::args().nth(2).unwrap_or_default();
            let dockerfile = Dockerfile::folder(folder).size_limit(1 << 20);
            start(stack().worker(Worker::default().dockerfile(dockerfile))).await
        }
        "no-such-celery" => start(stack().worker(Worker::default().celery("5.99.0"))).await,
        "celery-too-new" => start(stack().worker(Worker::default().celery("5.7.0").python("3.9"))).await,
        "celery-too-old" => start(stack().worker(Worker::default().celery("5.2.7").python("3.13"))).await,
        "missing-tasks" => {
            start(stack().worker(Worker::default().tasks(PyModule::file("tests/nowhere/tasks.py")))).await
        }
        "broken-tasks" => {
            start(stack().worker(Worker::default().tasks(PyModule::source("broken", "def f(:\n    pass\n"))))
                .await
        }
        "crash-on-import" => {
            let text = "raise RuntimeError('boom while importing')\n\n@app.task\ndef never(): ...\n";
            let module = PyModule::source("crash", text);
            start(stack().worker(Worker::default().tasks(module))).await
        }
        "unknown-task" => {
            let setup = stack().start().await?;
            let answer = async { setup.app().task("nobody.knows.me").send().await?.get::<()>().await }.await;
            setup.down().await?;
            Ok(answer?)
        }
        "no-result" => {
            let setup = stack().start().await?;
            let answer = async {
                let result = setup.app().task("testcelery.tasks.ping").queue("nobody-listens").send().await?;
                result.get_within::<String>(Duration::from_secs(1)).await
            };
            let answer = answer.await.map(drop);
            setup.down().await?;
            Ok(answer?)
        }
        "unknown-scheme" => {
            testcelery::app("app").broker_url("kafka://127.0.0.1:9092/").connect().await?;
            Ok(())
        }
        "not-json" => {
            let setup = stack().start().await?;
            let sent = setup.app().task("testcelery.tasks.add").args((1, f64::NAN)).send().await.map(drop);
            setup.down().await?;
            Ok(sent?)
        }
        "same-name" => {
            start(
                Setup::builder()
                    .broker(Redis::default().named("store"))
                    .backend(Redis::default().named("store")),
            )
            .await
        }
        other => Err(testcelery::Error::Setup(format!("there is no mistake {other:?}"))),
    }
}

async fn start(builder: SetupBuilder) -> Result<()> {
    builder.start().await?.down().await
}
