#![doc = include_str!("../README.md")]

mod address;
mod programs;
mod translate;
