//! Its values are its answers.

use std::time::Duration;

use testcelery_api::{Image, Mount, Port, Software};
use testcelery_codegen::{Config, InitialContent, PyModule};

use crate::{Debugpy, Dockerfile, Worker, WorkerRecipe};

impl WorkerRecipe for Worker {
    fn name(&self) -> Option<String> {
        self.answers.name.clone()
    }

    fn version(&self) -> String {
        self.answers.version.clone()
    }

    fn log_level(&self) -> String {
        self.answers.log_level.clone()
    }

    fn queues(&self) -> Vec<String> {
        self.answers.queues.clone()
    }

    fn pool(&self) -> Option<String> {
        self.answers.pool.clone()
    }

    fn concurrency(&self) -> Option<u32> {
        self.answers.concurrency
    }

    fn mingle(&self) -> bool {
        self.answers.mingle
    }

    fn args(&self) -> Vec<String> {
        self.answers.args.clone()
    }

    fn python(&self) -> Option<String> {
        self.answers.python.clone()
    }

    fn base(&self) -> Option<Image> {
        self.answers.base.clone()
    }

    fn image(&self) -> Option<Image> {
        self.answers.image.clone()
    }

    fn dockerfile(&self) -> Option<Dockerfile> {
        self.answers.dockerfile.clone()
    }

    fn extras(&self) -> Vec<String> {
        self.answers.extras.clone()
    }

    fn requirements(&self) -> Vec<String> {
        self.answers.requirements.clone()
    }

    fn software(&self, _: Software) -> Option<Software> {
        self.software.clone()
    }

    fn app_module(&self) -> Option<PyModule> {
        self.answers.app_module.clone()
    }

    fn utils_module(&self) -> Option<PyModule> {
        self.answers.utils_module.clone()
    }

    fn tasks(&self) -> Vec<PyModule> {
        self.answers.tasks.clone()
    }

    fn signals(&self) -> Vec<PyModule> {
        self.answers.signals.clone()
    }

    fn config(&self) -> Config {
        self.answers.config.clone()
    }

    fn content(&self, content: InitialContent) -> InitialContent {
        let modules = self.modules.iter().cloned();
        modules.fold(content, |content, (group, module)| content.module(group, module))
    }

    fn env(&self) -> Vec<(String, String)> {
        self.answers.env.iter().map(|(key, value)| (key.clone(), value.reveal().to_owned())).collect()
    }

    fn user(&self) -> Option<String> {
        self.answers.user.clone()
    }

    fn mounts(&self) -> Vec<Mount> {
        self.answers.mounts.clone()
    }

    fn ports(&self) -> Vec<Port> {
        self.answers.ports.clone()
    }

    fn memory_limit(&self) -> Option<u64> {
        self.answers.memory_limit
    }

    fn init(&self) -> bool {
        self.answers.init
    }

    fn debugpy(&self) -> Option<Debugpy> {
        self.answers.debugpy
    }

    fn backend(&self) -> Option<String> {
        self.answers.backend.clone()
    }

    fn ready_timeout(&self) -> Duration {
        self.answers.ready_timeout
    }
}
