//! How a port of a container is reached from this process.

use std::fs;

use bollard::{Docker as Client, query_parameters::InspectContainerOptions};

use crate::resolve::Address;

/// How a port of a container is reached from this process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reach {
    /// The daemon is on this machine: ports are bound to 127.0.0.1, and reached there.
    Loopback,
    /// The daemon is on another machine, or a user names the host of published ports: they are bound to all of the daemon's addresses, and
    /// reached by that name.
    Remote(String),
    /// This process runs in a container of the daemon, of that id: it joins the networks it makes, and uses the addresses in them.
    Inside(String),
}

impl Reach {
    /// Asks the daemon whether it knows the container that this process may be in. A file such as `/.dockerenv` proves nothing. Returns the id
    /// of that container too, also where ports are reached as outside of it.
    pub(crate) async fn find(client: &Client, address: &Address) -> (Self, Option<String>) {
        let mut container = None;
        for id in own_ids() {
            if let Ok(own) = client.inspect_container(&id, None::<InspectContainerOptions>).await {
                let mode = own.host_config.and_then(|config| config.network_mode);
                let id = own.id.unwrap_or(id);
                // A container in the host's network reaches the ports of the host as everybody there does.
                if mode.as_deref() != Some("host") {
                    return (Self::Inside(id.clone()), Some(id));
                }
                container.get_or_insert(id);
            }
        }
        let reach = match address {
            Address::Tcp { host, .. } if !is_loopback(host) => Self::Remote(host.clone()),
            _ => Self::Loopback,
        };
        (reach, container)
    }

    /// For a user who knows the host where published ports are reached.
    pub(crate) fn at(host: String) -> Self {
        match host.as_str() {
            "127.0.0.1" | "localhost" => Self::Loopback,
            _ => Self::Remote(host),
        }
    }

    /// The address that published ports are bound to.
    pub(crate) fn bind_address(&self) -> &'static str {
        match self {
            Self::Loopback | Self::Inside(_) => "127.0.0.1",
            Self::Remote(_) => "0.0.0.0",
        }
    }
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback())
}

/// The ids that the container of this process may have, if it is in one.
fn own_ids() -> Vec<String> {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let hostname = read("/proc/sys/kernel/hostname");
    ids_in(&read("/proc/self/mountinfo"), &read("/proc/self/cgroup"), hostname.trim())
}

fn ids_in(mountinfo: &str, cgroup: &str, hostname: &str) -> Vec<String> {
    let mut ids = Vec::new();
    // Docker mounts a container's files from a folder that is named by its id. The mount point matters: a machine that runs a
    // daemon has mounts of other containers.
    let own_files = ["/etc/hostname", "/etc/hosts", "/etc/resolv.conf"];
    for line in mountinfo.lines() {
        let fields: Vec<&str> = line.split(' ').collect();
        if let [_, _, _, root, point, ..] = fields[..]
            && own_files.contains(&point)
        {
            ids.extend(long_id(root));
        }
    }
    ids.extend(cgroup.lines().filter_map(long_id));
    // Docker's default host name is the short form of the id.
    if hostname.len() == 12 && hostname.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        ids.push(hostname.to_owned());
    }
    ids.dedup();
    ids
}

fn long_id(text: &str) -> Option<String> {
    text.split(|c: char| !c.is_ascii_hexdigit()).find(|part| part.len() == 64).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "3f4dca1f0b0c9a3e5d1f7c2b8a6e4d0c9b8a7f6e5d4c3b2a190817263544f1e2";

    #[test]
    fn an_id_is_found_by_its_own_mounts_only() {
        let own =
            format!("1 2 8:1 /var/lib/docker/containers/{ID}/hostname /etc/hostname rw - ext4 /dev/sda1 rw");
        assert_eq!(ids_in(&own, "0::/", "worker"), [ID]);
        let others = format!("1 2 0:9 / /var/lib/docker/containers/{ID}/mounts/shm rw - tmpfs shm rw");
        assert!(ids_in(&others, "0::/user.slice", "laptop").is_empty());
    }

    #[test]
    fn an_id_is_found_by_cgroup_and_host_name() {
        let cgroup = format!("1:name=systemd:/docker/{ID}\n");
        assert_eq!(ids_in("", &cgroup, "x"), [ID]);
        let scope = format!("0::/system.slice/docker-{ID}.scope\n");
        assert_eq!(ids_in("", &scope, "x"), [ID]);
        assert_eq!(ids_in("", "", "3f4dca1f0b0c"), ["3f4dca1f0b0c"]);
        assert!(ids_in("", "", "build-server").is_empty());
    }

    #[test]
    fn loopback_is_an_address_and_not_a_guess() {
        assert!(is_loopback("127.0.0.1") && is_loopback("::1") && is_loopback("localhost"));
        assert!(!is_loopback("10.0.0.7") && !is_loopback("docker"));
        assert_eq!(Reach::at("localhost".to_owned()), Reach::Loopback);
        assert_eq!(Reach::at("docker".to_owned()), Reach::Remote("docker".to_owned()));
    }
}
