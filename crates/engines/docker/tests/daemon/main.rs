//! What the engine does with a real daemon. Everything here needs Docker and the images: `cargo xtask e2e` runs it.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

mod files;
mod guards;
mod images;
mod lifecycle;
mod networks;

use std::sync::Arc;

use testcelery_api::{Container, ContainerSpec, Engine, Filter, Image, Leftover};
use testcelery_docker::Docker;

/// The image that every test runs on, and what `cargo xtask images` builds where no registry answers.
const REDIS: &str = "redis:8.2.3";
const REDIS_SUBSTITUTE: &str = "testcelery/redis:debian-trixie";

async fn docker() -> Docker {
    Docker::connect().await.unwrap()
}

/// A container that runs a shell script.
fn script(name: &str, script: &str) -> ContainerSpec {
    ContainerSpec::new(name, redis_image()).command(["sh", "-c", script]).user("root")
}

/// Redis, whichever of the two images there is.
fn redis_image() -> Image {
    Image::reference(REDIS).substitute(REDIS_SUBSTITUTE)
}

/// The reference of the one that is here.
async fn redis_present(docker: &Docker) -> &'static str {
    if docker.has_image(REDIS).await.unwrap() { REDIS } else { REDIS_SUBSTITUTE }
}

async fn started(docker: &Docker, spec: ContainerSpec) -> Arc<dyn Container> {
    let container = docker.create(spec).await.unwrap();
    container.start().await.unwrap();
    container
}

/// A name for one test, so that what it leaves behind can be told from the rest.
fn unique(kind: &str) -> String {
    format!("{kind}-{}", uuid::Uuid::new_v4().simple())
}

/// The containers of that name in the setup.
async fn containers_named(docker: &Docker, name: &str) -> Vec<Leftover> {
    let left = docker.leftovers(&Filter::All).await.unwrap();
    left.into_iter().filter(|left| left.kind == "container" && left.name.ends_with(name)).collect()
}
