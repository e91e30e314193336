#![doc = include_str!("../README.md")]

mod address;
mod error;
mod message;
mod meta;
mod store;
mod task_error;
mod transport;

pub use address::Address;
pub use error::{Error, Result};
pub use message::{Message, Properties};
pub use meta::{ResultMeta, State};
pub use store::{ResultStore, StoreFactory};
pub use task_error::TaskError;
pub use transport::{Inbox, Transport, TransportFactory};
