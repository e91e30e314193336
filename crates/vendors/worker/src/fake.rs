//! A container that runs nothing: commands in it answer as they are told.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use testcelery_api::{
    Container, ContainerSpec, ContainerState, Endpoint, Exec, ExecOutput, FileTree, Image, Logs, Result,
    Signal, WorkerContext,
};

use crate::{Worker, WorkerRecipe as _};

#[derive(Debug)]
pub(crate) struct FakeContainer {
    spec: ContainerSpec,
    logs: Logs,
    answer: ExecOutput,
    /// The commands that were run in it.
    pub(crate) asked: Mutex<Vec<Exec>>,
}

impl FakeContainer {
    /// One that answers commands so.
    pub(crate) fn answering(code: i64, stdout: &str, stderr: &str) -> Arc<Self> {
        Arc::new(Self {
            spec: ContainerSpec::new("worker-1", Image::reference("none")),
            logs: Logs::new("worker-1"),
            answer: ExecOutput { code, stdout: stdout.into(), stderr: stderr.into() },
            asked: Mutex::default(),
        })
    }

    /// The node of a default worker in it.
    pub(crate) fn node(self: &Arc<Self>) -> Arc<dyn testcelery_api::Worker> {
        let plan = Worker::default().plan(&WorkerContext::new("worker-1", "app")).unwrap();
        plan.into_node(Arc::clone(self) as Arc<dyn Container>)
    }
}

#[async_trait]
impl Container for FakeContainer {
    fn id(&self) -> &str {
        "fake"
    }

    fn spec(&self) -> &ContainerSpec {
        &self.spec
    }

    fn logs(&self) -> &Logs {
        &self.logs
    }

    fn endpoint(&self, port: u16) -> Result<Endpoint> {
        Ok(Endpoint::new(("127.0.0.1", port), ("worker-1", port)))
    }

    async fn start(&self) -> Result<()> {
        Ok(())
    }

    async fn stop(&self, _: Duration) -> Result<()> {
        Ok(())
    }

    async fn kill(&self, _: &Signal) -> Result<()> {
        Ok(())
    }

    async fn pause(&self) -> Result<()> {
        Ok(())
    }

    async fn unpause(&self) -> Result<()> {
        Ok(())
    }

    async fn exec(&self, exec: Exec) -> Result<ExecOutput> {
        self.asked.lock().unwrap().push(exec);
        Ok(self.answer.clone())
    }

    async fn upload(&self, _: &FileTree) -> Result<()> {
        Ok(())
    }

    async fn download(&self, _: &str) -> Result<FileTree> {
        Ok(FileTree::new())
    }

    async fn state(&self) -> Result<ContainerState> {
        Ok(ContainerState::Running)
    }

    async fn remove(&self) -> Result<()> {
        Ok(())
    }
}
