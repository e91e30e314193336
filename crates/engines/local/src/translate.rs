//! Paths, addresses and names of a container, as they are on the host.
