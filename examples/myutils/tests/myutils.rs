//! Code that runs in the worker.

use std::sync::Arc;

use testcelery::{api, prelude::*};

fn with_utils(setup: SetupBuilder) -> SetupBuilder {
    setup.worker(Worker::default().utils(PyModule::file("tests/myutils.py")))
}

/// Questions that are asked more than once are methods of a trait of one's own.
trait MyUtils {
    async fn myfunc(&self) -> Result<String>;
    async fn installed(&self, package: &str) -> Result<String>;
}

impl MyUtils for Arc<dyn api::Worker> {
    async fn myfunc(&self) -> Result<String> {
        Ok(self.python("from utils import myfunc; myfunc()").await?)
    }

    async fn installed(&self, package: &str) -> Result<String> {
        Ok(self.python(&format!("from utils import installed; installed({package:?})")).await?)
    }
}

#[testcelery::test(with = with_utils)]
async fn myfunc(setup: Setup) -> Result<()> {
    let worker = &setup.workers()[0];
    assert_eq!(worker.myfunc().await?, "foo");
    assert_eq!(worker.installed("celery").await?, worker.version());
    Ok(())
}

#[testcelery::test(with = with_utils)]
async fn processes(setup: Setup) -> Result<()> {
    let worker = &setup.workers()[0];
    assert!(!worker.processes().await?.is_empty(), "they are listed with any `utils.py`");
    Ok(())
}
