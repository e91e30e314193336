//! Whether the server answers in its own protocol: <https://valkey.io/topics/protocol/>.

use std::{
    io::{BufRead, BufReader, Write},
    net::TcpStream,
    time::Duration,
};

use testcelery_api::{BoxError, Endpoint, Secret};

/// How long the server may take for one answer before it is asked again.
const TIMEOUT: Duration = Duration::from_secs(2);

/// Logs in, selects the database and sends a `PING`. Each is answered by a line that begins with `+`.
pub(crate) fn ask(endpoint: &Endpoint, password: &Secret, db: u8) -> Result<(), BoxError> {
    let mut stream = BufReader::new(TcpStream::connect(endpoint.host_address())?);
    stream.get_ref().set_read_timeout(Some(TIMEOUT))?;
    let db = db.to_string();
    for words in [&["AUTH", password.reveal()][..], &["SELECT", &db], &["PING"]] {
        stream.get_mut().write_all(encoded(words).as_bytes())?;
        let mut answer = String::new();
        stream.read_line(&mut answer)?;
        if !answer.starts_with('+') {
            return Err(format!("{} was answered by {answer:?}", words[0]).into());
        }
    }
    Ok(())
}

/// A command: an array of strings with their lengths in bytes.
fn encoded(words: &[&str]) -> String {
    let strings: String = words.iter().map(|word| format!("${}\r\n{word}\r\n", word.len())).collect();
    format!("*{}\r\n{strings}", words.len())
}
