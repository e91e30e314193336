//! Commands inside containers.

use std::time::Duration;

use bollard::{Docker as Client, container::LogOutput, exec::StartExecResults, models::ExecConfig};
use futures_util::StreamExt;
use testcelery_api::{BoxError, Exec, ExecOutput, shorten};

/// Between two questions whether a command has ended whose output has: the daemon notes the end a moment later, and nobody can
/// wait for it.
const POLL: Duration = Duration::from_millis(5);

/// Runs a command to its end.
pub(crate) async fn exec(client: &Client, container: &str, exec: Exec) -> Result<ExecOutput, BoxError> {
    let config = ExecConfig {
        cmd: Some(exec.command),
        env: Some(exec.env.iter().map(|(key, value)| format!("{key}={value}")).collect()),
        user: exec.user,
        working_dir: exec.working_dir,
        attach_stdout: Some(true),
        attach_stderr: Some(true),
        ..Default::default()
    };
    let id = client.create_exec(container, config).await?.id;
    let mut output = ExecOutput { code: 0, stdout: Vec::new(), stderr: Vec::new() };
    if let StartExecResults::Attached { output: mut stream, input } = client.start_exec(&id, None).await? {
        while let Some(part) = stream.next().await {
            match part? {
                LogOutput::StdErr { message } => output.stderr.extend_from_slice(&message),
                part => output.stdout.extend_from_slice(&part.into_bytes()),
            }
        }
        drop(input);
    }
    output.code = code(client, &id).await?;
    // The daemon writes the reason to the output when the command could not be started at all.
    if matches!(output.code, 126 | 127) {
        let text = String::from_utf8_lossy(&output.stdout);
        if text.contains("OCI runtime exec failed") {
            return Err(shorten(text.trim()).into());
        }
    }
    Ok(output)
}

async fn code(client: &Client, id: &str) -> Result<i64, BoxError> {
    loop {
        let state = client.inspect_exec(id).await?;
        match state.exit_code {
            Some(code) if state.running != Some(true) => return Ok(code),
            _ => tokio::time::sleep(POLL).await,
        }
    }
}
