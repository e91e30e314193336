#![doc = include_str!("../README.md")]

mod amqp;
mod blocked;
mod component;
mod config;
mod declare;
mod error;
mod fault;
mod fields;
mod inbox;
mod link;
mod management;
mod node;
mod probe;
mod publisher;
mod results;
mod rpc;
mod session;
mod software;
mod transport;

pub use component::{DEFAULT_IMAGE, RabbitMq, SUBSTITUTE_IMAGE};
pub use error::{Error, Result};
pub use link::PATIENCE as AMQP_PATIENCE;
pub use node::RabbitMqNode;
pub use transport::AmqpTransportFactory;

/// RabbitMQ's port for AMQP.
const PORT: u16 = 5672;
