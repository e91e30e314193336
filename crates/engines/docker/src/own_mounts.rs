//! Bind mounts of a process that itself runs in a container of the daemon.
//!
//! The daemon takes the source of a mount for a path of its own machine, where another folder may be at that path. The source is translated
//! by the mounts of the own container, or refused.

use std::path::{Path, PathBuf};

use bollard::{Docker as Client, query_parameters::InspectContainerOptions};
use testcelery_api::{BoxError, ContainerSpec, Mount};

/// The mounts of the container of this process: each a path in it, and where that is on the daemon's machine.
pub(crate) struct OwnMounts(Vec<(PathBuf, PathBuf)>);

impl OwnMounts {
    /// Asks the daemon for the mounts of a container.
    pub(crate) async fn of(client: &Client, container: &str) -> Result<Self, bollard::errors::Error> {
        let own = client.inspect_container(container, None::<InspectContainerOptions>).await?;
        let mounts = own.mounts.unwrap_or_default().into_iter();
        Ok(Self(mounts.filter_map(|mount| Some((mount.destination?.into(), mount.source?.into()))).collect()))
    }

    /// Returns a specification whose bind mounts name paths of the daemon's machine.
    ///
    /// # Errors
    /// When a source is in none of the mounts.
    pub(crate) fn translate(&self, spec: &ContainerSpec) -> Result<ContainerSpec, BoxError> {
        let mut spec = spec.clone();
        for mount in &mut spec.mounts {
            if let Mount::Bind { source, target, .. } = mount {
                *source = self.on_daemon(source).ok_or_else(|| not_seen(source, target))?;
            }
        }
        Ok(spec)
    }

    fn on_daemon(&self, path: &Path) -> Option<PathBuf> {
        let inside =
            self.0.iter().filter_map(|(own, source)| Some((own, source, path.strip_prefix(own).ok()?)));
        let (_, source, rest) = inside.max_by_key(|(own, ..)| own.components().count())?;
        // `join` of an empty path would add a slash.
        Some(if rest.as_os_str().is_empty() { source.clone() } else { source.join(rest) })
    }
}

fn not_seen(source: &Path, target: &str) -> BoxError {
    let path = source.display();
    let why = if source.exists() {
        format!(
            "this test runs in a container, whose own files the daemon does not see: start that container with the folder mounted \
             (`docker run -v {path}:{path} ..`), or bring files in as modules or by an image"
        )
    } else {
        "it does not exist: create it, or mount another folder".to_owned()
    };
    format!("cannot mount `{path}` at `{target}`; {why}").into()
}

#[cfg(test)]
mod tests {
    use testcelery_api::Image;

    use super::*;

    fn translated(source: &str) -> Result<ContainerSpec, BoxError> {
        let own =
            [("/work", "/home/me/project"), ("/work/data", "/srv/data"), ("/etc/hosts", "/var/lib/x/hosts")];
        let own = OwnMounts(own.map(|(own, source)| (own.into(), source.into())).into());
        own.translate(
            &ContainerSpec::new("worker", Image::reference("w"))
                .mount(Mount::bind(source, "/src").read_only()),
        )
    }

    #[test]
    fn a_source_is_where_the_own_container_has_it_from() {
        for (source, on_daemon) in [
            ("/work", "/home/me/project"),
            ("/work/tests", "/home/me/project/tests"),
            ("/work/data/x", "/srv/data/x"),
            ("/work/database", "/home/me/project/database"),
        ] {
            let spec = translated(source).unwrap();
            assert_eq!(spec.mounts, [Mount::bind(on_daemon, "/src").read_only()], "{source}");
        }
    }

    #[test]
    fn a_source_that_only_the_own_container_has_is_refused() {
        let problem = translated("/tmp").err().unwrap().to_string();
        assert!(
            problem.starts_with("cannot mount `/tmp` at `/src`; this test runs in a container")
                && problem.contains("`docker run -v /tmp:/tmp ..`"),
            "{problem}"
        );
        let problem = translated("/nowhere/at/all").err().unwrap().to_string();
        assert!(problem.ends_with("it does not exist: create it, or mount another folder"), "{problem}");
    }
}
