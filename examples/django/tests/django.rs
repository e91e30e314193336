//! A Django project in a worker.

use testcelery::prelude::*;

const DJANGO: &str = "5.2.8";

/// A worker for the project at `/src`, which has its own app; the database is the worker's.
fn project(worker: Worker) -> Worker {
    worker
        .app(PyModule::installed("proj"))
        .env("DJANGO_SETTINGS_MODULE", "proj.settings")
        .env("DJANGO_DATABASE", "/app/db.sqlite3")
        .concurrency(1)
}

/// The default worker, with Django as a requirement. Its mount is writable, because a link cannot be anything else.
fn with_requirement(setup: SetupBuilder) -> SetupBuilder {
    setup.worker(project(Worker::default().requirement(format!("django=={DJANGO}")).source_writable(".")))
}

/// A worker in an image of its own. It may only read the project.
fn with_image(setup: SetupBuilder) -> SetupBuilder {
    let dockerfile = Dockerfile::folder("tests/worker").arg("DJANGO_VERSION", DJANGO);
    setup.worker(project(Worker::default().dockerfile(dockerfile).source(".")))
}

/// Makes the tables, creates a row, changes it and counts.
async fn widgets(setup: &Setup) -> Result<()> {
    let worker = &setup.workers()[0];
    let migrate = "import django; django.setup(); from django.core.management import call_command; call_command('migrate')";
    worker.python::<()>(&format!("{migrate}; None")).await?;

    let app = setup.app();
    let count = app.task("demoapp.tasks.count_widgets").send().await?;
    assert_eq!(count.get::<i64>().await?, 0);
    let created = app.task("demoapp.tasks.create_widget").args(("cog",)).send().await?;
    let id: i64 = created.get().await?;
    app.task("demoapp.tasks.rename_widget").args((id, "wheel")).send().await?.get::<()>().await?;

    let names = "import django; django.setup(); from demoapp.models import Widget; [w.name for w in Widget.objects.all()]";
    assert_eq!(worker.python::<Vec<String>>(names).await?, ["wheel"]);
    Ok(())
}

#[testcelery::test(with = with_requirement)]
async fn in_the_default_worker(setup: Setup) -> Result<()> {
    widgets(&setup).await
}

#[testcelery::test(with = with_image, needs(image_build, read_only_mounts))]
async fn in_an_image_of_its_own(setup: Setup) -> Result<()> {
    widgets(&setup).await?;
    // The project's own settings hold, and its source is safe.
    let worker = &setup.workers()[0];
    assert_eq!(worker.python::<i64>("app.conf.result_expires").await?, 600);
    let written = worker.python::<()>("open('/src/manage.py', 'w')").await;
    assert!(written.is_err_and(|error| error.to_string().contains("Read-only file system")));
    Ok(())
}
