#![doc = include_str!("../README.md")]

mod content;
mod error;
mod literal;
mod merge;
mod module;
mod name;
mod source;
mod tree;
mod value;

pub use content::{DEFAULT_APP_NAME, InitialContent, READY_MARKER};
pub use error::Error;
pub use module::PyModule;
pub use tree::ContentTree;
pub use value::PyValue;
