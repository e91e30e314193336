//! Tools of the system that fetch and unpack.

use std::process::Command;

use testcelery_api::{BoxError, shorten};

/// How many of its last lines an error shows.
const LINES: usize = 20;

/// Runs a tool to its end and gives what it wrote to standard output. Its language is English, because some of its messages are read.
///
/// # Errors
/// When it cannot be started or fails: with its last lines.
pub(crate) fn run(command: &mut Command) -> Result<String, BoxError> {
    let name = command.get_program().to_string_lossy().into_owned();
    command.env("LC_ALL", "C").stdin(std::process::Stdio::null());
    let output = command.output().map_err(|error| format!("`{name}` could not be run: {error}"))?;
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(stdout);
    }
    let stderr = String::from_utf8_lossy(&output.stderr);
    let lines: Vec<&str> =
        stdout.lines().chain(stderr.lines()).filter(|line| !line.trim().is_empty()).collect();
    let last = &lines[lines.len().saturating_sub(LINES)..];
    let shown: String = last.iter().map(|line| format!("\n  | {}", shorten(line))).collect();
    Err(format!("`{name}` failed ({}):{shown}", output.status).into())
}
