//! Workers of one's own: a struct and the methods that differ.

use testcelery::{
    Exec,
    api::{Capability, Image, ImageSource, Software},
    prelude::*,
};

/// The worker of pytest-celery's guide: an image, a name and a queue of its own.
#[derive(Debug)]
struct MyWorker;

impl WorkerRecipe for MyWorker {
    fn version(&self) -> String {
        "5.6.2".into()
    }

    fn name(&self) -> Option<String> {
        Some("my-worker".into())
    }

    fn log_level(&self) -> String {
        "warning".into()
    }

    fn queues(&self) -> Vec<String> {
        vec!["myworker".into()]
    }

    fn dockerfile(&self) -> Option<Dockerfile> {
        Some(Dockerfile::folder("tests/myworker").target("worker"))
    }

    fn software(&self, built_in: Software) -> Option<Software> {
        Some(built_in)
    }
}

fn beside_a_default_one() -> SetupBuilder {
    Setup::builder()
        .broker(Redis::default())
        .backend(Redis::default())
        .worker(Worker::default())
        .worker(MyWorker)
}

/// What it says is what runs, and what its node reports.
#[testcelery::test(setup = beside_a_default_one)]
async fn my_worker(setup: Setup) -> Result<()> {
    setup.ready().await?;
    let mine = &setup.workers()[1];
    assert_eq!((mine.name(), mine.hostname().as_str()), ("my-worker", "my-worker@my-worker"));
    assert_eq!(
        (mine.queues(), mine.version(), mine.log_level()),
        (&["myworker".to_owned()][..], "5.6.2", "WARNING")
    );
    for (queue, worker) in [("celery", &setup.workers()[0]), ("myworker", mine)] {
        let ping = setup.app().task("testcelery.tasks.ping").queue(queue).send().await?;
        assert_eq!(ping.get::<String>().await?, "pong");
        let exec = Exec::new(["python", "-c", "import celery; print(celery.__version__)"]);
        let output = worker.container().exec(exec).await?;
        assert_eq!(output.stdout_text().expect("it is text").trim(), worker.version());
    }
    // At this level Celery says nothing of a task that goes well.
    let received = |lines: &[String]| lines.iter().any(|line| line.contains("received"));
    assert!(received(&lines(&setup, 0)) && !received(&lines(&setup, 1)));
    Ok(())
}

fn lines(setup: &Setup, worker: usize) -> Vec<String> {
    setup.workers()[worker].logs().lines().into_iter().map(|line| line.text).collect()
}

/// Files belong to the image's user, and the content is found although the working folder has an `app.py` too.
#[testcelery::test(setup = beside_a_default_one, needs(image_build))]
async fn image_of_ones_own(setup: Setup) -> Result<()> {
    let container = setup.workers()[1].container();
    let exec = Exec::new(["sh", "-c", "id -un; pwd; ls; stat -c %U /app /app/app.py /app/testcelery/go"]);
    let output = container.exec(exec).await?;
    let text = output.stdout_text().expect("it is text");
    // `ca` is what the Dockerfile copies for pip.
    let expected = ["somebody", "/srv/code", "app.py", "ca", "somebody", "somebody", "somebody"];
    assert_eq!(text.lines().collect::<Vec<_>>(), expected);
    let Image { source: ImageSource::Build(build), .. } = &container.spec().image else {
        panic!("it is built")
    };
    assert_eq!(build.context.len(), 3, "{:?}", build.context);
    Ok(())
}

/// A queue or a level of its own builds nothing.
#[test]
fn what_only_runs_is_in_no_image() {
    let image = |worker: &dyn WorkerRecipe| {
        let plan = worker.plan(&testcelery::api::WorkerContext::new("worker", "app")).expect("it plans");
        plan.spec.image.name().to_owned()
    };
    let dockerfile = Dockerfile::folder("tests/myworker").target("worker");
    let other = Worker::default().dockerfile(dockerfile).celery("5.6.2").queue("other").log_level("debug");
    assert_eq!(image(&MyWorker), image(&other));
}

/// Without a word about Python, an old Celery gets one that it runs on.
#[tokio::test]
async fn old_celery() -> anyhow::Result<()> {
    let engine = testcelery::Engine::auto().await?;
    let stack = Setup::builder()
        .broker(Redis::default())
        .backend(Redis::default())
        .worker(Worker::default().celery("5.2.7").queue("old"));
    let setup = match stack.start().await {
        Ok(setup) => setup,
        // Nothing stands in for the official image of that Python on a machine without a registry.
        Err(error) if engine.supports(Capability::Images) => {
            assert!(error.to_string().contains("image `python:3.11-slim-trixie` is not present"), "{error}");
            return Ok(());
        }
        Err(error) => return Err(error.into()),
    };
    let worker = &setup.workers()[0];
    assert_eq!(worker.python::<String>("import celery; celery.__version__").await?, "5.2.7");
    let minor: u32 = worker.python("import sys; sys.version_info.minor").await?;
    assert!((7..=11).contains(&minor), "{minor}");
    assert_eq!(setup.ping().await?, "pong");
    setup.down().await?;
    Ok(())
}
