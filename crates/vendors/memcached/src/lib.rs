#![doc = include_str!("../README.md")]

mod component;
mod connection;
mod error;
mod node;
mod probe;
mod store;

pub use component::{DEFAULT_IMAGE, Memcached, SUBSTITUTE_IMAGE};
pub use connection::Client;
pub use error::{Error, Result};
pub use node::MemcachedNode;
pub use store::MemcachedStoreFactory;

/// Memcached's port.
const PORT: u16 = 11211;
