//! A daemon of a few lines on a Unix socket, for answers that no real one gives when a test needs them.

use std::{
    io::{BufRead, BufReader, Read, Write},
    os::unix::net::{UnixListener, UnixStream},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// Answers a request, by its method and path without version and query, with a status and a body.
pub(crate) type Answer = dyn Fn(&str, &str, &str) -> (u16, String) + Send + Sync;

/// A daemon that answers as long as the process lives.
pub(crate) struct Fake {
    pub(crate) address: String,
    requests: Arc<Mutex<Vec<String>>>,
    _folder: tempfile::TempDir,
}

impl Fake {
    /// Starts one. Its answers get the method, the path and the body of a request; it says its version by itself.
    pub(crate) fn start(answer: impl Fn(&str, &str, &str) -> (u16, String) + Send + Sync + 'static) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("docker.sock");
        let listener = UnixListener::bind(&path).unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&requests);
        let answer: Arc<Answer> = Arc::new(answer);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (answer, seen) = (Arc::clone(&answer), Arc::clone(&seen));
                std::thread::spawn(move || serve(&stream, answer.as_ref(), &seen));
            }
        });
        Self { address: format!("unix://{}", path.display()), requests, _folder: folder }
    }

    /// The requests by now, as `GET /volumes`.
    pub(crate) fn requests(&self) -> Vec<String> {
        lock(&self.requests).clone()
    }
}

fn serve(mut stream: &UnixStream, answer: &Answer, seen: &Mutex<Vec<String>>) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut first = String::new();
    reader.read_line(&mut first).ok()?;
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let line = line.trim().to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let mut words = first.split(' ');
    let (method, path) = (words.next()?, words.next()?);
    let path = path.split('?').next()?;
    // As `/v1.41/volumes`.
    let path = match path.strip_prefix("/v1.") {
        Some(rest) => &rest[rest.find('/')?..],
        None => path,
    };
    lock(seen).push(format!("{method} {path}"));
    let (status, body) = match path {
        "/_ping" => (200, "OK".to_owned()),
        "/version" => (200, r#"{"Version":"fake","ApiVersion":"1.41","MinAPIVersion":"1.12"}"#.to_owned()),
        _ => answer(method, path, &String::from_utf8_lossy(&body)),
    };
    let head = format!("HTTP/1.1 {status} x\r\ncontent-type: application/json\r\napi-version: 1.41\r\n");
    let head = format!("{head}content-length: {}\r\nconnection: close\r\n\r\n", body.len());
    stream.write_all(format!("{head}{body}").as_bytes()).ok()
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
