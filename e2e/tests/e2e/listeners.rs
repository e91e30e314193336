//! What a stack of local processes listens on: its own loopback addresses, and nothing that another machine could reach.

use std::{collections::BTreeSet, fs, net::Ipv4Addr};

use testcelery::{
    Engine,
    api::{CONTAINER_VARIABLE, Capability},
    prelude::*,
};

fn stack() -> SetupBuilder {
    Setup::builder()
        .broker(RabbitMq::default().management())
        .broker(Redis::default())
        .backend(Memcached::default())
}

#[testcelery::test(setup = stack)]
async fn on_loopback_alone(setup: Setup) -> Result<()> {
    let brokers = setup.brokers().iter().map(|node| node.container());
    let backends = setup.backends().iter().map(|node| node.container());
    let containers: Vec<_> = brokers.chain(backends).collect();
    let ids: BTreeSet<String> = containers.iter().map(|container| container.id().to_owned()).collect();
    let sockets = sockets_of(&ids);
    if Engine::auto().await?.supports(Capability::Images) {
        // Its processes are in namespaces of their own, and their ports are published on 127.0.0.1.
        let published = [5672, 6379, 11211].into_iter().zip(&containers);
        for (port, container) in published.chain([(15672, &containers[0])]) {
            assert_eq!(container.endpoint(port)?.host, "127.0.0.1");
        }
        return Ok(());
    }
    let listening = listening();
    let own: Vec<&str> = listening
        .iter()
        .filter(|(_, inode)| sockets.contains(inode.as_str()))
        .map(|(address, _)| address.as_str())
        .collect();
    // Broker, management, distribution and port mapper of RabbitMQ, Redis, Memcached.
    assert!(own.len() >= 6, "{own:?}");
    for container in &containers {
        let ip: Ipv4Addr = container.network_address(1).0.parse().expect("an address of its own");
        let seen = format!("{:08X}", u32::from_ne_bytes(ip.octets()));
        assert!(own.contains(&seen.as_str()), "{} at {ip} is not among {own:?}", container.id());
    }
    for address in &own {
        // 127.x.y.z as the kernel writes it on this machine, or ::1.
        let is_loopback = address.ends_with("7F") || *address == "00000000000000000000000001000000";
        assert!(is_loopback, "{address} of {own:?}");
    }
    Ok(())
}

/// The sockets that processes of these containers have open: known by their environment, or by where they work, because Redis overwrites its
/// environment.
fn sockets_of(ids: &BTreeSet<String>) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for process in fs::read_dir("/proc").expect("a process table").flatten() {
        let environment = fs::read(process.path().join("environ")).unwrap_or_default();
        let is_marked = environment.split(|byte| *byte == 0).any(|variable| {
            let variable = String::from_utf8_lossy(variable);
            let id = variable.strip_prefix(CONTAINER_VARIABLE).and_then(|rest| rest.strip_prefix('='));
            id.is_some_and(|id| ids.contains(id))
        });
        let folder = fs::read_link(process.path().join("cwd")).unwrap_or_default();
        let works_here = folder.iter().any(|part| ids.contains(&*part.to_string_lossy()));
        if !is_marked && !works_here {
            continue;
        }
        for open in fs::read_dir(process.path().join("fd")).into_iter().flatten().flatten() {
            let target = fs::read_link(open.path()).unwrap_or_default();
            let target = target.to_string_lossy();
            found.extend(target.strip_prefix("socket:[").map(|inode| inode.trim_end_matches(']').to_owned()));
        }
    }
    found
}

/// Address and socket of everything that listens.
fn listening() -> Vec<(String, String)> {
    const LISTEN: &str = "0A";
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"].map(|path| fs::read_to_string(path).unwrap_or_default());
    let rows = tables.iter().flat_map(|table| table.lines().skip(1));
    rows.filter_map(|row| {
        let fields: Vec<&str> = row.split_whitespace().collect();
        let address = fields.get(1)?.split(':').next()?.to_owned();
        (*fields.get(3)? == LISTEN).then(|| Some((address, (*fields.get(9)?).to_owned())))?
    })
    .collect()
}
