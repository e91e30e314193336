#![doc = include_str!("../README.md")]

mod archive;
mod background;
mod build;
mod connect;
mod container;
mod create;
mod engine;
mod error;
mod exec;
#[cfg(all(test, unix))]
#[path = "../tests/fake/daemon.rs"]
#[expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]
mod fake_daemon;
mod follow;
mod images;
mod labels;
mod lease;
mod leftovers;
mod network;
mod own_mounts;
mod owners;
mod pools;
mod raw;
mod reach;
mod refusal;
mod removal;
mod resolve;
mod upload;
mod users;

pub use build::Progress;
pub use connect::{Daemon, Docker};
pub use error::ENGINE;
pub use images::ImageInfo;
pub use labels::{LABEL, LABEL_CONTAINER, LABEL_NAME, LABEL_OWNER, LABEL_SESSION};
pub use resolve::{OVERRIDE_VARIABLE, PORTS_HOST_VARIABLE};
