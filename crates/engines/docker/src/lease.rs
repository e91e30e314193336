//! The lease of this process on a daemon: a volume with its labels that is made anew from time to time.
//!
//! Labels never change, and the daemon's clock stamps what is made. So the newest thing of an owner says when it lived last, also to whom its
//! process cannot be seen (see `owners`). What a short test makes is young enough by itself: the first lease comes after one [`PERIOD`].

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bollard::{
    Docker as Client, errors::Error, models::VolumeCreateRequest, query_parameters::RemoveVolumeOptions,
};
use tokio::sync::oneshot;

use crate::{create::random_name, labels::Labels};

/// Time between two renewals.
pub(crate) const PERIOD: Duration = Duration::from_secs(30);

/// Renews as long as `end` has a sender, once `is_used` is set. Then the volumes are removed.
pub(crate) async fn keep(
    client: Client,
    labels: Arc<Labels>,
    is_used: Arc<AtomicBool>,
    mut end: oneshot::Receiver<()>,
    period: Duration,
) {
    let mut volumes: Vec<String> = Vec::new();
    let mut ticks = tokio::time::interval(period);
    // The first one completes at once.
    ticks.tick().await;
    loop {
        tokio::select! {
            _ = &mut end => break,
            _ = ticks.tick() => {}
        }
        if is_used.load(Ordering::Acquire) {
            volumes.push(random_name("lease"));
            if let Err(error) = renew(&client, &labels, &mut volumes).await {
                tracing::debug!(%error, "the lease was not renewed");
            }
        }
    }
    while let Some(volume) = volumes.pop() {
        remove(&client, &volume).await;
    }
}

/// Makes the last of the volumes, and removes all but the last two: a list that the daemon makes at the same time has one of them.
async fn renew(client: &Client, labels: &Labels, volumes: &mut Vec<String>) -> Result<(), Error> {
    let name = volumes.last().cloned();
    let labels = Some(labels.all());
    match client.create_volume(VolumeCreateRequest { name, labels, ..Default::default() }).await {
        // It was made, and is described in words that the client does not know.
        Ok(_) | Err(Error::JsonDataError { .. } | Error::JsonSerdeError { .. }) => {}
        Err(error) => return Err(error),
    }
    for volume in volumes.drain(..volumes.len().saturating_sub(2)) {
        remove(client, &volume).await;
    }
    Ok(())
}

async fn remove(client: &Client, volume: &str) {
    if let Err(error) = client.remove_volume(volume, None::<RemoveVolumeOptions>).await {
        // The next run removes it.
        tracing::debug!(volume, %error, "a lease was not removed");
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::{collections::BTreeSet, sync::Mutex};

    use bollard::ClientVersion;
    use serde_json::{Value, json};

    use super::*;
    use crate::fake_daemon::{Fake, lock};

    #[tokio::test]
    async fn one_of_the_last_two_is_always_there_and_none_at_the_end() {
        let volumes = Arc::new(Mutex::new(BTreeSet::new()));
        let (known, fewest) = (Arc::clone(&volumes), Arc::new(Mutex::new(Vec::new())));
        let counts = Arc::clone(&fewest);
        let fake = Fake::start(move |method, path, body| {
            let mut volumes = lock(&known);
            if method == "POST" {
                let body: Value = serde_json::from_str(body).unwrap();
                assert_eq!(body["Labels"]["testcelery"], "true");
                volumes.insert(body["Name"].as_str().unwrap().to_owned());
                lock(&counts).push(volumes.len());
                return (
                    201,
                    json!({"Name": body["Name"], "Driver": "local", "Mountpoint": "/"}).to_string(),
                );
            }
            assert!(volumes.remove(path.trim_start_matches("/volumes/")));
            (204, String::new())
        });
        let version = ClientVersion { major_version: 1, minor_version: 41 };
        let client = Client::connect_with_unix(&fake.address, 10, &version).unwrap();
        let is_used = Arc::new(AtomicBool::new(false));
        let (end, ends) = oneshot::channel();
        let labels = Arc::new(Labels::new(None));
        let period = Duration::from_millis(1);
        let keeper = tokio::spawn(keep(client, labels, Arc::clone(&is_used), ends, period));
        assert!(lock(&volumes).is_empty());
        is_used.store(true, Ordering::Release);
        while lock(&fewest).len() < 5 {
            tokio::task::yield_now().await;
        }
        drop(end);
        keeper.await.unwrap();
        assert!(lock(&volumes).is_empty());
        assert_eq!(lock(&fewest)[..5], [1, 2, 3, 3, 3]);
        assert_eq!(fake.requests()[..2], ["POST /volumes/create", "POST /volumes/create"]);
    }
}
