//! The containers of this engine.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use bollard::{
    models::{ContainerInspectResponse, NetworkSettings},
    query_parameters::{InspectContainerOptions, KillContainerOptionsBuilder, StopContainerOptionsBuilder},
};
use testcelery_api::{
    BoxError, Container, ContainerSpec, ContainerState, Endpoint, Error, Exec, ExecOutput, ExitStatus,
    FileOwner, FileTree, Logs, Result, Signal,
};
use tokio::{sync::OnceCell, task::JoinHandle};

use crate::{
    archive::Owned,
    background::Guard,
    connect::Inner,
    create::port_key,
    error::failed,
    exec::exec,
    follow::{follow, state},
    reach::Reach,
    removal::{remove_container, status},
    upload::{download, upload},
    users::user_of,
};

/// How long the log of a container that has ended may take to be complete.
const LAST_LINES: Duration = Duration::from_secs(10);

/// How long a call with several requests may take as a whole. A daemon may begin an answer and never end it.
const CALL_LIMIT: Duration = Duration::from_secs(300);

/// What a network has to tell a container: the ports by which it is reached changed.
#[derive(Debug)]
pub(crate) struct Shared {
    name: String,
    ports: Vec<u16>,
    hosts: Mutex<HashMap<u16, (String, u16)>>,
}

impl Shared {
    pub(crate) fn new(name: String, spec: &ContainerSpec) -> Self {
        Self { name, ports: spec.ports.iter().map(|port| port.container).collect(), hosts: Mutex::default() }
    }

    fn hosts(&self) -> MutexGuard<'_, HashMap<u16, (String, u16)>> {
        self.hosts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks the daemon where the ports are reached now.
    pub(crate) async fn refresh(&self, engine: &Inner) -> Result<()> {
        let container = engine
            .client
            .inspect_container(&self.name, None::<InspectContainerOptions>)
            .await
            .map_err(failed("inspect container", &self.name))?;
        let settings = container.network_settings.unwrap_or_default();
        let found =
            self.ports.iter().filter_map(|port| Some((*port, host_side(&settings, *port, &engine.reach)?)));
        *self.hosts() = found.collect();
        Ok(())
    }
}

fn host_side(settings: &NetworkSettings, port: u16, reach: &Reach) -> Option<(String, u16)> {
    if let Reach::Inside(_) = reach {
        let networks = settings.networks.as_ref()?.values();
        let address = networks.filter_map(|network| network.ip_address.clone()).find(|ip| !ip.is_empty())?;
        return Some((address, port));
    }
    let bindings = settings.ports.as_ref()?.get(&port_key(port))?.as_ref()?;
    let host_port = bindings.iter().find_map(|binding| binding.host_port.as_ref()?.parse().ok())?;
    let host = match reach {
        Reach::Remote(host) => host.clone(),
        _ => "127.0.0.1".to_owned(),
    };
    Some((host, host_port))
}

/// A container of the daemon. The order of the fields is the order in which they are dropped: the container, its network, the engine.
pub(crate) struct DockerContainer {
    pub(crate) guard: Guard,
    pub(crate) shared: Arc<Shared>,
    pub(crate) id: String,
    pub(crate) spec: ContainerSpec,
    pub(crate) logs: Logs,
    /// The user that it runs as, once somebody wants to know.
    pub(crate) user: OnceCell<(u32, u32)>,
    /// The task that follows the run that goes on; whoever starts or stops the container holds the lock.
    pub(crate) run: tokio::sync::Mutex<Option<JoinHandle<()>>>,
    pub(crate) engine: Arc<Inner>,
}

impl fmt::Debug for DockerContainer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DockerContainer")
            .field("name", &self.shared.name)
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

impl DockerContainer {
    fn name(&self) -> &str {
        &self.shared.name
    }

    async fn inspect(&self) -> Result<Option<ContainerInspectResponse>> {
        match self.engine.client.inspect_container(&self.id, None::<InspectContainerOptions>).await {
            Ok(container) => Ok(Some(container)),
            Err(error) if status(&error) == Some(404) => Ok(None),
            Err(error) => Err(failed("inspect container", self.name())(error)),
        }
    }

    /// Waits until the log of a run that has ended is complete.
    async fn drain(&self, run: &mut Option<JoinHandle<()>>) {
        if let Some(task) = run.as_mut()
            && tokio::time::timeout(LAST_LINES, &mut *task).await.is_err()
        {
            give_up(task).await;
        }
        *run = None;
    }

    /// Writes trees into it; see [`upload()`] for `image`.
    pub(crate) async fn write(&self, image: Option<&str>, trees: &[&FileTree]) -> Result<()> {
        let Inner { client, folders, .. } = &*self.engine;
        let written = async {
            let mut owned = Vec::with_capacity(trees.len());
            for tree in trees {
                owned.push(Owned { tree, owner: self.owner(tree).await? });
            }
            upload(client, folders, image, &self.id, &owned).await
        };
        written.await.map_err(failed("write files into container", self.name()))
    }

    async fn owner(&self, tree: &FileTree) -> Result<(u32, u32), BoxError> {
        match tree.owner() {
            FileOwner::Ids(uid, gid) => Ok((uid, gid)),
            FileOwner::ContainerUser => {
                let Inner { client, users, .. } = &*self.engine;
                self.user.get_or_try_init(|| user_of(client, users, &self.id)).await.copied()
            }
            other => Err(format!("this engine does not know the owner {other:?}").into()),
        }
    }

    /// Keeps a call within a limit.
    async fn within<T>(
        &self,
        limit: Duration,
        operation: &'static str,
        call: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        match tokio::time::timeout(limit, call).await {
            Ok(outcome) => outcome,
            Err(_) => {
                Err(failed(operation, self.name())(format!("the daemon was not done within {limit:?}")))
            }
        }
    }

    async fn start_now(&self) -> Result<()> {
        let client = &self.engine.client;
        let could_not_start = || failed("start container", self.name());
        let mut run = self.run.lock().await;
        let mut is_followed = false;
        if run.as_ref().is_some_and(|task| !task.is_finished()) {
            let container = self.inspect().await?;
            match container.map(|container| state(&container.state.unwrap_or_default())) {
                // Nothing to do for one that runs, and an error for one that is paused. Or a start that was cancelled, and that the daemon may
                // be about to carry out all the same: its log is followed from before that, and nothing of it may be missed.
                Some(ContainerState::Running | ContainerState::Paused | ContainerState::Created) => {
                    is_followed = true;
                }
                Some(_) => self.drain(&mut run).await,
                None => {
                    if let Some(mut task) = run.take() {
                        give_up(&mut task).await;
                    }
                }
            }
        }
        if !is_followed {
            let background = &self.engine.background;
            let task = follow(background, client.clone(), self.id.clone(), self.logs.clone())
                .await
                .map_err(could_not_start())?;
            self.logs.begin_run();
            *run = Some(task);
        }
        if let Err(error) = client.start_container(&self.id, None).await {
            let container = self.inspect().await.ok().flatten();
            let container = container.and_then(|container| container.state);
            if container
                .as_ref()
                .is_some_and(|it| matches!(state(it), ContainerState::Running | ContainerState::Paused))
            {
                // It runs on as it did, frozen perhaps.
                return Err(could_not_start()(error));
            }
            if let Some(mut task) = run.take() {
                give_up(&mut task).await;
            }
            let code = container.and_then(|state| state.exit_code);
            self.logs.end_run(code.map_or(ExitStatus::Gone, ExitStatus::Code));
            return Err(could_not_start()(error));
        }
        if self.shared.ports.is_empty() {
            return Ok(());
        }
        self.shared.refresh(&self.engine).await
    }

    async fn stop_now(&self, grace: Duration) -> Result<()> {
        let mut run = self.run.lock().await;
        // Docker counts whole seconds: a fraction becomes one more.
        let seconds = grace.as_secs() + u64::from(grace.subsec_nanos() > 0);
        let seconds = i32::try_from(seconds).unwrap_or(i32::MAX);
        let options = StopContainerOptionsBuilder::new().t(seconds).build();
        let client = self.engine.client.clone();
        let patience = client.timeout() + grace;
        client
            .with_timeout(patience)
            .stop_container(&self.id, Some(options))
            .await
            .map_err(failed("stop container", self.name()))?;
        self.drain(&mut run).await;
        Ok(())
    }

    fn no_endpoint(&self, port: u16, problem: impl Into<String>) -> Error {
        Error::NoEndpoint { container: self.spec.name.clone(), port, problem: problem.into() }
    }
}

/// Ends a task, and waits until it has told the log so: it must not tell a later run.
async fn give_up(task: &mut JoinHandle<()>) {
    task.abort();
    let _ = task.await;
}

#[async_trait]
impl Container for DockerContainer {
    fn id(&self) -> &str {
        &self.id
    }

    fn spec(&self) -> &ContainerSpec {
        &self.spec
    }

    fn logs(&self) -> &Logs {
        &self.logs
    }

    fn endpoint(&self, port: u16) -> Result<Endpoint> {
        if !self.shared.ports.contains(&port) {
            return Err(self.no_endpoint(port, "the port is not published; add it with `.port(..)`"));
        }
        if let Some(status) = self.logs.ended() {
            return Err(self.no_endpoint(port, format!("the container {status}")));
        }
        match self.shared.hosts().get(&port) {
            Some(host) => Ok(Endpoint::new(host.clone(), (&self.spec.name, port))),
            None => Err(self.no_endpoint(port, "it has not been started, or is cut off from its network")),
        }
    }

    async fn start(&self) -> Result<()> {
        self.within(CALL_LIMIT, "start container", self.start_now()).await
    }

    async fn stop(&self, grace: Duration) -> Result<()> {
        self.within(CALL_LIMIT.saturating_add(grace), "stop container", self.stop_now(grace)).await
    }

    async fn kill(&self, signal: &Signal) -> Result<()> {
        let options = KillContainerOptionsBuilder::new().signal(signal.name()).build();
        self.engine
            .client
            .kill_container(&self.id, Some(options))
            .await
            .map_err(failed("send a signal to container", self.name()))
    }

    async fn pause(&self) -> Result<()> {
        self.engine.client.pause_container(&self.id).await.map_err(failed("pause container", self.name()))
    }

    async fn unpause(&self) -> Result<()> {
        self.engine.client.unpause_container(&self.id).await.map_err(failed("unpause container", self.name()))
    }

    async fn exec(&self, command: Exec) -> Result<ExecOutput> {
        let (limit, text) = (command.timeout, command.command.join(" "));
        let running = exec(&self.engine.client, &self.id, command);
        let outcome = tokio::time::timeout(limit, running).await.unwrap_or_else(|_| {
            Err(format!("`{text}` has not ended within {limit:?}; it runs on inside the container").into())
        });
        outcome.map_err(failed("run a command in container", self.name()))
    }

    async fn upload(&self, files: &FileTree) -> Result<()> {
        self.within(CALL_LIMIT, "write files into container", self.write(None, &[files])).await
    }

    async fn download(&self, path: &str) -> Result<FileTree> {
        let subject = format!("{path} of container {}", self.name());
        let reading =
            async { download(&self.engine.client, &self.id, path).await.map_err(failed("read", &subject)) };
        self.within(CALL_LIMIT, "read files of container", reading).await
    }

    async fn state(&self) -> Result<ContainerState> {
        Ok(match self.inspect().await? {
            Some(container) => state(&container.state.unwrap_or_default()),
            None => ContainerState::Exited(ExitStatus::Gone),
        })
    }

    async fn remove(&self) -> Result<()> {
        let removing = async {
            remove_container(&self.engine.client, self.name())
                .await
                .map_err(failed("remove container", self.name()))?;
            self.guard.disarm();
            self.drain(&mut *self.run.lock().await).await;
            Ok(())
        };
        self.within(CALL_LIMIT, "remove container", removing).await
    }
}

impl Drop for DockerContainer {
    fn drop(&mut self) {
        let mut all = self.engine.containers.lock().unwrap_or_else(PoisonError::into_inner);
        all.remove(&self.id);
    }
}
