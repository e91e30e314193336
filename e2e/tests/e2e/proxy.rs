//! A way to the daemon that a test can cut, block and open again.

use std::{
    io::{Read, Write},
    net::Shutdown,
    os::unix::net::{UnixListener, UnixStream},
    path::PathBuf,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// What becomes of connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// They reach the daemon.
    Open,
    /// They are closed, those that are open too: as if the daemon were away.
    Cut,
    /// They are accepted, and nothing passes: as if the daemon hung.
    Blocked,
}

/// The way, and the address by which it is taken.
pub(crate) struct Proxy {
    pub(crate) address: String,
    shared: Arc<Shared>,
    _folder: tempfile::TempDir,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    daemon: PathBuf,
}

struct State {
    way: Way,
    /// Connections since the way was changed last.
    accepted: usize,
    streams: Vec<UnixStream>,
}

impl Proxy {
    /// An open way to the daemon on a socket.
    pub(crate) fn to(daemon: PathBuf) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("docker.sock");
        let listener = UnixListener::bind(&path).expect("a socket");
        let state = Mutex::new(State { way: Way::Open, accepted: 0, streams: Vec::new() });
        let shared = Arc::new(Shared { state, changed: Condvar::new(), daemon });
        let accepting = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(|stream| stream.ok()) {
                accepting.accept(stream);
            }
        });
        Self { address: format!("unix://{}", path.display()), shared, _folder: folder }
    }

    pub(crate) fn set(&self, way: Way) {
        let mut state = self.shared.lock();
        let was_blocked = state.way == Way::Blocked;
        state.way = way;
        state.accepted = 0;
        if way == Way::Cut || was_blocked {
            for stream in state.streams.drain(..) {
                let _ = stream.shutdown(Shutdown::Both);
            }
        }
        self.shared.changed.notify_all();
    }

    /// Waits until somebody has connected so often since the way was changed.
    pub(crate) fn until_accepted(&self, times: usize, within: Duration) {
        let state = self.shared.lock();
        let waited = self.shared.changed.wait_timeout_while(state, within, |state| state.accepted < times);
        let (state, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
        assert!(!timeout.timed_out(), "{} connections within {within:?}", state.accepted);
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn accept(self: &Arc<Self>, near: UnixStream) {
        let mut state = self.lock();
        state.accepted += 1;
        self.changed.notify_all();
        if state.way == Way::Cut {
            return;
        }
        let Ok(far) = UnixStream::connect(&self.daemon) else { return };
        let clone = |stream: &UnixStream| stream.try_clone().expect("a handle");
        state.streams.extend([clone(&near), clone(&far)]);
        for (from, to) in [(clone(&near), clone(&far)), (far, near)] {
            let shared = Arc::clone(self);
            std::thread::spawn(move || shared.pass(from, to));
        }
    }

    fn pass(&self, mut from: UnixStream, mut to: UnixStream) {
        let mut bytes = [0; 1 << 14];
        while let Ok(length @ 1..) = from.read(&mut bytes) {
            let blocked = self.changed.wait_while(self.lock(), |state| state.way == Way::Blocked);
            drop(blocked);
            if to.write_all(&bytes[..length]).is_err() {
                break;
            }
        }
        let _ = to.shutdown(Shutdown::Write);
    }
}
