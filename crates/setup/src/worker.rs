//! What a setup takes for a worker.

use testcelery_api::WorkerComponent;
use testcelery_worker::{RecipeComponent, WorkerRecipe};

/// What [`SetupBuilder::worker`](crate::SetupBuilder::worker) takes: every [`WorkerRecipe`] and every [`WorkerComponent`],
/// ours or yours.
///
/// It is implemented for you. `Kind` says which of the ways it is, and is always inferred.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no worker",
    label = "not a worker",
    note = "a worker is what implements `WorkerRecipe`, or `testcelery::api::WorkerComponent`"
)]
pub trait IntoWorker<Kind> {
    /// The worker as the setup keeps it.
    fn into_worker(self) -> Box<dyn WorkerComponent>;
}

/// The `Kind` of what implements [`WorkerComponent`].
#[derive(Debug)]
pub enum AsComponent {}

impl<T: WorkerComponent + 'static> IntoWorker<AsComponent> for T {
    fn into_worker(self) -> Box<dyn WorkerComponent> {
        Box::new(self)
    }
}

/// The `Kind` of what implements [`WorkerRecipe`].
#[derive(Debug)]
pub enum AsRecipe {}

impl<T: WorkerRecipe> IntoWorker<AsRecipe> for T {
    fn into_worker(self) -> Box<dyn WorkerComponent> {
        Box::new(RecipeComponent::new(self))
    }
}
