//! The loopback interface, by which tests reach the ports of containers on this machine.

use std::{
    io,
    net::{Ipv4Addr, UdpSocket},
    time::Duration,
};

use crate::{Error, Result};

/// Time limit for a datagram to oneself. It takes microseconds where the interface is up.
const ROUND_TRIP: Duration = Duration::from_secs(5);

/// Checks that this process reaches itself by 127.0.0.1. Engines call it before they start something whose ports are reached there: without
/// it every wait for a port would run to its end. Takes 5 s at most, and that long only where the check fails.
///
/// # Errors
/// [`Error::Engine`] with what to do.
pub fn check_loopback(engine: &'static str) -> Result<()> {
    round_trip().map_err(|error| Error::Engine {
        engine,
        operation: "reach this machine itself by",
        subject: Ipv4Addr::LOCALHOST.to_string(),
        source: format!(
            "{error}; the loopback interface of this network namespace is down, as it seems: turn it on with `ip link set lo up`"
        )
        .into(),
    })
}

fn round_trip() -> io::Result<()> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    socket.set_read_timeout(Some(ROUND_TRIP))?;
    // Nobody else's datagrams are received.
    socket.connect(socket.local_addr()?)?;
    socket.send(b"ping")?;
    let received = socket.recv(&mut [0; 4]);
    received.map(drop).map_err(|error| match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => io::Error::new(
            io::ErrorKind::TimedOut,
            format!("a datagram did not arrive within {ROUND_TRIP:?}"),
        ),
        _ => error,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interface_that_is_up_is_no_error() {
        check_loopback("fake").unwrap();
    }
}
