//! What is there of runs, from the folders that they have.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use rustix::{
    io::Errno,
    process::{Pid, Signal, test_kill_process},
};
use testcelery_api::{Filter, Leftover, Owner, PrivateFolder};

use crate::{
    identity::Process,
    leader::Leader,
    members::{self, NOTE},
    run::{WHOSE, base, remove_folder},
};

const CONTAINER: &str = "container";
const FOLDER: &str = "folder";
const PROCESS: &str = "process";

/// Time in which every run that begins has written its owner.
const BEGINNING: Duration = Duration::from_secs(600);

/// A leftover and where it is.
struct Found {
    leftover: Leftover,
    folder: PathBuf,
    has_ended: bool,
}

/// Containers, the folders of runs whose owner has ended, and processes whose folder is gone.
pub(crate) fn list(filter: &Filter) -> io::Result<Vec<Leftover>> {
    let found = find(filter)?.into_iter().map(|found| found.leftover);
    Ok(found.chain(strays(filter).into_iter().map(|(_, leftover)| leftover)).collect())
}

/// Processes that work in the folder of a run that is not there any more. Whose they were is not known: their owner has ended.
fn strays(filter: &Filter) -> Vec<(Process, Leftover)> {
    if matches!(filter, Filter::Session(_) | Filter::Owner(_)) {
        return Vec::new();
    }
    let base = base();
    let lost = members::working_below(&base).into_iter().filter(|(_, run)| !base.join(run).exists());
    lost.map(|(process, run)| {
        let name = format!("{} of run {run}", process.pid);
        (process, Leftover { kind: PROCESS, name, session: String::new(), owner: None })
    })
    .collect()
}

/// Kills and removes them. Returns what it removed.
pub(crate) fn remove(filter: &Filter) -> io::Result<Vec<Leftover>> {
    let mut removed = remove_runs(filter)?;
    for (process, leftover) in strays(filter) {
        process.signal(Signal::KILL)?;
        removed.push(leftover);
    }
    Ok(removed)
}

/// As [`remove`], but for processes whose folder is gone: looking for those means to look at every process.
pub(crate) fn remove_runs(filter: &Filter) -> io::Result<Vec<Leftover>> {
    let mut removed = Vec::new();
    for Found { leftover, folder, .. } in find(filter)? {
        if leftover.kind == CONTAINER {
            // The numbers of another boot, or of another process namespace, are somebody else's here.
            let is_here = leftover.owner.as_ref().is_some_and(Owner::is_here);
            let main = is_here.then(|| Leader::noted(&folder.join(NOTE))).flatten();
            members::kill(&leftover.name, main)?;
        }
        remove_folder(&folder)?;
        removed.push(leftover);
    }
    // Gone with the last run, unless there is another one.
    let _ = fs::remove_dir(base());
    Ok(removed)
}

fn find(filter: &Filter) -> io::Result<Vec<Found>> {
    let mut all = Vec::new();
    if PrivateFolder::open(base()).is_err() {
        // Nothing, or a folder that others can change: what is noted there may be anything.
        return Ok(all);
    }
    for run in folders(&base())? {
        let whose = fs::read_to_string(run.join(WHOSE)).unwrap_or_default();
        let mut lines = whose.lines();
        let owner = lines.next().and_then(Owner::parse);
        let session = lines.next().unwrap_or_default().to_owned();
        let has_ended = owner.as_ref().map_or_else(|| is_forgotten(&run), |owner| has_ended(&run, owner));
        let of = |kind, folder: &Path| {
            let name = folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            let leftover = Leftover { kind, name, session: session.clone(), owner: owner.clone() };
            Found { leftover, folder: folder.to_owned(), has_ended }
        };
        // Containers first: a run's folder is what names them.
        all.extend(folders(&run)?.iter().map(|container| of(CONTAINER, container)));
        // A run that lives needs its folder, unless it is meant by name.
        let is_meant = matches!(filter, Filter::Owner(meant) if owner.as_ref() == Some(meant));
        if is_meant || has_ended || owner.is_none() && is_lost(&run) {
            all.push(of(FOLDER, &run));
        }
    }
    all.retain(|found| match filter {
        Filter::DeadOwner => found.has_ended,
        _ => filter.matches(&found.leftover),
    });
    Ok(all)
}

/// Whether the owner of a run has ended. Where its process cannot be seen, the lock that it holds tells.
fn has_ended(run: &Path, owner: &Owner) -> bool {
    if owner.is_here() {
        return owner.is_dead();
    }
    // What cannot be locked for another reason than that it is locked proves nothing.
    fs::File::open(run.join(WHOSE)).is_ok_and(|whose| whose.try_lock_shared().is_ok())
}

/// Whether a run without an owner that can be read is left from one that was killed while it began. The folder of one that begins is younger.
fn is_forgotten(run: &Path) -> bool {
    let made = fs::metadata(run).and_then(|it| it.modified());
    let age = made.map(|made| SystemTime::now().duration_since(made).unwrap_or_default());
    is_lost(run) && age.is_ok_and(|age| age > BEGINNING)
}

/// Whether the process that a run is named after has ended: all that can be told of a folder whose owner cannot be read. One that is just
/// being made has no owner either.
fn is_lost(run: &Path) -> bool {
    let name = run.file_name().unwrap_or_default().to_string_lossy();
    let pid = name.split('-').next().and_then(|pid| Pid::from_raw(pid.parse().ok()?));
    pid.is_none_or(|pid| test_kill_process(pid) == Err(Errno::SRCH))
}

/// The folders in a folder, by name. One that is gone has none.
pub(crate) fn folders(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut folders: Vec<PathBuf> = entries
        .filter_map(|entry| entry.ok())
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .map(|entry| entry.path())
        .collect();
    folders.sort();
    Ok(folders)
}
