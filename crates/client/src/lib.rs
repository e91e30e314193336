#![doc = include_str!("../README.md")]

mod address;
mod app;
mod builder;
mod call;
mod check;
mod control;
mod error;
mod event;
mod json;
mod message;
mod meta;
mod protocol;
mod publish;
mod python_json;
mod repr;
mod result;
pub mod runtime;
mod signals;
mod store;
mod task_error;
mod transport;

pub use address::{Address, refuse_options};
pub use app::App;
pub use builder::{AppBuilder, DEFAULT_RESULT_TIMEOUT};
pub use call::{Call, DEFAULT_QUEUE};
pub use control::{Control, DEFAULT_REPLY_TIMEOUT, Request};
pub use error::{Error, Result};
pub use event::{AfterTaskPublish, BeforeTaskPublish};
pub use message::{Message, Properties, TaskBody};
pub use meta::{ResultMeta, State};
pub use python_json::{JsonError, PythonJson};
pub use result::AsyncResult;
pub use signals::{Connected, HandlerResult, Signals};
pub use store::{ResultStore, StoreFactory};
pub use task_error::TaskError;
pub use transport::{Inbox, Transport, TransportFactory};
