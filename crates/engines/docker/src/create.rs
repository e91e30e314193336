//! From a spec to the body of the request that creates a container.

use std::collections::HashMap;

use bollard::models::{
    ContainerCreateBody, EndpointSettings, HostConfig, HostConfigLogConfig, Mount as ClientMount, MountType,
    NetworkingConfig, PortBinding, PortMap,
};
use testcelery_api::{CONTAINER_VARIABLE, ContainerSpec, Mount};

use crate::{
    labels::{LABEL_NAME, Labels},
    reach::Reach,
};

/// A name of that kind that nobody has: `testcelery-1f2e3d4c-broker`.
pub(crate) fn random_name(kind: &str) -> String {
    let random = uuid::Uuid::new_v4().simple().to_string();
    // What Docker allows in names, and no more: [a-zA-Z0-9][a-zA-Z0-9_.-].
    let kind: String =
        kind.chars().map(|c| if c.is_ascii_alphanumeric() || "_.-".contains(c) { c } else { '-' }).collect();
    format!("testcelery-{}-{kind}", &random[..8])
}

/// `5672/tcp`, as Docker writes it.
pub(crate) fn port_key(port: u16) -> String {
    format!("{port}/tcp")
}

/// How a container is known in a network: by its name in the setup and its aliases.
pub(crate) fn in_network(spec: &ContainerSpec) -> EndpointSettings {
    let mut aliases = vec![spec.name.clone()];
    aliases.extend(spec.aliases.iter().cloned());
    EndpointSettings { aliases: Some(aliases), ..Default::default() }
}

pub(crate) fn body(
    spec: &ContainerSpec,
    name: &str,
    image: String,
    reach: &Reach,
    labels: &Labels,
) -> ContainerCreateBody {
    let mut labels = labels.all();
    labels.insert(LABEL_NAME.to_owned(), spec.name.clone());
    let network = spec.network.as_ref().map(|network| network.id().to_owned());
    let env = [(CONTAINER_VARIABLE, name)].into_iter();
    let env = env.chain(spec.env.iter().map(|(key, value)| (key.as_str(), value.as_str())));
    let env = env.map(|(key, value)| format!("{key}={value}"));
    ContainerCreateBody {
        image: Some(image),
        hostname: Some(spec.hostname.clone()),
        cmd: spec.command.clone(),
        env: Some(env.collect()),
        user: spec.user.clone(),
        labels: Some(labels),
        // What `stop` promises, whatever the image says.
        stop_signal: Some("SIGTERM".into()),
        exposed_ports: Some(spec.ports.iter().map(|port| port_key(port.container)).collect()),
        networking_config: network.as_ref().map(|network| NetworkingConfig {
            endpoints_config: Some(HashMap::from([(network.clone(), in_network(spec))])),
        }),
        host_config: Some(host_config(spec, network, reach)),
        ..Default::default()
    }
}

fn host_config(spec: &ContainerSpec, network: Option<String>, reach: &Reach) -> HostConfig {
    let limit = spec.memory_limit.map(|bytes| i64::try_from(bytes).unwrap_or(i64::MAX));
    let tmpfs: HashMap<String, String> = spec
        .mounts
        .iter()
        .filter(|mount| matches!(mount, Mount::Tmpfs { .. }))
        .map(|mount| (mount.target().to_owned(), String::new()))
        .collect();
    HostConfig {
        network_mode: network,
        port_bindings: Some(port_bindings(spec, reach)),
        mounts: Some(spec.mounts.iter().filter_map(bind).collect()),
        tmpfs: (!tmpfs.is_empty()).then_some(tmpfs),
        memory: limit,
        // Equal to the limit: no swap on top of it.
        memory_swap: limit,
        init: spec.init.then_some(true),
        // The daemon's own default may be a driver that keeps nothing to read.
        log_config: Some(HostConfigLogConfig { typ: Some("json-file".into()), config: None }),
        ..Default::default()
    }
}

fn port_bindings(spec: &ContainerSpec, reach: &Reach) -> PortMap {
    let binding = |host: Option<u16>| PortBinding {
        host_ip: Some(reach.bind_address().to_owned()),
        host_port: Some(host.map(|port| port.to_string()).unwrap_or_default()),
    };
    spec.ports.iter().map(|port| (port_key(port.container), Some(vec![binding(port.host)]))).collect()
}

fn bind(mount: &Mount) -> Option<ClientMount> {
    match mount {
        Mount::Bind { source, target, read_only } => Some(ClientMount {
            typ: Some(MountType::BIND),
            source: Some(source.to_string_lossy().into_owned()),
            target: Some(target.clone()),
            read_only: Some(*read_only),
            ..Default::default()
        }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use testcelery_api::Image;

    use super::*;

    fn spec() -> ContainerSpec {
        ContainerSpec::new("broker", Image::reference("redis:8"))
    }

    #[test]
    fn names_are_unique_and_allowed() {
        let name = random_name("my broker/1");
        assert!(name.starts_with("testcelery-") && name.ends_with("-my-broker-1"), "{name}");
        assert_ne!(name, random_name("my broker/1"));
    }

    #[test]
    fn ports_are_bound_to_this_machine_only() {
        let body = body(
            &spec().port(6379).port_on(1, 2),
            "name",
            "redis:8".into(),
            &Reach::Loopback,
            &Labels::new(None),
        );
        let bindings = body.host_config.unwrap().port_bindings.unwrap();
        let of = |port: &str| bindings[port].clone().unwrap().remove(0);
        assert_eq!(of("6379/tcp").host_ip.as_deref(), Some("127.0.0.1"));
        assert_eq!(of("6379/tcp").host_port.as_deref(), Some(""));
        assert_eq!(of("1/tcp").host_port.as_deref(), Some("2"));
    }

    #[test]
    fn labels_say_whose_it_is() {
        let labels =
            body(&spec(), "name", "redis:8".into(), &Reach::Loopback, &Labels::new(None)).labels.unwrap();
        assert_eq!(labels[LABEL_NAME], "broker");
        assert_eq!(labels[crate::LABEL_SESSION], testcelery_api::session_id());
        let owner = testcelery_api::Owner::parse(&labels[crate::LABEL_OWNER]).unwrap();
        assert_eq!(owner, testcelery_api::Owner::of_this_process());
    }

    #[test]
    fn mounts_and_limits() {
        let spec = spec()
            .mount(Mount::bind("/src", "/app").read_only())
            .mount(Mount::tmpfs("/cache"))
            .memory_limit(1 << 26);
        let config =
            body(&spec, "name", "redis:8".into(), &Reach::Loopback, &Labels::new(None)).host_config.unwrap();
        let mounts = config.mounts.unwrap();
        assert_eq!((mounts.len(), mounts[0].read_only), (1, Some(true)));
        assert!(config.tmpfs.unwrap().contains_key("/cache"));
        assert_eq!((config.memory, config.memory_swap), (Some(1 << 26), Some(1 << 26)));
    }
}
