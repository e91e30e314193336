#![doc = include_str!("../README.md")]

mod board;
mod component;
mod config;
mod envelope;
mod inbox;
mod link;
mod node;
mod probe;
mod server;
mod store;
mod subscriber;
mod topic;
mod transport;

pub use component::{DEFAULT_IMAGE, Redis, SUBSTITUTE_IMAGE};
pub use fred;
pub use node::RedisNode;
pub use store::{RedisStore, RedisStoreFactory};
pub use transport::{RedisTransport, RedisTransportFactory};
