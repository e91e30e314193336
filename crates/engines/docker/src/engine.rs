//! The engine of the api: images, networks, containers.

use std::{
    borrow::Cow,
    sync::{Arc, PoisonError},
};

use async_trait::async_trait;
use bollard::{
    models::{NetworkConnectRequest, NetworkCreateRequest},
    query_parameters::CreateContainerOptionsBuilder,
};
use testcelery_api::{
    BoxError, Capability, Container, ContainerSpec, Engine, Error, FileTree, Filter, Image, Leftover, Logs,
    Mount, Network, Result, check_loopback,
};

use crate::{
    Docker,
    background::{Doomed, Guard},
    connect::Daemon,
    container::{DockerContainer, Shared},
    create::{body, random_name},
    error::{ENGINE, failed},
    images::{ensure, resolve},
    leftovers,
    network::DockerNetwork,
    own_mounts::OwnMounts,
    reach::Reach,
    removal::status,
};

#[async_trait]
impl Engine for Docker {
    fn name(&self) -> &'static str {
        ENGINE
    }

    fn description(&self) -> String {
        let Daemon { address, rule, server_version, .. } = self.daemon();
        format!("{ENGINE} {server_version} at {address} ({rule})")
    }

    fn address(&self) -> Option<String> {
        Some(self.daemon().address.clone())
    }

    fn supports(&self, capability: Capability) -> bool {
        matches!(
            capability,
            Capability::Images
                | Capability::ImageBuild
                | Capability::Partition
                | Capability::MemoryLimit
                | Capability::Users
                | Capability::Tmpfs
                | Capability::ReadOnlyMounts
                | Capability::HostPorts
        )
    }

    async fn ensure_image(&self, image: &Image) -> Result<()> {
        ensure(&self.inner, image).await.map(drop)
    }

    async fn create_network(&self, _: &[&ContainerSpec]) -> Result<Arc<dyn Network>> {
        let name = random_name("net");
        let guard = self.guard(Doomed::Network(name.clone()))?;
        let request = NetworkCreateRequest {
            name: name.clone(),
            driver: Some("bridge".into()),
            labels: Some(self.inner.labels.all()),
            ..Default::default()
        };
        let client = self.inner.client.clone();
        let reach = self.inner.reach.clone();
        let network = name.clone();
        // On a task of its own, which goes on when the caller does not: a request that was sent and not waited for would make a
        // network after its guard has looked for it.
        let made = self.inner.background.spawn(async move {
            client.create_network(request).await?;
            if let Reach::Inside(own) = reach {
                let request = NetworkConnectRequest { container: own, endpoint_config: None };
                client.connect_network(&network, request).await?;
            }
            Ok::<_, bollard::errors::Error>(guard)
        });
        let guard = made
            .await
            .map_err(failed("create network", &name))?
            .map_err(|error| failed("create network", &name)(with_pool_hint(error)))?;
        Ok(Arc::new(DockerNetwork { guard, name, engine: self.inner.clone() }))
    }

    async fn create(&self, spec: ContainerSpec) -> Result<Arc<dyn Container>> {
        if self.inner.reach == Reach::Loopback && !spec.ports.is_empty() {
            check_loopback(ENGINE)?;
        }
        let name = random_name(&spec.name);
        let image = resolve(&self.inner, &spec.image).await?;
        let (guard, id) = match self.create_from(&spec, &name, &image).await {
            // Somebody removed the image since it was looked for.
            Err(error) if status_of(&error) == Some(404) => {
                self.inner.resolved.forget(spec.image.name());
                let image = resolve(&self.inner, &spec.image).await?;
                self.create_from(&spec, &name, &image).await?
            }
            result => result?,
        };
        let shared = Arc::new(Shared::new(name, &spec));
        let logs = Logs::new(&spec.name);
        let container = DockerContainer {
            guard,
            shared,
            id,
            spec,
            logs,
            user: Default::default(),
            run: Default::default(),
            engine: self.inner.clone(),
        };
        self.write_files(&container, &image).await?;
        let mut all = self.inner.containers.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert(container.id.clone(), Arc::downgrade(&container.shared));
        drop(all);
        Ok(Arc::new(container))
    }

    async fn leftovers(&self, filter: &Filter) -> Result<Vec<Leftover>> {
        leftovers::list(&self.inner.client, filter).await
    }

    async fn remove_leftovers(&self, filter: &Filter) -> Result<Vec<Leftover>> {
        leftovers::remove(&self.inner.client, filter).await
    }
}

impl Docker {
    /// A guard for something that is about to be made. The first one in a process also removes what dead owners have left on this daemon.
    fn guard(&self, doomed: Doomed) -> Result<Guard> {
        self.inner.background.begin(&self.inner.daemon.address);
        let guard = self.inner.background.guard(doomed);
        guard.ok_or_else(|| failed("use", &self.inner.daemon.address)("the engine is shutting down"))
    }

    async fn create_from(&self, spec: &ContainerSpec, name: &str, image: &str) -> Result<(Guard, String)> {
        let spec = &self.with_sources_of_the_daemon(spec).await.map_err(failed("create container", name))?;
        let guard = self.guard(Doomed::Container(name.to_owned()))?;
        let body = body(spec, name, image.to_owned(), &self.inner.reach, &self.inner.labels);
        let options = CreateContainerOptionsBuilder::new().name(name).build();
        let client = self.inner.client.clone();
        // On a task of its own for the reason given in `create_network`. The guard is dropped when the request has failed, and
        // when there is nobody left to take its answer.
        let made = self.inner.background.spawn(async move {
            let answer = client.create_container(Some(options), body).await?;
            Ok::<_, bollard::errors::Error>((guard, answer.id))
        });
        made.await.map_err(failed("create container", name))?.map_err(|error| {
            let error = with_mount_hint(error, spec, &self.inner.reach);
            failed("create container", name)(error)
        })
    }

    /// Mounts what this process sees, also where it runs in a container of the daemon.
    async fn with_sources_of_the_daemon<'a>(
        &self,
        spec: &'a ContainerSpec,
    ) -> Result<Cow<'a, ContainerSpec>, BoxError> {
        let binds = spec.mounts.iter().any(|mount| matches!(mount, Mount::Bind { .. }));
        match self.inner.labels.container().filter(|_| binds) {
            Some(own) => OwnMounts::of(&self.inner.client, own).await?.translate(spec).map(Cow::Owned),
            None => Ok(Cow::Borrowed(spec)),
        }
    }

    async fn write_files(&self, container: &DockerContainer, image: &str) -> Result<()> {
        let trees: Vec<&FileTree> = container.spec.files.iter().collect();
        let image = container.spec.mounts.is_empty().then_some(image);
        container.write(image, &trees).await
    }
}

fn status_of(error: &Error) -> Option<u16> {
    let Error::Engine { source, .. } = error else {
        return None;
    };
    status(source.downcast_ref()?)
}

/// Explains a bind mount that the daemon does not find. Its own words name a path that exists for the user, who sees another machine's files.
fn with_mount_hint(error: bollard::errors::Error, spec: &ContainerSpec, reach: &Reach) -> BoxError {
    let text = error.to_string();
    if !text.contains("bind source path does not exist") {
        return error.into();
    }
    let missing = spec.mounts.iter().find_map(|mount| match mount {
        Mount::Bind { source, target, .. } if text.contains(&*source.to_string_lossy()) => {
            Some((source, target))
        }
        _ => None,
    });
    let Some((source, target)) = missing else {
        return error.into();
    };
    let path = source.display();
    let why = match reach {
        _ if !source.exists() => "it does not exist here either: create it, or mount another folder".to_owned(),
        Reach::Remote(host) => format!(
            "the daemon is on {host} and does not see the files of this machine: put the folder there at the same path, or bring files in as \
             modules or by an image"
        ),
        Reach::Loopback | Reach::Inside(_) => "the daemon does not see this machine's files, for example because it runs in a virtual machine: share the folder with \
                            it at the same path, or bring files in as modules or by an image"
            .to_owned(),
    };
    format!("there is no `{path}` on the daemon's machine to be mounted at `{target}`; {why}").into()
}

fn with_pool_hint(error: bollard::errors::Error) -> BoxError {
    let text = error.to_string();
    if text.contains("available, non-overlapping IPv4 address pool") {
        return format!(
            "{text}; every address pool of the daemon is taken: remove unused networks, as `cargo xtask clean` does"
        )
        .into();
    }
    error.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn explained(source: &str, reach: &Reach) -> String {
        // The words of Docker 20.10 and later.
        let message =
            format!("invalid mount config for type \"bind\": bind source path does not exist: {source}");
        let error = bollard::errors::Error::DockerResponseServerError { status_code: 400, message };
        let spec = ContainerSpec::new("worker", Image::reference("w"))
            .mount(Mount::bind("/elsewhere", "/data"))
            .mount(Mount::bind(source, "/src"));
        with_mount_hint(error, &spec, reach).to_string()
    }

    #[test]
    fn a_mount_that_the_daemon_does_not_see_is_explained() {
        let here = env!("CARGO_MANIFEST_DIR");
        let begin = format!("there is no `{here}` on the daemon's machine to be mounted at `/src`; ");
        for (reach, part) in [
            (Reach::Remote("build".to_owned()), "the daemon is on build and does not see"),
            (Reach::Loopback, "it runs in a virtual machine"),
        ] {
            let text = explained(here, &reach);
            assert!(text.starts_with(&begin) && text.contains(part), "{text}");
        }
        let text = explained("/nowhere/at/all", &Reach::Inside("id".to_owned()));
        assert!(
            text.ends_with("it does not exist here either: create it, or mount another folder"),
            "{text}"
        );
    }

    #[test]
    fn another_refusal_keeps_its_words() {
        let error = bollard::errors::Error::DockerResponseServerError {
            status_code: 409,
            message: "Conflict".to_owned(),
        };
        let spec = ContainerSpec::new("worker", Image::reference("w"));
        assert!(with_mount_hint(error, &spec, &Reach::Loopback).to_string().contains("Conflict"));
    }
}
