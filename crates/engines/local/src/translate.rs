//! Paths, addresses and names as a component gives them, in the words of the host.

use std::{
    path::{Component, Path, PathBuf},
    sync::Arc,
};

use crate::{
    address::Address,
    network::Hosts,
    scan::{self, Url},
};

/// What stands for a container's paths, addresses, ports and neighbours on the host.
///
/// A container sees its own folder laid over the file system of the host: a path that is there means that one, any other the host's. A file
/// that is yet to be made is its own where its folder is.
#[derive(Debug)]
pub(crate) struct Translation {
    pub(crate) root: PathBuf,
    /// Folders of the container, by their paths in it: whatever is below them is its own, be it there or on the host or not yet.
    pub(crate) own: Vec<PathBuf>,
    pub(crate) address: Arc<Address>,
    pub(crate) hosts: Arc<Hosts>,
}

impl Translation {
    /// Where a path of the container is: always inside its folder.
    pub(crate) fn path(&self, path: &str) -> PathBuf {
        let mut own = self.root.clone();
        for part in Path::new(path).components() {
            match part {
                Component::Normal(name) => own.push(name),
                Component::ParentDir if own != self.root => drop(own.pop()),
                _ => {}
            }
        }
        own
    }

    /// The folder that a path of the container means: its own, or the host's where that alone is there.
    pub(crate) fn folder(&self, path: &str) -> PathBuf {
        match self.lookup(path) {
            None if Path::new(path).is_dir() => path.into(),
            _ => self.path(path),
        }
    }

    /// The path of the container that a path below its folder stands for.
    pub(crate) fn inside(&self, path: &Path) -> String {
        let below = path.strip_prefix(&self.root).unwrap_or(path);
        format!("/{}", below.to_string_lossy().trim_start_matches('/'))
    }

    /// A command's argument, a variable's value, or settings.
    pub(crate) fn text(&self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        let mut left = text;
        while let Some((before, mut url, behind)) = scan::url(left) {
            out.push_str(&self.plain(before));
            out.push_str(&self.url(&url));
            left = behind;
            while let Some((more, behind)) = scan::next_host(&url, left) {
                out.push_str(&self.url(&more));
                (url, left) = (more, behind);
            }
        }
        out.push_str(&self.plain(left));
        out
    }

    fn url(&self, url: &Url<'_>) -> String {
        let Url { before, host, port, rest } = url;
        let target = match *host {
            "0.0.0.0" => Some(Arc::clone(&self.address)),
            name => self.hosts.find(name),
        };
        let Some(target) = target else { return format!("{before}{host}{}{rest}", with_colon(*port)) };
        let given = port.and_then(|port| port.parse().ok());
        let moved = given.or_else(|| url.default_port()).map(|port| (port, target.port(port)));
        // A port that goes without saying is said where it is another one.
        let moved = moved.filter(|(from, to)| given.is_some() || from != to).map(|(_, to)| to.to_string());
        format!("{before}{}{}{rest}", target.ip(), with_colon(moved.as_deref().or(*port)))
    }

    /// Text without a URL in it.
    fn plain(&self, text: &str) -> String {
        let own_path = |path: &str| {
            let own = self.lookup(path)?.to_string_lossy().into_owned();
            // A pattern or a variable may follow.
            Some(if path.ends_with('/') { own + "/" } else { own })
        };
        let ip = self.address.ip().to_string();
        let in_erlang = format!("{{{}}}", ip.replace('.', ","));
        let moved: Vec<(u16, u16)> = self.address.moved().collect();
        // Numbers in what stands for paths and addresses are no ports of the container.
        scan::replace_paths_and_rest(text, own_path, |rest| {
            let other = |port| moved.iter().find(|(from, _)| *from == port).map(|(_, to)| *to);
            let rest = if moved.is_empty() { rest.to_owned() } else { scan::replace_ports(rest, other) };
            scan::replace_any_address(&rest, &ip, &in_erlang)
        })
    }

    /// The file that a path means, where it is the container's own.
    fn lookup(&self, path: &str) -> Option<PathBuf> {
        let own = self.path(path);
        if self.own.iter().any(|folder| Path::new(path).starts_with(folder)) {
            return Some(own);
        }
        let parent_is_own = || own.parent().is_some_and(|parent| parent != self.root && parent.exists());
        let is_own = own.symlink_metadata().is_ok() || (!Path::new(path).exists() && parent_is_own());
        is_own.then_some(own)
    }
}

fn with_colon(port: Option<&str>) -> String {
    port.map(|port| format!(":{port}")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use testcelery_api::{ContainerSpec, Image};

    use super::*;
    use crate::address::Addresses;

    struct Yard {
        translation: Translation,
        broker: String,
        _folder: tempfile::TempDir,
    }

    fn yard() -> Yard {
        yard_with(Addresses::new(), &[6379])
    }

    fn yard_with(addresses: Addresses, ports: &[u16]) -> Yard {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("root");
        for file in ["app/app.py", "etc/testcelery/redis.conf", "tmp/x"] {
            let path = root.join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        let hosts = Arc::new(Hosts::new(Arc::new(addresses)));
        let spec = |name: &str| {
            let spec = ContainerSpec::new(name, Image::reference("x"));
            ports.iter().fold(spec, |spec, port| spec.port(*port))
        };
        let broker = hosts.address_of(&spec("broker").alias("mq")).unwrap().ip().to_string();
        let address = hosts.address_of(&spec("worker")).unwrap();
        Yard {
            translation: Translation { root, own: vec!["/tmp".into()], address, hosts },
            broker,
            _folder: folder,
        }
    }

    #[test]
    fn own_paths_lie_over_those_of_the_host() {
        let Yard { translation, .. } = &yard();
        let root = translation.root.display();
        for (given, seen) in [
            ("/etc/testcelery/redis.conf", format!("{root}/etc/testcelery/redis.conf")),
            ("PYTHONPATH=/app:/src", format!("PYTHONPATH={root}/app:/src")),
            ("/etc/passwd", "/etc/passwd".to_owned()),
            ("echo 1 >/app/new; cat /dev/null", format!("echo 1 >{root}/app/new; cat /dev/null")),
            ("open('/tmp/x')", format!("open('{root}/tmp/x')")),
            ("a/b /nowhere/at/all", "a/b /nowhere/at/all".to_owned()),
            ("ls /app/*.py /app/$X", format!("ls {root}/app/*.py {root}/app/$X")),
            // Whatever the host has there.
            ("/tmp/worker.pid", format!("{root}/tmp/worker.pid")),
            ("/tmpfiles", "/tmpfiles".to_owned()),
            ("db+sqlite:////app/results", format!("db+sqlite:///{root}/app/results")),
            ("file:///tmp/results", format!("file://{root}/tmp/results")),
            ("sqlite:///app/relative", "sqlite:///app/relative".to_owned()),
        ] {
            assert_eq!(translation.text(given), seen);
        }
    }

    #[test]
    fn names_in_urls_are_found_by_their_place() {
        let Yard { translation, broker, .. } = &yard();
        for (given, seen) in [
            ("redis://:broker@broker:6379/0", format!("redis://:broker@{broker}:6379/0")),
            (
                "amqp://u:p@broker//;amqp://u:p@mq:5672/%2Fapp",
                format!("amqp://u:p@{broker}//;amqp://u:p@{broker}:5672/%2Fapp"),
            ),
            ("cache+memcached://broker:11211/", format!("cache+memcached://{broker}:11211/")),
            ("cache+memcached://broker:11211;mq/", format!("cache+memcached://{broker}:11211;{broker}/")),
            ("http://elsewhere:80/app", "http://elsewhere:80/app".to_owned()),
            ("broker", "broker".to_owned()),
        ] {
            assert_eq!(translation.text(given), seen);
        }
    }

    #[test]
    fn all_addresses_are_one() {
        let Yard { translation, .. } = &yard();
        let ip = translation.address.ip().to_string();
        assert_eq!(translation.text("bind 0.0.0.0"), format!("bind {ip}"));
        assert_eq!(
            translation.text("listeners.tcp.1 = 0.0.0.0:5672"),
            format!("listeners.tcp.1 = {ip}:5672")
        );
        assert_eq!(translation.text("{if,{0,0,0,0}}"), format!("{{if,{{{}}}}}", ip.replace('.', ",")));
        assert_eq!(translation.text("[0,0,0,0] 10.0.0.0/8"), "[0,0,0,0] 10.0.0.0/8");
    }

    #[test]
    fn ports_that_moved_are_followed() {
        let Yard { translation, broker, .. } = &yard_with(Addresses::single(), &[6379, 127]);
        let hosts = &translation.hosts;
        let (own, there) = (translation.address.port(6379), hosts.find("broker").unwrap().port(6379));
        let root = translation.root.display();
        for (given, seen) in [
            ("bind 0.0.0.0\nport 6379\n", format!("bind 127.0.0.1\nport {own}\n")),
            ("{listen, {0,0,0,0}, 6379}", format!("{{listen, {{127,0,0,1}}, {own}}}")),
            ("</dev/tcp/0.0.0.0/6379", format!("</dev/tcp/127.0.0.1/{own}")),
            ("cat /app/6379 6380", format!("cat {root}/app/6379 6380")),
            ("redis://:6379@broker:6379/0", format!("redis://:6379@{broker}:{there}/0")),
            ("redis://broker/6379", format!("redis://{broker}:{there}/6379")),
            ("db+redis://mq;broker:6380", format!("db+redis://{broker}:{there};{broker}:6380")),
            ("amqp://broker//", format!("amqp://{broker}//")),
            ("x://broker", format!("x://{broker}")),
        ] {
            assert_eq!(translation.text(given), seen);
        }
    }

    #[test]
    fn no_path_leads_out() {
        let Yard { translation, .. } = &yard();
        assert_eq!(translation.path("/../../etc/passwd"), translation.root.join("etc/passwd"));
        assert_eq!(translation.folder("/usr"), Path::new("/usr"));
        assert_eq!(translation.folder("/app"), translation.root.join("app"));
        assert_eq!(translation.folder("/nowhere"), translation.root.join("nowhere"));
        assert_eq!(translation.inside(&translation.path("/app/./app.py")), "/app/app.py");
    }

    proptest! {
        #[test]
        fn other_text_is_left_alone(text in "[a-zA-Z ,;=_%ß-]{0,60}") {
            prop_assert_eq!(yard().translation.text(&text), text);
        }

        #[test]
        fn paths_stay_inside(path in "(/|\\.\\.|[a-z.]{1,3}){0,12}") {
            let Yard { translation, .. } = &yard();
            prop_assert!(translation.path(&path).starts_with(&translation.root));
        }
    }
}
