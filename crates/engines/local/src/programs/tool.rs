//! Tools of the system that fetch and unpack.

use std::{
    os::unix::process::CommandExt as _,
    process::{Command, Output, Stdio},
};

use testcelery_api::{BoxError, explain_limit, shorten};

/// What runs a tool that takes a while, so that it does not outlive this process.
const SCRIPT: &str = include_str!("tool.sh");

/// How many of its last lines an error shows.
const LINES: usize = 20;

/// Asks a tool something that it answers at once, and gives what it wrote to standard output. Its language is English, because some of its
/// messages are read.
///
/// # Errors
/// When it cannot be started or fails: with its last lines.
pub(crate) fn ask(command: &mut Command) -> Result<String, BoxError> {
    let name = command.get_program().to_string_lossy().into_owned();
    command.env("LC_ALL", "C").stdin(Stdio::null());
    let output =
        command.output().map_err(|error| format!("`{name}` could not be run: {}", explain_limit(error)))?;
    answer(&name, &output)
}

/// Runs a tool to its end, as [`ask`]; when this process dies, the tool does, with all that it has started. The environment is this process's,
/// with the changes of the command.
///
/// # Errors
/// As [`ask`].
pub(crate) fn run(command: &Command) -> Result<String, BoxError> {
    let name = command.get_program().to_string_lossy().into_owned();
    let mut watched = Command::new("/bin/sh");
    watched.args(["-c", SCRIPT, "tool"]).arg(command.get_program()).args(command.get_args());
    for (key, value) in command.get_envs() {
        match value {
            Some(value) => watched.env(key, value),
            None => watched.env_remove(key),
        };
    }
    if let Some(folder) = command.get_current_dir() {
        watched.current_dir(folder);
    }
    watched.env("LC_ALL", "C").process_group(0);
    watched.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let failed = |error| format!("`{name}` could not be run: {}", explain_limit(error));
    let mut child = watched.spawn().map_err(failed)?;
    // It ends when this process does, and not before: `wait_with_output` would close it.
    let alive = child.stdin.take();
    let output = child.wait_with_output().map_err(failed)?;
    drop(alive);
    answer(&name, &output)
}

fn answer(name: &str, output: &Output) -> Result<String, BoxError> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_and_failures_are_told() {
        for tool in [|command: &mut Command| ask(command), |command: &mut Command| run(command)] {
            assert_eq!(tool(Command::new("printf").arg("a b\\n")).unwrap(), "a b\n");
            let error = tool(Command::new("sh").args(["-c", "echo no >&2; exit 3"])).unwrap_err().to_string();
            assert!(error.contains("`sh` failed (exit status: 3)") && error.contains("| no"), "{error}");
        }
        let mut changed = Command::new("sh");
        changed.args(["-c", "pwd; echo $MORE"]).current_dir("/").env("MORE", "more");
        assert_eq!(run(&changed).unwrap(), "/\nmore\n");
    }
}
