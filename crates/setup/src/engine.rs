//! Which engine runs the stack, where the builder names none.

use std::sync::Arc;

use testcelery_api::Engine;

use crate::Result;

/// The engine of this build.
#[cfg(feature = "docker")]
pub(crate) async fn default_engine() -> Result<Arc<dyn Engine>> {
    Ok(Arc::new(testcelery_docker::Docker::connect().await?))
}

/// Without the `docker` feature the builder has to name one.
#[cfg(not(feature = "docker"))]
pub(crate) async fn default_engine() -> Result<Arc<dyn Engine>> {
    let problem =
        "no engine: name one with `SetupBuilder::engine`, or turn on the feature `docker` of testcelery";
    Err(crate::Error::Setup(problem.to_owned()))
}
