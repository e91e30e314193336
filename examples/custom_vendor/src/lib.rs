#![doc = include_str!("../README.md")]

mod component;
mod config;
mod image;
mod ping;

pub use component::{PORT, Valkey};
pub use image::{DEFAULT_IMAGE, image};
