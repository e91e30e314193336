//! A running worker.

use std::sync::Arc;

use testcelery_api::{Container, Node, Worker as WorkerNode};

/// A running Celery worker that came of a [`WorkerRecipe`](crate::WorkerRecipe). It reports what that one said, which is what runs.
#[derive(Debug, Clone)]
pub struct CeleryWorker {
    pub(crate) container: Arc<dyn Container>,
    pub(crate) kind: String,
    pub(crate) hostname: String,
    pub(crate) queues: Vec<String>,
    pub(crate) version: String,
    pub(crate) log_level: String,
}

impl Node for CeleryWorker {
    fn container(&self) -> &Arc<dyn Container> {
        &self.container
    }

    fn kind(&self) -> &str {
        &self.kind
    }
}

impl WorkerNode for CeleryWorker {
    fn hostname(&self) -> String {
        self.hostname.clone()
    }

    fn queues(&self) -> &[String] {
        &self.queues
    }

    fn version(&self) -> &str {
        &self.version
    }

    fn log_level(&self) -> &str {
        &self.log_level
    }
}
