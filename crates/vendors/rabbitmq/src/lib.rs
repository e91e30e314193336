#![doc = include_str!("../README.md")]

mod amqp;
mod component;
mod config;
mod error;
mod fields;
mod inbox;
mod link;
mod management;
mod node;
mod probe;
mod results;
mod rpc;
mod session;
mod software;
mod transport;

pub use component::{DEFAULT_IMAGE, RabbitMq, SUBSTITUTE_IMAGE};
pub use error::{Error, Result};
pub use node::RabbitMqNode;
pub use transport::AmqpTransportFactory;

/// RabbitMQ's port for AMQP.
const PORT: u16 = 5672;
