//! Loopback addresses, one for each container.
