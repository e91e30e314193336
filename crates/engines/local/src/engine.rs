//! The engine of the api: programs, networks, containers.

use std::{
    collections::HashMap,
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak},
};

use async_trait::async_trait;
use testcelery_api::{
    CONTAINER_VARIABLE, Capability, Container, ContainerSpec, Engine, FileTree, Filter, Image, Leftover,
    Logs, Network, Result, Software, blocking,
};
use tokio::sync::RwLock;

use crate::{
    address::Addresses,
    capability::{hint, supports, unsupported},
    container::{LocalContainer, Parts},
    error::{ENGINE, failed},
    files, leftovers,
    members::{NOTE, OWNER_VARIABLE},
    network::{Hosts, LocalNetwork},
    process::{Launch, Main},
    programs::{Installed, Programs},
    run::{Run, random},
    translate::Translation,
};

/// Where programs are looked for behind what the software brings.
const PATH: &str = "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin";

/// The folder in a container's with programs that go by other names on this machine.
const ALIASES: &str = "bin";

/// An engine that runs processes of this machine instead of containers.
#[derive(Debug, Clone)]
pub struct Local {
    pub(crate) inner: Arc<Inner>,
}

/// Shared by the engine and its containers.
#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) programs: Programs,
    addresses: Arc<Addresses>,
    networks: Mutex<HashMap<String, Weak<LocalNetwork>>>,
    run: OnceLock<Run>,
    beginning: Mutex<()>,
    /// Read by each creation that is under way, also after its caller has left: who lists containers waits for it.
    creations: Arc<RwLock<()>>,
}

impl Local {
    /// The engine, with programs from where the environment says (see the crate's documentation). Nothing is made before the first container.
    pub fn open() -> Self {
        Self::with(Programs::from_env())
    }

    /// Where software is found on this machine, or would be fetched from, for people. Fetches nothing.
    ///
    /// # Errors
    /// When this machine cannot run it: with what to install.
    pub async fn origin(&self, software: &Software) -> Result<String> {
        self.inner.programs.origin(&software.source).await
    }

    fn with(programs: Programs) -> Self {
        let addresses = Arc::new(Addresses::new());
        let inner = Inner {
            programs,
            addresses,
            networks: Mutex::default(),
            run: OnceLock::new(),
            beginning: Mutex::default(),
            creations: Arc::default(),
        };
        Self { inner: Arc::new(inner) }
    }
}

impl Inner {
    /// The run of this engine. Begins it, and takes away what killed runs have left.
    fn run(&self) -> Result<&Run> {
        let _one = lock(&self.beginning);
        if let Some(run) = self.run.get() {
            return Ok(run);
        }
        if let Err(error) = leftovers::remove_runs(&Filter::DeadOwner) {
            tracing::warn!(%error, "what a killed run has left stays");
        }
        let run = Run::begin()?;
        Ok(self.run.get_or_init(|| run))
    }

    fn hosts(&self, spec: &ContainerSpec) -> Arc<Hosts> {
        let network = spec.network.as_ref().map(|network| network.id());
        let network = network.and_then(|id| lock(&self.networks).get(id).and_then(Weak::upgrade));
        match network {
            Some(network) => Arc::clone(&network.hosts),
            None => Arc::new(Hosts::new(Arc::clone(&self.addresses))),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[async_trait]
impl Engine for Local {
    fn name(&self) -> &'static str {
        ENGINE
    }

    fn description(&self) -> String {
        format!(
            "local processes (programs that PATH lacks are kept in {})",
            self.inner.programs.cache().display()
        )
    }

    fn supports(&self, capability: Capability) -> bool {
        supports(capability)
    }

    fn hint(&self, capability: Capability) -> String {
        hint(capability)
    }

    fn guards_itself(&self) -> bool {
        true
    }

    async fn ensure_image(&self, image: &Image) -> Result<()> {
        let software = self.software(image)?;
        self.inner.programs.provide(&software.source).await.map(drop)
    }

    async fn create_network(&self, members: &[&ContainerSpec]) -> Result<Arc<dyn Network>> {
        let hosts = Arc::new(Hosts::new(Arc::clone(&self.inner.addresses)));
        for spec in members {
            hosts.address_of(spec)?;
        }
        let network = Arc::new(LocalNetwork { id: format!("testcelery-{}-net", random()), hosts });
        let mut networks = lock(&self.inner.networks);
        networks.retain(|_, network| network.strong_count() > 0);
        networks.insert(network.id.clone(), Arc::downgrade(&network));
        Ok(network)
    }

    async fn create(&self, spec: ContainerSpec) -> Result<Arc<dyn Container>> {
        for need in spec.needs() {
            self.require(need)?;
        }
        let software = self.software(&spec.image)?.clone();
        let installed = self.inner.programs.provide(&software.source).await?;
        let engine = Arc::clone(&self.inner);
        let name = spec.name.clone();
        let under_way = Arc::clone(&self.inner.creations).read_owned().await;
        // To its end, whether or not the caller still waits for it: the container is then dropped, and goes.
        let made = blocking(move || {
            let made = create(engine, spec, &software, &installed);
            (made, under_way)
        });
        let (made, _) = made.await.map_err(failed("create", name))?;
        let made = made?;
        Ok(Arc::new(made))
    }

    async fn leftovers(&self, filter: &Filter) -> Result<Vec<Leftover>> {
        drop(self.inner.creations.write().await);
        leftovers::list(filter).map_err(failed("list", "containers"))
    }

    async fn remove_leftovers(&self, filter: &Filter) -> Result<Vec<Leftover>> {
        drop(self.inner.creations.write().await);
        leftovers::remove(filter).map_err(failed("remove", "what is left of containers"))
    }
}

impl Local {
    fn software<'a>(&self, image: &'a Image) -> Result<&'a Software> {
        image.software.as_ref().ok_or_else(|| unsupported(image.needs().unwrap_or(Capability::Images)))
    }
}

fn create(
    engine: Arc<Inner>,
    spec: ContainerSpec,
    software: &Software,
    installed: &Installed,
) -> Result<LocalContainer> {
    let run = engine.run()?;
    let kind: String = spec.name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    let id = format!("testcelery-{}-{kind}", random());
    let folder = run.folder.join(&id);
    let hosts = engine.hosts(&spec);
    let address = hosts.address_of(&spec)?;
    let own = environment(&spec, installed, &id, &run.id, &folder);
    let mut env: Vec<(String, String)> = software.env.iter().chain(&spec.env).cloned().collect();
    let spare = address.spare().iter().map(ToString::to_string);
    env.extend(software.port_variables.iter().cloned().zip(spare));
    let folders = own_folders(software).map(Into::into).collect();
    let translation = Translation { root: folder.join("root"), own: folders, address, hosts };
    let logs = Logs::new(&spec.name);
    let main = Arc::new(Main::new(id.clone(), logs.clone(), folder.join(NOTE)));
    let command = spec.command.clone().unwrap_or_else(|| software.default_command());
    let working_folder = translation.path(software.workdir.as_deref().unwrap_or("/"));
    let launch = Launch { command, env, folder: working_folder };
    let name = spec.name.clone();
    // It removes the folder when it is dropped, from here on.
    let parts = Parts { id, spec, folder, translation, launch, main, logs };
    let laid_out = lay_out(&parts, software, installed.alias.as_ref());
    let mut container = LocalContainer { parts: Arc::new(parts), _engine: engine };
    laid_out.map_err(failed("write the files of", name))?;
    if let Some(parts) = Arc::get_mut(&mut container.parts) {
        // Which paths are the container's own shows when its files are there.
        let Parts { launch, translation, .. } = parts;
        for word in launch.command.iter_mut().chain(launch.env.iter_mut().map(|(_, value)| value)) {
            *word = translation.text(word);
        }
        // What is ours is in the words of the host already.
        launch.env.splice(0..0, own);
    }
    Ok(container)
}

fn lay_out(parts: &Parts, software: &Software, alias: Option<&(String, PathBuf)>) -> io::Result<()> {
    std::fs::create_dir_all(parts.folder.join("home"))?;
    if let Some((name, program)) = alias {
        let folder = parts.folder.join(ALIASES);
        std::fs::create_dir(&folder)?;
        std::os::unix::fs::symlink(program, folder.join(name))?;
    }
    let folders: Vec<&str> = own_folders(software).collect();
    let trees: Vec<&FileTree> = [&software.files].into_iter().chain(&parts.spec.files).collect();
    files::lay_out(&parts.translation, &folders, &parts.spec.mounts, &trees)
}

/// The folders that a container has from its beginning.
fn own_folders(software: &Software) -> impl Iterator<Item = &str> {
    ["/tmp"].into_iter().chain(software.workdir.as_deref()).chain(software.folders.iter().map(String::as_str))
}

/// The environment of every container: nothing of the test's own gets in, as with an image.
fn environment(
    spec: &ContainerSpec,
    installed: &Installed,
    id: &str,
    run: &str,
    folder: &Path,
) -> Vec<(String, String)> {
    let shown = |path: &Path| path.to_string_lossy().into_owned();
    let joined = |paths: &[PathBuf]| paths.iter().map(|path| shown(path)).collect::<Vec<_>>().join(":");
    let alias = installed.alias.as_ref().map(|_| folder.join(ALIASES));
    let before = alias.iter().chain(&installed.path).map(|path| shown(path));
    let behind = installed.path_behind.iter().map(|path| shown(path));
    let path = before.chain([PATH.to_owned()]).chain(behind).collect::<Vec<_>>().join(":");
    let mut env = vec![
        ("PATH".to_owned(), path),
        ("HOME".to_owned(), shown(&folder.join("home"))),
        ("TMPDIR".to_owned(), shown(&folder.join("root/tmp"))),
        ("LANG".to_owned(), "C.UTF-8".to_owned()),
        ("HOSTNAME".to_owned(), spec.hostname.clone()),
        (CONTAINER_VARIABLE.to_owned(), id.to_owned()),
        (OWNER_VARIABLE.to_owned(), run.to_owned()),
    ];
    if !installed.libraries.is_empty() {
        env.push(("LD_LIBRARY_PATH".to_owned(), joined(&installed.libraries)));
    }
    env
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, fs, os::unix::fs::PermissionsExt};

    use testcelery_api::Program;

    use super::*;
    use crate::programs::Sources;

    #[tokio::test]
    async fn an_explicit_program_may_have_any_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("server-1.2");
        fs::write(&path, "#!/bin/sh\necho this one\n").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        let explicit = BTreeMap::from([("server".to_owned(), path)]);
        let sources = Sources { cache: folder.path().join("cache"), explicit, path: "/usr/bin:/bin".into() };
        let local = Local::with(Programs::new(sources));
        let image = Image::reference("none").software(Software::program(Program::new("server")));
        let container = local.create(ContainerSpec::new("c", image).command(["server"])).await.unwrap();
        container.start().await.unwrap();
        container.logs().wait_for("this one").await.unwrap();
        container.remove().await.unwrap();
    }
}
