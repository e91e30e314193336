//! An engine that writes down what it is asked for.

mod client;
mod components;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
pub(crate) use client::{FakeStores, FakeTransport};
pub(crate) use components::{FakeBackend, FakeBroker, FakeWorker};
use testcelery::api::{
    Capability, Container, ContainerSpec, ContainerState, Endpoint, Engine, Error, Exec, ExecOutput,
    ExitStatus, FileTree, Filter, Image, Leftover, Logs, Network, Result, Signal, Stream,
};

/// What the engine was asked for, in order, as `start broker`.
#[derive(Debug, Clone, Default)]
pub(crate) struct Calls(Arc<Mutex<Vec<String>>>);

impl Calls {
    pub(crate) fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }

    pub(crate) fn place(&self, call: &str) -> usize {
        let calls = self.all();
        calls.iter().position(|made| made == call).unwrap_or_else(|| panic!("no {call:?} in {calls:?}"))
    }

    pub(crate) fn add(&self, call: impl Into<String>) {
        self.0.lock().unwrap().push(call.into());
    }
}

/// What goes wrong, if anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Fault {
    #[default]
    None,
    /// It can do nothing that not every engine can.
    Unable,
    /// Images cannot be had.
    Image,
    /// It has no programs.
    Software,
    /// This container ends as soon as it is started.
    Exits(&'static str),
    /// This container runs, and logs nothing.
    Silent(&'static str),
    /// This container cannot be removed.
    Stays(&'static str),
}

#[derive(Debug, Default)]
pub(crate) struct FakeEngine {
    pub(crate) calls: Calls,
    pub(crate) fault: Fault,
}

#[async_trait]
impl Engine for FakeEngine {
    fn name(&self) -> &'static str {
        "fake"
    }

    fn description(&self) -> String {
        "fake".to_owned()
    }

    fn supports(&self, _: Capability) -> bool {
        self.fault != Fault::Unable
    }

    async fn ensure_image(&self, image: &Image) -> Result<()> {
        if self.fault == Fault::Image {
            let (reason, hint) = ("as told".to_owned(), "do not tell so".to_owned());
            return Err(Error::ImageMissing { reference: image.name().to_owned(), reason, hint });
        }
        if self.fault == Fault::Software {
            return Err(Error::NoSoftware {
                software: image.name().to_owned(),
                problem: "as told".to_owned(),
            });
        }
        Ok(())
    }

    async fn create_network(&self, _: &[&ContainerSpec]) -> Result<Arc<dyn Network>> {
        self.calls.add("create network");
        Ok(Arc::new(FakeNetwork(self.calls.clone())))
    }

    async fn create(&self, spec: ContainerSpec) -> Result<Arc<dyn Container>> {
        self.calls.add(format!("create {}", spec.name));
        let logs = Logs::new(&spec.name);
        Ok(Arc::new(FakeContainer { spec, logs, calls: self.calls.clone(), fault: self.fault }))
    }

    async fn leftovers(&self, _: &Filter) -> Result<Vec<Leftover>> {
        Ok(Vec::new())
    }

    async fn remove_leftovers(&self, _: &Filter) -> Result<Vec<Leftover>> {
        Ok(Vec::new())
    }
}

#[derive(Debug)]
struct FakeNetwork(Calls);

#[async_trait]
impl Network for FakeNetwork {
    fn id(&self) -> &str {
        "network"
    }

    async fn disconnect(&self, _: &dyn Container) -> Result<()> {
        Ok(())
    }

    async fn connect(&self, _: &dyn Container) -> Result<()> {
        Ok(())
    }

    async fn remove(&self) -> Result<()> {
        self.0.add("remove network");
        Ok(())
    }
}

#[derive(Debug)]
struct FakeContainer {
    spec: ContainerSpec,
    logs: Logs,
    calls: Calls,
    fault: Fault,
}

impl FakeContainer {
    fn did(&self, what: &str) {
        self.calls.add(format!("{what} {}", self.spec.name));
    }
}

#[async_trait]
impl Container for FakeContainer {
    fn id(&self) -> &str {
        &self.spec.name
    }

    fn spec(&self) -> &ContainerSpec {
        &self.spec
    }

    fn logs(&self) -> &Logs {
        &self.logs
    }

    fn endpoint(&self, port: u16) -> Result<Endpoint> {
        Ok(Endpoint::new(("127.0.0.1", port), (self.spec.name.as_str(), port)))
    }

    async fn start(&self) -> Result<()> {
        self.did("start");
        let is_silent = matches!(self.fault, Fault::Silent(name) if name == self.spec.name);
        if matches!(self.fault, Fault::Exits(name) if name == self.spec.name) {
            self.logs.push(Stream::Stderr, b"ImportError: as told\n");
            self.logs.end_run(ExitStatus::Code(2));
        } else if !is_silent && self.spec.go.is_none() {
            // A server takes a moment, in which everything else that can start has to.
            let (logs, calls, name) = (self.logs.clone(), self.calls.clone(), self.spec.name.clone());
            tokio::spawn(async move {
                tokio::time::sleep(Duration::from_millis(50)).await;
                calls.add(format!("ready {name}"));
                logs.push(Stream::Stdout, b"ready\n");
            });
        }
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

    async fn exec(&self, _: Exec) -> Result<ExecOutput> {
        Ok(ExecOutput { code: 0, stdout: Vec::new(), stderr: Vec::new() })
    }

    async fn upload(&self, _: &FileTree) -> Result<()> {
        self.did("go");
        self.logs.push(Stream::Stdout, b"ready\n");
        Ok(())
    }

    async fn download(&self, _: &str) -> Result<FileTree> {
        Ok(FileTree::new())
    }

    async fn state(&self) -> Result<ContainerState> {
        Ok(ContainerState::Running)
    }

    async fn remove(&self) -> Result<()> {
        if matches!(self.fault, Fault::Stays(name) if name == self.spec.name) {
            return Err(Error::component(&self.spec.name, "it stays"));
        }
        self.did("remove");
        Ok(())
    }
}
