#![doc = include_str!("../README.md")]

mod cluster;
mod component;
mod container;
mod endpoint;
mod engine;
mod error;
mod evidence;
mod exec;
mod extensions;
mod files;
mod image;
mod leftover;
mod log_wait;
mod logs;
mod mount;
mod node;
mod owner;
mod secret;
mod service;
mod session;
mod shorten;
mod signal;
mod software;
mod spec;
mod url;
mod wait;

pub use cluster::Cluster;
pub use component::{
    BackendComponent, BackendPlan, BrokerComponent, BrokerPlan, Component, PlanContext, WorkerComponent,
    WorkerContext, WorkerPlan,
};
pub use container::{CONTAINER_VARIABLE, Container, ContainerState, ExitStatus};
pub use endpoint::Endpoint;
pub use engine::{Capability, Engine, Network};
pub use error::{BoxError, Error, Result};
pub use evidence::{EVIDENCE_LINES, Evidence};
pub use exec::{Exec, ExecOutput};
pub use files::{File, FileOwner, FileTree};
pub use image::{Build, Image, ImageSource, PullPolicy};
pub use leftover::{Filter, Leftover};
pub use log_wait::{DEFAULT_LOG_TIMEOUT, LogPattern, LogWait};
pub use logs::{LogCursor, LogLine, Logs, Stream};
pub use mount::Mount;
pub use node::{Backend, Broker, Node, Worker};
pub use owner::{Owner, start_time};
pub use secret::Secret;
pub use service::ServiceNode;
pub use session::{SESSION_VARIABLE, session_id};
pub use shorten::shorten;
pub use signal::Signal;
pub use software::{Program, PythonEnvironment, Software, SoftwareSource, Wheel};
pub use spec::{ContainerSpec, Port};
pub use url::{ConnectionUrl, ParseUrlError};
pub use wait::{DEFAULT_READY_TIMEOUT, Probe, Wait, until_ready};
