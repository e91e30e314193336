//! Writing files into containers and reading them.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Mutex, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};

use bollard::{
    Docker as Client,
    errors::Error as ClientError,
    query_parameters::{
        ContainerArchiveInfoOptionsBuilder, DownloadFromContainerOptionsBuilder,
        UploadToContainerOptionsBuilder,
    },
};
use futures_util::TryStreamExt;
use testcelery_api::{BoxError, FileTree};

use crate::{
    archive::{self, Owned, owned_folders, to_extract},
    removal::status,
};

/// Which folders an image has, as far as it was asked: by image and folder.
#[derive(Debug, Default)]
pub(crate) struct Folders(Mutex<HashMap<(String, String), bool>>);

impl Folders {
    fn get(&self, image: &str, folder: &str) -> Option<bool> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(&(image.to_owned(), folder.to_owned())).copied()
    }

    /// Remembers that an image has a folder, and therefore all folders above it.
    pub(crate) fn has(&self, image: &str, folder: &str) {
        let mut folder = folder.trim_end_matches('/');
        while !folder.is_empty() {
            self.set(image, folder, true);
            folder = parent(folder).unwrap_or_default();
        }
    }

    fn set(&self, image: &str, folder: &str, exists: bool) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert((image.to_owned(), folder.to_owned()), exists);
    }
}

/// Writes trees into a container with one request. `image` lets what is learnt of its folders be used again; it is `None` where the
/// container may differ from its image: it has run, or it has mounts.
pub(crate) async fn upload(
    client: &Client,
    folders: &Folders,
    image: Option<&str>,
    container: &str,
    trees: &[Owned<'_>],
) -> Result<(), BoxError> {
    if trees.iter().all(|owned| owned.tree.is_empty()) {
        return Ok(());
    }
    let mut new = BTreeSet::new();
    // Parents come first, and what is below a new folder is new. One by one: the daemon would not answer two questions about one
    // container at a time, and each of them mounts its file system.
    for folder in owned_folders(trees) {
        let below_new = parent(&folder).is_some_and(|parent| new.contains(parent));
        if below_new || !exists(client, folders, image, container, &folder).await? {
            new.insert(folder);
        }
    }
    // A real time, not 0: Python takes a cached module for fresh when its source has the time and size that the cache names.
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let archive = to_extract(trees, &new, now.as_secs())?;
    let options = UploadToContainerOptionsBuilder::new().path("/").build();
    client.upload_to_container(container, Some(options), bollard::body_full(archive.into())).await?;
    Ok(())
}

fn parent(folder: &str) -> Option<&str> {
    folder.rsplit_once('/').map(|(parent, _)| parent)
}

async fn exists(
    client: &Client,
    folders: &Folders,
    image: Option<&str>,
    container: &str,
    folder: &str,
) -> Result<bool, ClientError> {
    if let Some(exists) = image.and_then(|image| folders.get(image, folder)) {
        return Ok(exists);
    }
    let options = ContainerArchiveInfoOptionsBuilder::new().path(folder).build();
    let exists = match client.get_container_archive_info(container, Some(options)).await {
        Ok(_) => true,
        Err(error) if status(&error) == Some(404) => false,
        Err(error) => return Err(error),
    };
    if let Some(image) = image {
        folders.set(image, folder, exists);
    }
    Ok(exists)
}

/// Reads a file or a folder.
pub(crate) async fn download(client: &Client, container: &str, path: &str) -> Result<FileTree, BoxError> {
    if !path.starts_with('/') {
        return Err("the path is not absolute".into());
    }
    Ok(archive::read(&fetch(client, container, path).await?, path)?)
}

/// Reads a file that may be absent.
pub(crate) async fn read_text(
    client: &Client,
    container: &str,
    path: &str,
) -> Result<Option<String>, BoxError> {
    match fetch(client, container, path).await {
        Ok(archive) => Ok(archive::read(&archive, path)?.text(path).map(str::to_owned)),
        Err(error) if status(&error) == Some(404) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

async fn fetch(client: &Client, container: &str, path: &str) -> Result<Vec<u8>, ClientError> {
    let options = DownloadFromContainerOptionsBuilder::new().path(path).build();
    client
        .download_from_container(container, Some(options))
        .try_fold(Vec::new(), |mut all, chunk| async move {
            all.extend_from_slice(&chunk);
            Ok(all)
        })
        .await
}
