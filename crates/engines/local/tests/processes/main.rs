//! What the engine does with real processes, of programs that every system has.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![cfg(target_os = "linux")]

mod guards;
mod lifecycle;
mod limits;
mod orphans;

use std::{fs, sync::Arc};

use testcelery_api::{CONTAINER_VARIABLE, Container, ContainerSpec, Engine, Image, Program, Software};
use testcelery_local::Local;

/// A container that runs a shell script.
fn script(name: &str, script: &str) -> ContainerSpec {
    let software = Software::program(Program::new("sh")).workdir("/work");
    let image = Image::reference("no image").software(software);
    ContainerSpec::new(name, image).command(["sh", "-c", script])
}

async fn started(engine: &Local, spec: ContainerSpec) -> Arc<dyn Container> {
    let container = engine.create(spec).await.unwrap();
    container.start().await.unwrap();
    container
}

/// The processes that have a variable in their environment.
fn processes(variable: &str) -> Vec<u32> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        let environment = fs::read(entry.path().join("environ")).unwrap_or_default();
        if environment.split(|byte| *byte == 0).any(|set| set == variable.as_bytes()) {
            found.push(pid);
        }
    }
    found
}

/// The processes of a container.
fn members(id: &str) -> Vec<u32> {
    processes(&format!("{CONTAINER_VARIABLE}={id}"))
}
