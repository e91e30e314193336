//! The engines of this machine: with the images, the one place of these tasks that names them.

use std::{process::ExitCode, sync::Arc};

use anyhow::Context as _;
use futures_util::future::try_join_all;
use testcelery::{
    Memcached, RabbitMq, Redis,
    api::{BackendComponent as _, BrokerComponent as _, Engine, Image, PlanContext},
};
use testcelery_docker::Docker;

use crate::{images, ui};

/// Which engines tests run on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Wanted {
    /// Containers of the Docker daemon.
    Docker,
    /// Processes of this machine.
    Local,
    /// One after the other.
    Both,
}

/// An engine, and why it is used.
#[derive(Debug, Clone)]
pub(crate) struct Used {
    pub(crate) engine: Arc<dyn Engine>,
    pub(crate) why: String,
}

impl Used {
    /// What [`testcelery::ENGINE_VARIABLE`] calls it.
    pub(crate) fn name(&self) -> &'static str {
        self.engine.name()
    }

    fn asked_for(engine: Arc<dyn Engine>) -> Self {
        Self { engine, why: "as asked for".to_owned() }
    }
}

impl std::fmt::Display for Used {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}, {}", self.engine.description(), self.why)
    }
}

/// The engines that were asked for; without a wish the one that tests would take by themselves.
pub(crate) async fn chosen(wanted: Option<Wanted>) -> anyhow::Result<Vec<Used>> {
    Ok(match wanted {
        None => {
            let testcelery::Choice { engine, why } = testcelery::Engine::choose().await?;
            vec![Used { engine, why }]
        }
        Some(Wanted::Docker) => vec![docker().await?],
        Some(Wanted::Local) => vec![local()?],
        Some(Wanted::Both) => vec![docker().await?, local()?],
    })
}

/// Every engine that this machine has.
pub(crate) async fn all() -> anyhow::Result<Vec<Used>> {
    let docker = match docker().await {
        Ok(used) => Some(Used { why: "because its daemon answers".to_owned(), ..used }),
        Err(error) => {
            ui::line(format_args!("no test runs on Docker: {error:#}"));
            None
        }
    };
    let local = Used { why: "because every machine has it".to_owned(), ..local()? };
    Ok(docker.into_iter().chain([local]).collect())
}

async fn docker() -> anyhow::Result<Used> {
    Ok(Used::asked_for(testcelery::Engine::docker().await?))
}

fn local() -> anyhow::Result<Used> {
    Ok(Used::asked_for(testcelery::Engine::local()?))
}

/// The Docker daemon, for what only images need.
pub(crate) async fn daemon() -> anyhow::Result<Docker> {
    Ok(Docker::connect().await?)
}

/// Makes sure that an engine has what the default components run: images, or programs. Takes a few milliseconds when it has.
pub(crate) async fn ensure(used: &Used) -> anyhow::Result<()> {
    if used.name() == testcelery_docker::ENGINE {
        return images::ensure(&daemon().await?, false).await;
    }
    let progress = ui::Progress::spinner("providing programs");
    let images = default_images()?;
    try_join_all(images.iter().map(|(_, image)| used.engine.ensure_image(image))).await?;
    progress.done("all are here");
    Ok(())
}

/// `provide`: the programs of the local engine.
pub(crate) async fn provide() -> anyhow::Result<ExitCode> {
    ensure(&local()?).await?;
    for (name, origin) in programs().await? {
        match origin {
            Ok(origin) => ui::line(format_args!("{name}: {origin}")),
            Err(error) => anyhow::bail!("{name}: {error}"),
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// What the default components run, by their names.
pub(crate) fn default_images() -> anyhow::Result<Vec<(&'static str, Image)>> {
    let context = PlanContext::new("images");
    let memcached = Memcached::default().plan(&context)?;
    let memcached = memcached.spec().context("Memcached has no container")?;
    Ok(vec![
        ("redis", testcelery::api::BrokerComponent::plan(&Redis::default(), &context)?.spec.image),
        ("rabbitmq", RabbitMq::default().plan(&context)?.spec.image),
        ("memcached", memcached.image.clone()),
        ("worker", images::worker().context("the default worker")?),
    ])
}

/// Where the programs of the default components come from on the local engine: a name, and the place or what is wrong.
pub(crate) async fn programs() -> anyhow::Result<Vec<(&'static str, Result<String, String>)>> {
    let engine = testcelery::Local::open();
    let mut found = Vec::new();
    for (name, image) in default_images()? {
        let Some(software) = &image.software else { continue };
        let origin = engine.origin(software).await;
        found.push((name, origin.map_err(|error| format!("{:#}", anyhow::Error::from(error)))));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_default_component_runs_without_an_image() {
        let images = default_images().unwrap();
        assert_eq!(images.len(), 4);
        assert!(images.iter().all(|(_, image)| image.software.is_some()));
    }
}
