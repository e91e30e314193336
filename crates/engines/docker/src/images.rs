//! Images: there, substituted, pulled, built, imported, listed and removed.

use std::{
    collections::HashMap,
    path::Path,
    sync::{Mutex, PoisonError},
};

use bollard::{
    Docker as Client,
    errors::Error as ClientError,
    query_parameters::{CreateImageOptionsBuilder, RemoveImageOptionsBuilder},
};
use bytes::Bytes;
use futures_util::{TryStreamExt, stream};
use serde_json::Value;
use testcelery_api::{Build, Error, Image, ImageSource, PullPolicy, Result};
use tokio::io::AsyncReadExt;

use crate::{
    Docker, Progress,
    build::{LONG, build, ensure_built},
    connect::Inner,
    error::{chain, failed},
    raw::{self, short_reference},
    removal::status,
};

/// What an image's name stands for, once that is known: itself, or its substitute.
#[derive(Debug, Default)]
pub(crate) struct Resolved(Mutex<HashMap<String, String>>);

impl Resolved {
    fn get(&self, name: &str) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    /// Remembers what a name stands for; says whether that is news.
    fn set(&self, name: &str, reference: &str) -> bool {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert(name.to_owned(), reference.to_owned()).as_deref() != Some(reference)
    }

    pub(crate) fn forget(&self, name: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
    }
}

/// An image that the daemon has.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ImageInfo {
    /// Its identifier, as `sha256:..`.
    pub id: String,
    /// Its references, as `redis:8`; empty for an image without a name.
    pub references: Vec<String>,
    /// Its size in bytes.
    pub size: u64,
    /// When it was made, in seconds since 1970.
    pub created: i64,
    /// Its labels.
    pub labels: HashMap<String, String>,
}

impl Docker {
    /// Whether the daemon has an image of that reference.
    ///
    /// # Errors
    /// When the daemon cannot say.
    pub async fn has_image(&self, reference: &str) -> Result<bool> {
        has(&self.inner, reference).await
    }

    /// All images that have a name or are used by one that has.
    ///
    /// # Errors
    /// When the daemon cannot say.
    pub async fn images(&self) -> Result<Vec<ImageInfo>> {
        let all = raw::get(&self.inner.client, "/images/json").await;
        let all = all.map_err(failed("list", "images"))?;
        Ok(all.as_array().into_iter().flatten().filter_map(info).collect())
    }

    /// Pulls a reference, whether or not it is there.
    ///
    /// # Errors
    /// [`Error::ImageMissing`] when the registry does not answer or does not have it.
    pub async fn pull(&self, reference: &str, progress: &(dyn Fn(Progress) + Send + Sync)) -> Result<()> {
        pull(&self.inner.client, reference, progress)
            .await
            .map_err(|error| missing(reference, None, &chain(&error)))
    }

    /// Builds a tag, whether or not it is there. Its base is ensured first.
    ///
    /// # Errors
    /// [`Error::ImageBuild`] with the failing step and the last lines of the output, or as
    /// [`ensure_image`](testcelery_api::Engine::ensure_image) for the base.
    pub async fn build(&self, image: &Build, progress: &(dyn Fn(Progress) + Send + Sync)) -> Result<()> {
        build(&self.inner, image, progress).await
    }

    /// Makes an image of a root file system: what `docker import` does.
    ///
    /// # Errors
    /// When the file cannot be read, or is no tar archive.
    pub async fn import_image(&self, tar: &Path, reference: &str) -> Result<()> {
        let file = tokio::fs::File::open(tar).await;
        let file = file.map_err(failed("read", &tar.display().to_string()))?;
        let chunks = stream::try_unfold(file, |mut file| async move {
            let mut chunk = vec![0; 1 << 18];
            let length = file.read(&mut chunk).await?;
            chunk.truncate(length);
            Ok::<_, std::io::Error>((length > 0).then(|| (Bytes::from(chunk), file)))
        });
        let (name, tag) = split(reference);
        let options = CreateImageOptionsBuilder::new().from_src("-").repo(name).tag(tag).build();
        self.inner
            .client
            .clone()
            .with_timeout(LONG)
            .create_image(Some(options), Some(bollard::body_try_stream(chunks)), None)
            .try_for_each(|_| async { Ok(()) })
            .await
            .map_err(failed("import", reference))
    }

    /// Removes an image by reference. Removing what is gone is no error.
    ///
    /// # Errors
    /// When a container uses it.
    pub async fn remove_image(&self, reference: &str) -> Result<()> {
        self.inner.resolved.forget(reference);
        let options = RemoveImageOptionsBuilder::new().build();
        match self.inner.client.remove_image(reference, Some(options), None).await {
            Err(error) if status(&error) != Some(404) => Err(failed("remove", reference)(error)),
            _ => Ok(()),
        }
    }
}

/// An image of the daemon's list. One without an identifier is left out.
fn info(image: &Value) -> Option<ImageInfo> {
    let tags = image["RepoTags"].as_array().into_iter().flatten().filter_map(Value::as_str);
    Some(ImageInfo {
        id: image["Id"].as_str()?.to_owned(),
        references: tags
            .filter(|tag| *tag != "<none>:<none>")
            .map(|tag| short_reference(tag).to_owned())
            .collect(),
        size: image["Size"].as_u64().unwrap_or(0),
        created: image["Created"].as_i64().unwrap_or(0),
        labels: raw::labels(&image["Labels"]),
    })
}

/// Makes sure that an image is there, and says by which reference.
pub(crate) async fn ensure(inner: &Inner, image: &Image) -> Result<String> {
    let reference = match &image.source {
        ImageSource::Build(build) => {
            ensure_built(inner, build).await?;
            build.tag.clone()
        }
        ImageSource::Reference(reference) => ensure_reference(inner, image, reference).await?,
        _ => {
            return Err(missing(image.name(), None, "this engine knows references and builds only"));
        }
    };
    if inner.resolved.set(image.name(), &reference) && reference != image.name() {
        tracing::info!(image = image.name(), substitute = %reference, "image is absent, using its substitute");
    }
    Ok(reference)
}

/// As [`ensure`], without asking again for what this engine knows.
pub(crate) async fn resolve(inner: &Inner, image: &Image) -> Result<String> {
    match inner.resolved.get(image.name()) {
        Some(reference) => Ok(reference),
        None => ensure(inner, image).await,
    }
}

async fn ensure_reference(inner: &Inner, image: &Image, reference: &str) -> Result<String> {
    if image.pull != PullPolicy::Always {
        for present in [Some(reference), image.substitute.as_deref()].into_iter().flatten() {
            if has(inner, present).await? {
                return Ok(present.to_owned());
            }
        }
    }
    let substitute = image.substitute.as_deref();
    if image.pull == PullPolicy::Never {
        return Err(missing(reference, substitute, "the pull policy is never"));
    }
    match (pull(&inner.client, reference, &|_| {}).await, &image.substitute_build) {
        (Ok(()), _) => Ok(reference.to_owned()),
        (Err(error), Some(build)) if image.pull == PullPolicy::Missing => {
            tracing::info!(
                image = reference,
                error = chain(&error),
                "image cannot be pulled, building its substitute"
            );
            ensure_built(inner, build).await?;
            Ok(build.tag.clone())
        }
        (Err(error), _) => Err(missing(reference, substitute, &chain(&error))),
    }
}

fn missing(reference: &str, substitute: Option<&str>, reason: &str) -> Error {
    let hint = match substitute {
        Some(substitute) => {
            format!(
                "run `cargo xtask images` in a checkout of testcelery: where no registry answers it builds `{substitute}`, which is used instead"
            )
        }
        None => "check the reference and the way to its registry, or run `cargo xtask images` in a checkout of testcelery, which provides the images of \
                 testcelery itself where no registry answers"
            .to_owned(),
    };
    Error::ImageMissing { reference: reference.to_owned(), reason: reason.to_owned(), hint }
}

pub(crate) async fn has(inner: &Inner, reference: &str) -> Result<bool> {
    let found = raw::find(&inner.client, &format!("/images/{}/json", in_path(reference))).await;
    let Some(image) = found.map_err(failed("inspect", reference))? else { return Ok(false) };
    // Docker makes the working folder when it builds, or at the latest when it creates a container.
    if let Some(folder) = image["Config"]["WorkingDir"].as_str() {
        inner.folders.has(reference, folder);
    }
    Ok(true)
}

/// A reference as a part of a path.
fn in_path(reference: &str) -> String {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~/:@".contains(byte);
    let encoded = |byte: &u8| format!("%{byte:02X}");
    reference
        .as_bytes()
        .iter()
        .map(|byte| if plain(byte) { char::from(*byte).to_string() } else { encoded(byte) })
        .collect()
}

async fn pull(
    client: &Client,
    reference: &str,
    progress: &(dyn Fn(Progress) + Send + Sync),
) -> Result<(), ClientError> {
    let (name, tag) = split(reference);
    let options = CreateImageOptionsBuilder::new().from_image(name).tag(tag).build();
    let mut events = client.create_image(Some(options), None, None);
    let silent = |_| ClientError::RequestTimeoutError;
    while let Some(info) = tokio::time::timeout(LONG, events.try_next()).await.map_err(silent)?? {
        let detail = info.progress_detail.unwrap_or_default();
        let bytes = |number: Option<i64>| number.and_then(|number| u64::try_from(number).ok());
        progress(Progress::Layer {
            id: info.id.unwrap_or_default(),
            status: info.status.unwrap_or_default(),
            current: bytes(detail.current),
            total: bytes(detail.total),
        });
    }
    Ok(())
}

/// Name and tag, or name and digest, of a reference; without either Docker would pull every tag.
fn split(reference: &str) -> (&str, &str) {
    if let Some((name, digest)) = reference.split_once('@') {
        return (name, digest);
    }
    match reference.rsplit_once(':') {
        // A colon before a slash is the one of the registry's port.
        Some((name, tag)) if !tag.contains('/') => (name, tag),
        _ => (reference, "latest"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references() {
        assert_eq!(split("redis:8"), ("redis", "8"));
        assert_eq!(split("redis"), ("redis", "latest"));
        assert_eq!(split("host:5000/a/b"), ("host:5000/a/b", "latest"));
        assert_eq!(split("host:5000/a/b:1"), ("host:5000/a/b", "1"));
        assert_eq!(split("redis@sha256:ab"), ("redis", "sha256:ab"));
    }

    #[test]
    fn a_missing_image_names_the_command() {
        let text = missing("redis:8", Some("testcelery/redis:x"), "no such host").to_string();
        assert_eq!(
            text,
            "image `redis:8` is not present and could not be pulled (no such host); run `cargo xtask images` in a checkout of \
             testcelery: where no registry answers it builds `testcelery/redis:x`, which is used instead"
        );
        assert!(missing("mine:1", None, "x").to_string().contains("check the reference"));
    }

    #[test]
    fn a_substitution_is_news_once() {
        let resolved = Resolved::default();
        assert!(resolved.set("redis:8", "other"));
        assert!(!resolved.set("redis:8", "other"));
        assert_eq!(resolved.get("redis:8").as_deref(), Some("other"));
        resolved.forget("redis:8");
        assert!(resolved.get("redis:8").is_none());
    }
}
