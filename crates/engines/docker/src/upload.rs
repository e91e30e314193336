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
use futures_util::{TryStreamExt, future::try_join_all};
use testcelery_api::{BoxError, FileTree};

use crate::{
    archive::{self, owned_folders, to_extract},
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
    trees: &[&FileTree],
) -> Result<(), BoxError> {
    if trees.iter().all(|tree| tree.is_empty()) {
        return Ok(());
    }
    let asked = owned_folders(trees)
        .into_iter()
        .map(|folder| is_new(client, folders, image, container, folder));
    let new: BTreeSet<String> = try_join_all(asked).await?.into_iter().flatten().collect();
    // A real time, not 0: Python takes a cached module for fresh when its source has the time and size that the cache names.
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let archive = to_extract(trees, &new, now.as_secs())?;
    let options = UploadToContainerOptionsBuilder::new().path("/").build();
    client
        .upload_to_container(container, Some(options), bollard::body_full(archive.into()))
        .await?;
    Ok(())
}

/// The folder, if the container does not have it.
async fn is_new(
    client: &Client,
    folders: &Folders,
    image: Option<&str>,
    container: &str,
    folder: String,
) -> Result<Option<String>, ClientError> {
    let exists = match image.and_then(|image| folders.get(image, &folder)) {
        Some(exists) => exists,
        None => {
            let options = ContainerArchiveInfoOptionsBuilder::new().path(&folder).build();
            let exists = match client.get_container_archive_info(container, Some(options)).await {
                Ok(_) => true,
                Err(error) if status(&error) == Some(404) => false,
                Err(error) => return Err(error),
            };
            if let Some(image) = image {
                folders.set(image, &folder, exists);
            }
            exists
        }
    };
    Ok((!exists).then_some(folder))
}

/// Reads a file or a folder.
pub(crate) async fn download(client: &Client, container: &str, path: &str) -> Result<FileTree, BoxError> {
    if !path.starts_with('/') {
        return Err("the path is not absolute".into());
    }
    let options = DownloadFromContainerOptionsBuilder::new().path(path).build();
    let archive: Vec<u8> = client
        .download_from_container(container, Some(options))
        .try_fold(Vec::new(), |mut all, chunk| async move {
            all.extend_from_slice(&chunk);
            Ok(all)
        })
        .await?;
    Ok(archive::read(&archive, path)?)
}
