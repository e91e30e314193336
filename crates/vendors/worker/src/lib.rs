#![doc = include_str!("../README.md")]

mod check;
mod component;
mod image;
mod node;
mod plan;
mod requirements;

pub use component::Worker;
pub use node::CeleryWorker;
pub use requirements::{DEFAULT_CELERY, DEFAULT_PYTHON};
