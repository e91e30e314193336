#![doc = include_str!("../README.md")]

mod address;
mod cache;
mod capability;
mod container;
mod engine;
mod error;
mod files;
mod guardian;
mod identity;
mod leader;
mod leftovers;
mod members;
mod network;
mod process;
mod programs;
mod run;
mod scan;
mod signals;
mod translate;

pub use engine::Local;
