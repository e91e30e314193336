//! Loopback addresses: each container has one of its own, with its standard ports if they are free.
//!
//! A server that listens on a port of all addresses (0.0.0.0) has that port on each loopback address too: containers get another port instead.

use std::{
    collections::BTreeMap,
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener},
    os::unix::net::UnixDatagram,
    sync::atomic::{AtomicU32, Ordering},
};

use testcelery_api::{Error, Result, check_loopback};

use crate::error::{ENGINE, failed};

/// The first two bytes of all of our addresses but the user's: 127.64.0.0 to 127.127.255.255, where nothing else is usual.
const NET: u8 = 127;
const FIRST_USER: u8 = 64;
const USERS: u32 = 64;

/// How many addresses a user has: as many as there are [spare ports](Address::spare) for.
const ADDRESSES: u32 = 4096;

/// Spare ports of the address number `n` are `FIRST_SPARE + n * SPARES` and the following: below the range that systems hand out by
/// themselves (Linux from 32768, others from 49152), above the well-known ones.
const FIRST_SPARE: u32 = 16_384;
const SPARES: u32 = 4;

/// How many addresses are tried before giving up.
const ATTEMPTS: u32 = 256;

/// The last two bytes of an address that no container has: a port that is taken there is taken everywhere.
const PROBE: [u8; 2] = [255, 254];

/// Other ports for those that are taken everywhere: from [`FIRST_SPARE`] on, below what systems hand out by themselves.
const OTHERS: u16 = 16_384;

/// Gives out addresses. Nobody else has one as long as it is held: a name of the kernel's is held with it, which goes with its process.
///
/// The name is that of a Unix socket without a file (`unix(7)`, abstract). It does what a lock file would do, and leaves no file behind.
/// All who share the loopback addresses, those of one network namespace, see the same names, whatever their folders and users are.
#[derive(Debug)]
pub(crate) struct Addresses {
    user: u8,
    next: AtomicU32,
    single: bool,
}

/// One address, until it is dropped.
#[derive(Debug)]
pub(crate) struct Address {
    ip: Ipv4Addr,
    ports: BTreeMap<u16, u16>,
    spare: Vec<u16>,
    _locks: [Option<UnixDatagram>; 2],
}

impl Addresses {
    /// Processes and users begin at different places, so that they seldom meet.
    pub(crate) fn new() -> Self {
        let user = u8::try_from(rustix::process::getuid().as_raw() % USERS).unwrap_or(0);
        // 127.0.0.2 is an address like any other on Linux; macOS has 127.0.0.1 alone.
        let single =
            !cfg!(target_os = "linux") || TcpListener::bind((Ipv4Addr::new(NET, 0, 0, 2), 0)).is_err();
        let next = AtomicU32::new(std::process::id().wrapping_mul(67) % ADDRESSES);
        Self { user: FIRST_USER + user, next, single }
    }

    /// As on a system that has 127.0.0.1 alone.
    #[cfg(test)]
    pub(crate) fn single() -> Self {
        Self { single: true, ..Self::new() }
    }

    /// An address where these ports are free, and some more ports that are free on 127.0.0.1 and `::1` as well.
    pub(crate) fn take(&self, ports: &[u16], spare: usize) -> Result<Address> {
        check_loopback(ENGINE)?;
        if self.single {
            return Address::on_the_only_one(ports, spare).map_err(failed("find free ports on", "127.0.0.1"));
        }
        if u32::try_from(spare).is_ok_and(|spare| spare > SPARES) {
            let problem = format!(
                "it asks for {spare} ports of its own besides its standard ones, and there are {SPARES}"
            );
            return Err(Error::component("a container", problem));
        }
        let mut busy = None;
        for _ in 0..ATTEMPTS {
            let number = self.next.fetch_add(1, Ordering::Relaxed) % ADDRESSES;
            let [_, _, high, low] = number.to_be_bytes();
            let ip = Ipv4Addr::new(NET, self.user, high, low.max(1));
            let Some(ip_lock) = lock(&ip.to_string()).map_err(failed("lock address", ip.to_string()))? else {
                continue;
            };
            let first = FIRST_SPARE + number * SPARES;
            let spare_lock = if spare > 0 { lock(&format!("spare-{first}")) } else { Ok(None) };
            let spare_lock = spare_lock.map_err(failed("lock ports from", first.to_string()))?;
            if spare > 0 && spare_lock.is_none() {
                // Another user's: addresses are a user's own, these ports are not.
                continue;
            }
            let spare: Vec<u16> = (first..).take(spare).map_while(|port| u16::try_from(port).ok()).collect();
            let anywhere =
                spare.iter().find_map(|port| everywhere(ip, *port).err().map(|error| (*port, error)));
            let own = anywhere.map_or_else(|| self.choose(ip, ports, &spare), Err);
            match own {
                Ok(ports) => return Ok(Address { ip, ports, spare, _locks: [Some(ip_lock), spare_lock] }),
                Err((port, error)) => busy = Some((ip, port, error)),
            }
        }
        Err(none_free(busy))
    }
}

impl Addresses {
    /// Where the ports of a container are on its address: the same ones, and others for those that are taken on all addresses or that this user
    /// may not listen on.
    fn choose(
        &self,
        ip: Ipv4Addr,
        ports: &[u16],
        spare: &[u16],
    ) -> Result<BTreeMap<u16, u16>, (u16, io::Error)> {
        let mut chosen = BTreeMap::new();
        for port in ports {
            let Err(error) = bind(IpAddr::V4(ip), *port) else {
                chosen.insert(*port, *port);
                continue;
            };
            let [high, low] = PROBE;
            if bind(IpAddr::V4(Ipv4Addr::new(NET, self.user, high, low)), *port).is_ok() {
                // Taken on this address alone.
                return Err((*port, error));
            }
            let other = other_ports(*port).find(|other| {
                let is_used =
                    ports.contains(other) || spare.contains(other) || chosen.values().any(|it| it == other);
                !is_used && bind(IpAddr::V4(ip), *other).is_ok()
            });
            chosen.insert(*port, other.ok_or((*port, error))?);
        }
        Ok(chosen)
    }
}

/// What may stand in for a port, in the order of preference.
fn other_ports(port: u16) -> impl Iterator<Item = u16> {
    (0..ATTEMPTS).filter_map(move |step| {
        let offset = (u32::from(port) + step * 97) % u32::from(OTHERS);
        u16::try_from(FIRST_SPARE + offset).ok()
    })
}

/// Why none of many addresses would do.
fn none_free(busy: Option<(Ipv4Addr, u16, io::Error)>) -> Error {
    let Some((ip, port, error)) = busy else {
        return failed("find", "a free loopback address")(format!(
            "{ATTEMPTS} addresses in a row are taken by running tests; `cargo xtask clean` stops what was left behind"
        ));
    };
    Error::Engine {
        engine: ENGINE,
        operation: "listen on",
        subject: format!("{ip}:{port}"),
        source: format!(
            "{error}, as on {ATTEMPTS} other loopback addresses, and no other port is free instead; stop the programs of this machine that \
             listen on all addresses (0.0.0.0), or let them listen on 127.0.0.1"
        )
        .into(),
    }
}

impl Address {
    fn on_the_only_one(ports: &[u16], spare: usize) -> io::Result<Self> {
        let ip = Ipv4Addr::LOCALHOST;
        // Bound together, so that they differ; let go when all of them are known.
        let listeners: Vec<TcpListener> =
            (0..ports.len() + spare).map(|_| TcpListener::bind((ip, 0))).collect::<io::Result<_>>()?;
        let mut free = listeners.iter().map(|listener| listener.local_addr().map(|address| address.port()));
        let chosen: Vec<u16> = free.by_ref().take(ports.len()).collect::<io::Result<_>>()?;
        let spare = free.collect::<io::Result<_>>()?;
        Ok(Self { ip, ports: ports.iter().copied().zip(chosen).collect(), spare, _locks: [None, None] })
    }

    /// The address.
    pub(crate) fn ip(&self) -> Ipv4Addr {
        self.ip
    }

    /// Where a port of the container is on it: the same one, unless that is taken on all addresses, or the system has one address for all
    /// containers.
    pub(crate) fn port(&self, port: u16) -> u16 {
        self.ports.get(&port).copied().unwrap_or(port)
    }

    /// The ports that are another one here.
    pub(crate) fn moved(&self) -> impl Iterator<Item = (u16, u16)> {
        self.ports.iter().map(|(from, to)| (*from, *to)).filter(|(from, to)| from != to)
    }

    /// Ports that nothing else uses on any loopback address, for what cannot be kept to this one: Erlang's port mapper always listens on
    /// 127.0.0.1 and `::1` too.
    pub(crate) fn spare(&self) -> &[u16] {
        &self.spare
    }
}

/// Takes the lock of an address or of some ports; `None` where somebody has it.
#[cfg(target_os = "linux")]
fn lock(what: &str) -> io::Result<Option<UnixDatagram>> {
    use std::os::{linux::net::SocketAddrExt as _, unix::net::SocketAddr};

    let name = SocketAddr::from_abstract_name(format!("testcelery-{what}"))?;
    match UnixDatagram::bind_addr(&name) {
        Ok(socket) => Ok(Some(socket)),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => Ok(None),
        Err(error) => Err(error),
    }
}

/// Nobody has more than one address there.
#[cfg(not(target_os = "linux"))]
fn lock(_: &str) -> io::Result<Option<UnixDatagram>> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Whether a port is free on every address that a spare one is used on.
fn everywhere(ip: Ipv4Addr, port: u16) -> io::Result<()> {
    bind(IpAddr::V4(ip), port)?;
    bind(IpAddr::V4(Ipv4Addr::LOCALHOST), port)?;
    match bind(IpAddr::V6(Ipv6Addr::LOCALHOST), port) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => Err(error),
        // A system without IPv6.
        _ => Ok(()),
    }
}

/// Listens for a moment. `TcpListener` sets SO_REUSEADDR, so that connections of an earlier server that still wait for their end do not
/// count.
fn bind(ip: IpAddr, port: u16) -> io::Result<()> {
    TcpListener::bind(SocketAddr::new(ip, port)).map(drop)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn everyone_has_another_one() {
        let one = Addresses::new();
        let other = Addresses::new();
        let taken: Vec<Address> =
            [&one, &other, &one, &other].iter().map(|all| all.take(&[6379], 2).unwrap()).collect();
        let ips: BTreeSet<Ipv4Addr> = taken.iter().map(Address::ip).collect();
        let spare: BTreeSet<u16> = taken.iter().flat_map(|address| address.spare().to_vec()).collect();
        assert_eq!((ips.len(), spare.len()), (4, 8));
        assert!(taken.iter().all(|address| address.port(6379) == 6379 && address.ip().is_loopback()));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_lock_is_free_again_when_it_is_dropped() {
        // An address that no other test has: 127 and the number of this process.
        let ip = Ipv4Addr::from(std::process::id() | 127 << 24);
        let held = lock(&ip.to_string()).unwrap();
        assert!(held.is_some() && lock(&ip.to_string()).unwrap().is_none());
        drop(held);
        assert!(lock(&ip.to_string()).unwrap().is_some());
    }

    #[test]
    fn an_address_where_something_listens_is_passed_over() {
        let addresses = Addresses::new();
        let first = addresses.take(&[], 0).unwrap().ip();
        let _busy = TcpListener::bind((first, 18_888)).unwrap();
        addresses.next.fetch_sub(1, Ordering::Relaxed);
        assert_ne!(addresses.take(&[18_888], 0).unwrap().ip(), first);
    }

    #[test]
    fn a_port_that_is_taken_everywhere_has_another_one_instead() {
        let busy = [TcpListener::bind("0.0.0.0:0").unwrap(), TcpListener::bind("[::]:0").unwrap()];
        let [v4, v6] = busy.each_ref().map(|listener| listener.local_addr().unwrap().port());
        let address = Addresses::new().take(&[v4, 18_887, v6], 2).unwrap();
        assert_eq!(address.port(18_887), 18_887);
        for port in [v4, v6] {
            let other = address.port(port);
            assert!(other != port && !address.spare().contains(&other) && other != 18_887);
            TcpListener::bind((address.ip(), other)).unwrap();
        }
        assert_ne!(address.port(v4), address.port(v6));
        assert_eq!(address.moved().count(), 2);
    }

    #[test]
    fn other_ports_are_below_those_of_the_system() {
        for port in [0, 80, 6379, u16::MAX] {
            assert!(other_ports(port).all(|other| (16_384..32_768).contains(&other)), "{port}");
        }
    }

    #[test]
    fn one_address_for_all_takes_random_ports() {
        let address = Addresses::single().take(&[6379, 6380], 1).unwrap();
        assert_eq!(address.ip(), Ipv4Addr::LOCALHOST);
        let ports: BTreeSet<u16> = [address.port(6379), address.port(6380), address.spare()[0]].into();
        assert_eq!(ports.len(), 3);
        assert_eq!(address.moved().count(), 2);
    }
}
