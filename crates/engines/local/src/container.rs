//! The containers of this engine.

use std::{fmt, io, path::PathBuf, sync::Arc, time::Duration};

use async_trait::async_trait;
use rustix::process::Signal as Number;
use testcelery_api::{
    Capability, Container, ContainerSpec, ContainerState, Endpoint, Error, Exec, ExecOutput, ExitStatus,
    FileTree, Logs, Result, Signal, blocking,
};
use tokio::sync::oneshot;

use crate::{
    capability::unsupported,
    engine::Inner,
    error::failed,
    files,
    leader::Leader,
    process::{Launch, Main, PATIENCE, code},
    run::remove_folder,
    signals,
    translate::Translation,
};

/// A container: a folder and the processes that run in it.
pub(crate) struct LocalContainer {
    pub(crate) parts: Arc<Parts>,
    /// Dropped last: the run's folder goes with the engine.
    pub(crate) _engine: Arc<Inner>,
}

/// What calls that go on when their caller does not need.
pub(crate) struct Parts {
    pub(crate) id: String,
    pub(crate) spec: ContainerSpec,
    pub(crate) folder: PathBuf,
    pub(crate) translation: Translation,
    pub(crate) launch: Launch,
    pub(crate) main: Arc<Main>,
    pub(crate) logs: Logs,
}

impl fmt::Debug for LocalContainer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Parts { id, translation, .. } = &*self.parts;
        f.debug_struct("LocalContainer")
            .field("id", id)
            .field("address", &translation.address.ip())
            .finish_non_exhaustive()
    }
}

impl Parts {
    fn error(&self, operation: &'static str) -> impl FnOnce(io::Error) -> Error + use<> {
        failed(operation, self.spec.name.clone())
    }

    /// Kills its processes and removes its folder. Blocks until that is done.
    fn remove(&self) -> io::Result<()> {
        self.main.leave(true);
        self.main.retire();
        self.main.kill_all()?;
        remove_folder(&self.folder)
    }

    fn no_endpoint(&self, port: u16, problem: impl Into<String>) -> Error {
        Error::NoEndpoint { container: self.spec.name.clone(), port, problem: problem.into() }
    }
}

impl LocalContainer {
    /// Runs something that blocks for a moment, to its end, whether or not the caller still waits for it.
    async fn blocking<T: Send + 'static>(
        &self,
        operation: &'static str,
        work: impl FnOnce(&Parts) -> io::Result<T> + Send + 'static,
    ) -> Result<T> {
        let parts = Arc::clone(&self.parts);
        blocking(move || work(&parts)).await.flatten().map_err(self.parts.error(operation))
    }

    /// Waits until it has ended and its log is complete.
    async fn ended(&self, operation: &'static str) -> Result<()> {
        let ended = tokio::time::timeout(PATIENCE, self.parts.logs.wait_ended());
        if self.parts.main.is_up() && ended.await.is_err() {
            let problem = format!("its processes got SIGKILL and have not ended within {PATIENCE:?}");
            return Err(self.parts.error(operation)(io::Error::other(problem)));
        }
        Ok(())
    }
}

impl Drop for LocalContainer {
    fn drop(&mut self) {
        if self.parts.main.state() == ContainerState::Exited(ExitStatus::Gone) {
            return;
        }
        if let Err(error) = self.parts.remove() {
            tracing::warn!(container = self.parts.id, %error, "could not be removed");
        }
    }
}

#[async_trait]
impl Container for LocalContainer {
    fn id(&self) -> &str {
        &self.parts.id
    }

    fn spec(&self) -> &ContainerSpec {
        &self.parts.spec
    }

    fn logs(&self) -> &Logs {
        &self.parts.logs
    }

    fn network_address(&self, port: u16) -> (String, u16) {
        let address = &self.parts.translation.address;
        (address.ip().to_string(), address.port(port))
    }

    fn endpoint(&self, port: u16) -> Result<Endpoint> {
        if !self.parts.spec.ports.iter().any(|published| published.container == port) {
            return Err(self.parts.no_endpoint(port, "the port is not published; add it with `.port(..)`"));
        }
        match self.parts.main.state() {
            ContainerState::Created => Err(self.parts.no_endpoint(port, "it has not been started")),
            ContainerState::Exited(status) => {
                Err(self.parts.no_endpoint(port, format!("the container {status}")))
            }
            _ => Ok(Endpoint::new(self.network_address(port), self.network_address(port))),
        }
    }

    async fn start(&self) -> Result<()> {
        self.blocking("start", |parts| parts.main.start(&parts.launch)).await
    }

    async fn stop(&self, grace: Duration) -> Result<()> {
        if !self.parts.main.is_up() {
            return Ok(());
        }
        if let Err(error) = self.parts.main.signal(Number::TERM)
            && self.parts.main.is_up()
        {
            return Err(self.parts.error("stop")(error));
        }
        // As the Docker daemon does: what is frozen would hear of it too late.
        self.blocking("stop", |parts| parts.main.resume()).await?;
        let ends = async {
            if self.parts.main.is_up() {
                self.parts.logs.wait_ended().await;
            }
        };
        if tokio::time::timeout(grace, ends).await.is_err() {
            self.blocking("stop", |parts| parts.main.kill_all()).await?;
        }
        self.ended("stop").await
    }

    async fn kill(&self, signal: &Signal) -> Result<()> {
        let number = signals::number(signal).map_err(self.parts.error("send a signal to"))?;
        self.parts.main.signal(number).map_err(self.parts.error("send a signal to"))
    }

    async fn pause(&self) -> Result<()> {
        self.blocking("pause", |parts| parts.main.pause()).await
    }

    async fn unpause(&self) -> Result<()> {
        self.blocking("unpause", |parts| parts.main.unpause()).await
    }

    async fn exec(&self, exec: Exec) -> Result<ExecOutput> {
        if exec.user.is_some() {
            return Err(unsupported(Capability::Users));
        }
        let (limit, words) = (exec.timeout, exec.command.join(" "));
        let (started, leader) = oneshot::channel();
        let running = self.blocking("run a command in", move |parts| {
            let text = |text: &String| parts.translation.text(text);
            let mut launch = parts.launch.clone();
            launch.command = exec.command.iter().map(text).collect();
            launch.env.extend(exec.env.iter().map(|(key, value)| (key.clone(), text(value))));
            if let Some(folder) = &exec.working_dir {
                launch.folder = parts.translation.folder(folder);
            }
            let child = parts.main.beside(&launch)?;
            let _ = started.send(Leader::of(&child));
            let output = child.wait_with_output()?;
            Ok(ExecOutput { code: code(output.status), stdout: output.stdout, stderr: output.stderr })
        });
        if let Ok(outcome) = tokio::time::timeout(limit, running).await {
            return outcome;
        }
        if let Ok(leader) = leader.await {
            leader.process.kill_group().map_err(self.parts.error("end a command in"))?;
        }
        let problem = format!("`{words}` did not end within {limit:?} and was killed");
        Err(self.parts.error("run a command in")(io::Error::new(io::ErrorKind::TimedOut, problem)))
    }

    async fn upload(&self, files: &FileTree) -> Result<()> {
        let files = files.clone();
        self.blocking("write files into", move |parts| files::write(&parts.translation, &[&files])).await
    }

    async fn download(&self, path: &str) -> Result<FileTree> {
        let path = path.to_owned();
        self.blocking("read files of", move |parts| {
            files::read(&parts.translation, &path)
                .map_err(|error| io::Error::new(error.kind(), format!("{path}: {error}")))
        })
        .await
    }

    async fn state(&self) -> Result<ContainerState> {
        Ok(self.parts.main.state())
    }

    async fn remove(&self) -> Result<()> {
        if self.parts.main.state() == ContainerState::Exited(ExitStatus::Gone) {
            return Ok(());
        }
        self.blocking("remove", |parts| {
            parts.main.leave(true);
            parts.main.kill_all().inspect_err(|_| parts.main.leave(false))
        })
        .await?;
        self.ended("remove").await?;
        self.blocking("remove", |parts| {
            parts.main.retire();
            remove_folder(&parts.folder)?;
            parts.main.gone();
            Ok(())
        })
        .await
    }
}
