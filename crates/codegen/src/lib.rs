#![doc = include_str!("../README.md")]

mod assembly;
mod config;
mod content;
mod crontab;
mod deep_stack;
mod error;
mod finder;
mod literal;
mod load;
mod merge;
mod module;
mod name;
mod nesting;
mod package;
mod queue;
mod read;
mod scan;
mod settings;
mod source;
mod task_names;
mod tree;
mod value;

pub use config::Config;
pub use content::{DEFAULT_APP_NAME, InitialContent, READY_MARKER, SETTINGS_FILE};
pub use crontab::Crontab;
pub use error::Error;
pub use module::PyModule;
pub use queue::{Exchange, Queue};
pub use task_names::{TaskNames, UnseenTasks};
pub use tree::ContentTree;
pub use value::PyValue;
