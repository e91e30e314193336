//! What is said to whoever sits in front of the terminal.

use std::{fmt, io::Write};

use testcelery_api::Container;

/// Writes a line to standard error. Not through a macro: what a test prints is kept back unless it fails.
pub(crate) fn say(text: impl fmt::Display) {
    let _ = writeln!(std::io::stderr(), "testcelery: {text}");
}

/// Says where the announced ports of a container that runs are reached.
pub(crate) fn announce(container: &dyn Container) {
    let spec = container.spec();
    for (port, what) in &spec.announced {
        match container.endpoint(*port) {
            Ok(endpoint) => say(format_args!("{}: {what} listens on {}", spec.name, endpoint.host_address())),
            // It has ended already: that is told by whoever waits for it.
            Err(error) => tracing::debug!(%error, "nothing to announce"),
        }
    }
}
