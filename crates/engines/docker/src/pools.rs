//! How many more networks the daemon has addresses for.

use std::net::Ipv4Addr;

use serde_json::Value;
use testcelery_api::Result;

use crate::{Docker, error::failed, raw};

/// What a daemon without `default-address-pools` hands out: base address, its prefix, the prefix of one network.
/// (moby, `libnetwork/ipamutils`: 172.17 to 172.31 by /16, and 192.168.0.0/16 by /20.)
const DEFAULT_POOLS: [(Ipv4Addr, u8, u8); 6] = [
    (Ipv4Addr::new(172, 17, 0, 0), 16, 16),
    (Ipv4Addr::new(172, 18, 0, 0), 16, 16),
    (Ipv4Addr::new(172, 19, 0, 0), 16, 16),
    (Ipv4Addr::new(172, 20, 0, 0), 14, 16),
    (Ipv4Addr::new(172, 24, 0, 0), 13, 16),
    (Ipv4Addr::new(192, 168, 0, 0), 16, 20),
];

/// An IPv4 network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Subnet {
    base: u32,
    prefix: u8,
}

impl Subnet {
    fn new(base: Ipv4Addr, prefix: u8) -> Option<Self> {
        (1..=32).contains(&prefix).then_some(Self { base: base.to_bits(), prefix })
    }

    fn parse(text: &str) -> Option<Self> {
        let (base, prefix) = text.split_once('/')?;
        Self::new(base.parse().ok()?, prefix.parse().ok()?)
    }

    fn overlaps(self, other: Self) -> bool {
        let shift = 32 - self.prefix.min(other.prefix);
        u64::from(self.base) >> shift == u64::from(other.base) >> shift
    }

    /// The networks of another size in it.
    fn split(self, prefix: u8) -> impl Iterator<Item = Self> {
        let count = 1u64 << prefix.saturating_sub(self.prefix).min(20);
        let size = 1u64 << (32 - prefix);
        (0..count).filter_map(move |index| {
            let base = u32::try_from(u64::from(self.base) + index * size).ok()?;
            Some(Self { base, prefix })
        })
    }
}

impl Docker {
    /// An estimate of how many more networks the daemon can make before its address pools are used up (31 in all by default). Routes
    /// of the machine, which a daemon leaves alone too, are not counted.
    ///
    /// # Errors
    /// When the daemon cannot say what networks there are.
    pub async fn free_networks(&self) -> Result<usize> {
        let client = &self.inner.client;
        let info = raw::get(client, "/info").await.map_err(failed("inspect", "the daemon"))?;
        let networks = raw::get(client, "/networks").await.map_err(failed("list", "networks"))?;
        let entries = |list: &Value| list.as_array().cloned().unwrap_or_default();
        let configs = entries(&networks).into_iter().flat_map(|network| entries(&network["IPAM"]["Config"]));
        let taken: Vec<Subnet> =
            configs.filter_map(|config| Subnet::parse(config["Subnet"].as_str()?)).collect();
        let configured: Vec<(Subnet, u8)> = entries(&info["DefaultAddressPools"])
            .into_iter()
            .filter_map(|pool| {
                let size = u8::try_from(pool["Size"].as_u64()?).ok()?;
                Some((Subnet::parse(pool["Base"].as_str()?)?, size))
            })
            .collect();
        Ok(free(&configured, &taken))
    }
}

fn free(configured: &[(Subnet, u8)], taken: &[Subnet]) -> usize {
    let defaults: Vec<(Subnet, u8)> = DEFAULT_POOLS
        .iter()
        .filter_map(|(base, prefix, size)| Some((Subnet::new(*base, *prefix)?, *size)))
        .collect();
    let pools = if configured.is_empty() { &defaults } else { configured };
    pools
        .iter()
        .filter(|(_, size)| (1..=32).contains(size))
        .flat_map(|(pool, size)| pool.split(*size))
        .filter(|subnet| !taken.iter().any(|other| other.overlaps(*subnet)))
        .count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subnets(texts: &[&str]) -> Vec<Subnet> {
        texts.iter().map(|text| Subnet::parse(text).unwrap()).collect()
    }

    #[test]
    fn the_default_pools_hold_31_networks() {
        assert_eq!(free(&[], &[]), 31);
        assert_eq!(free(&[], &subnets(&["172.17.0.0/16"])), 30);
        assert_eq!(free(&[], &subnets(&["172.17.0.0/16", "192.168.16.0/20", "10.0.0.0/8"])), 29);
        // A small network of the user's takes the pool that it lies in; a large one takes several.
        assert_eq!(free(&[], &subnets(&["172.20.5.0/24", "192.168.0.0/16"])), 14);
    }

    #[test]
    fn configured_pools_replace_the_default_ones() {
        let pool = [(Subnet::parse("10.10.0.0/22").unwrap(), 24)];
        assert_eq!(free(&pool, &[]), 4);
        assert_eq!(free(&pool, &subnets(&["10.10.3.0/24"])), 3);
    }

    #[test]
    fn what_is_no_ipv4_network_is_no_subnet() {
        for text in ["fd00::/64", "10.0.0.0", "10.0.0.0/40", "10.0.0.0/0"] {
            assert_eq!(Subnet::parse(text), None, "{text}");
        }
    }
}
