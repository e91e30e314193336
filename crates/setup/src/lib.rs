#![doc = include_str!("../README.md")]

mod address;
mod app;
mod boot;
mod builder;
mod config;
mod engine;
mod error;
mod evidence;
mod hooks;
mod interrupt;
mod kept_errors;
mod names;
mod narrow;
mod plan;
mod queue_call;
mod queues;
mod ready;
mod reaper;
mod report;
pub mod runner;
mod say;
mod setup;
mod start_plan;
mod timing;
mod watched;
mod worker;

pub use app::app;
pub use builder::SetupBuilder;
pub use config::AppConfig;
pub use engine::{Choice, ENGINE_VARIABLE, Engine};
#[cfg(feature = "docker")]
pub use engine::{Docker, docker};
#[cfg(feature = "local")]
pub use engine::{Local, local};
pub use error::{Error, Result};
pub use ready::Ready;
pub use setup::Setup;
pub use start_plan::StartPlan;
pub use testcelery_api as api;
pub use testcelery_api::{Backend, Broker, Cluster, ConnectionUrl, Exec, Image, Node, Secret, Signal};
pub use testcelery_client as client;
pub use testcelery_client::{App, AsyncResult, State, TaskError};
pub use testcelery_codegen as codegen;
pub use testcelery_codegen::{
    Config, Crontab, Exchange, InitialContent, PyModule, PyValue, Queue, TaskNames,
};
pub use testcelery_macros::test;
pub use testcelery_memcached::{Memcached, MemcachedNode};
pub use testcelery_rabbitmq::{RabbitMq, RabbitMqNode};
pub use testcelery_redis::{Redis, RedisNode};
pub use testcelery_worker::{Debugpy, Dockerfile, Process, Processes, Worker, WorkerExt, WorkerRecipe};
pub use worker::{AsComponent, AsRecipe, IntoWorker};

/// Everything that a test needs, in one line.
///
/// It brings the traits [`Node`], [`Broker`] and [`Backend`] into scope, so that nodes have their methods.
pub mod prelude {
    pub use crate::{
        App, AsyncResult, Backend, Broker, Cluster, Config, Crontab, Debugpy, Dockerfile, Exchange, Image,
        Memcached, Node, PyModule, PyValue, Queue, RabbitMq, Ready, Redis, Result, Secret, Setup,
        SetupBuilder, Signal, State, TaskError, Worker, WorkerExt, WorkerRecipe, api::Worker as _,
    };
}
