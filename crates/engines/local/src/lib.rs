#![doc = include_str!("../README.md")]

mod address;
mod capability;
mod error;
mod network;
mod programs;
mod translate;
