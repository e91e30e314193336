//! What a recipe says, asked once.

use std::time::Duration;

use testcelery_api::{Image, Mount, Port, Secret};
use testcelery_codegen::{Config, PyModule};

use crate::{Debugpy, Dockerfile, WorkerRecipe};

/// What a recipe says of everything but what it changes in a default. It is asked once, so that what is checked is what runs and what the
/// node reports, even where a recipe makes up another queue each time.
#[derive(Debug, Clone)]
pub(crate) struct Answers {
    pub(crate) kind: String,
    pub(crate) name: Option<String>,
    pub(crate) version: String,
    pub(crate) log_level: String,
    pub(crate) queues: Vec<String>,
    pub(crate) pool: Option<String>,
    pub(crate) concurrency: Option<u32>,
    pub(crate) mingle: bool,
    pub(crate) args: Vec<String>,
    pub(crate) python: Option<String>,
    pub(crate) base: Option<Image>,
    pub(crate) image: Option<Image>,
    pub(crate) dockerfile: Option<Dockerfile>,
    pub(crate) extras: Vec<String>,
    pub(crate) requirements: Vec<String>,
    pub(crate) app_module: Option<PyModule>,
    pub(crate) utils_module: Option<PyModule>,
    pub(crate) tasks: Vec<PyModule>,
    pub(crate) signals: Vec<PyModule>,
    pub(crate) config: Config,
    pub(crate) env: Vec<(String, Secret)>,
    pub(crate) user: Option<String>,
    pub(crate) mounts: Vec<Mount>,
    pub(crate) ports: Vec<Port>,
    pub(crate) memory_limit: Option<u64>,
    pub(crate) init: bool,
    pub(crate) debugpy: Option<Debugpy>,
    pub(crate) ready_timeout: Duration,
    pub(crate) backend: Option<String>,
}

impl Answers {
    pub(crate) fn of<R: WorkerRecipe + ?Sized>(recipe: &R) -> Self {
        Self {
            kind: recipe.kind(),
            name: recipe.name(),
            version: recipe.version(),
            log_level: recipe.log_level().to_uppercase(),
            queues: recipe.queues(),
            pool: recipe.pool(),
            concurrency: recipe.concurrency(),
            mingle: recipe.mingle(),
            args: recipe.args(),
            python: recipe.python(),
            base: recipe.base(),
            image: recipe.image(),
            dockerfile: recipe.dockerfile(),
            extras: recipe.extras(),
            requirements: recipe.requirements(),
            app_module: recipe.app_module(),
            utils_module: recipe.utils_module(),
            tasks: recipe.tasks(),
            signals: recipe.signals(),
            config: recipe.config(),
            env: recipe.env().into_iter().map(|(key, value)| (key, Secret::new(value))).collect(),
            user: recipe.user(),
            mounts: recipe.mounts(),
            ports: recipe.ports(),
            memory_limit: recipe.memory_limit(),
            init: recipe.init(),
            debugpy: recipe.debugpy(),
            ready_timeout: recipe.ready_timeout(),
            backend: recipe.backend(),
        }
    }
}

/// A recipe that says nothing: what every other one starts from.
impl Default for Answers {
    fn default() -> Self {
        #[derive(Debug)]
        struct Plain;
        impl WorkerRecipe for Plain {}
        Self::of(&Plain)
    }
}
