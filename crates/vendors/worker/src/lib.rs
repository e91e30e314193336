#![doc = include_str!("../README.md")]

mod answers;
mod check;
mod command;
mod component;
mod debugpy;
mod dockerfile;
mod error;
mod ext;
#[cfg(test)]
mod fake;
mod image;
mod node;
mod plan;
mod process;
mod queues;
mod recipe;
mod requirements;
mod versions;
mod worker;

pub use component::RecipeComponent;
pub use debugpy::Debugpy;
pub use dockerfile::{DEFAULT_CONTEXT_LIMIT, Dockerfile};
pub use error::Error;
pub use ext::WorkerExt;
pub use node::CeleryWorker;
pub use plan::SOURCE_FOLDER;
pub use process::{Process, Processes};
pub use recipe::WorkerRecipe;
pub use versions::{DEFAULT_CELERY, DEFAULT_PYTHON};
pub use worker::Worker;
