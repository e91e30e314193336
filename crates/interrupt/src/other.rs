//! Systems without Unix signals.

use std::io;

use crate::Interrupt;

/// Does nothing on this system.
#[derive(Debug)]
#[must_use = "the handlers go when it is dropped"]
pub struct Watch;

impl Watch {
    /// Does nothing on this system.
    ///
    /// # Errors
    /// Never.
    pub fn begin(_: fn(Interrupt)) -> io::Result<Self> {
        Ok(Self)
    }
}
