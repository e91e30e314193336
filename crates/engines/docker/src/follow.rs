//! One stream per run of a container, from before its start to its end.

use std::time::Duration;

use bollard::{
    Docker as Client,
    container::LogOutput,
    errors::Error as ClientError,
    models::{ContainerState as ClientState, ContainerStateStatusEnum},
    query_parameters::{AttachContainerOptionsBuilder, InspectContainerOptions, WaitContainerOptionsBuilder},
};
use futures_util::StreamExt;
use testcelery_api::{ContainerState, ExitStatus, Logs, Stream};
use tokio::{sync::oneshot, task::JoinHandle};

use crate::{background::Background, removal::status};

/// How often the daemon is asked why a container with a memory limit was killed, and with which pauses: for half a second. Nothing tells when
/// it knows.
const LOOKS: u32 = 20;
const PAUSE: Duration = Duration::from_millis(25);

/// Attaches to a container that does not run, and follows it from then on. The task ends when the container has ended and its log
/// is complete.
///
/// Attaching before the start sees every byte of this run and no byte of an earlier one, which the daemon's stored log cannot
/// promise: it is cut by whole seconds.
pub(crate) async fn follow(
    background: &Background,
    client: Client,
    id: String,
    logs: Logs,
) -> Result<JoinHandle<()>, ClientError> {
    let (attached, answer) = oneshot::channel();
    let task = background.spawn(run(client, id, logs, attached));
    match answer.await {
        Ok(Ok(())) => Ok(task),
        Ok(Err(error)) => Err(error),
        Err(_) => Err(ClientError::RequestTimeoutError),
    }
}

/// Ends the log however the task ends.
struct Ending {
    logs: Logs,
    status: ExitStatus,
}

impl Drop for Ending {
    fn drop(&mut self) {
        self.logs.end_run(self.status);
    }
}

async fn run(client: Client, id: String, logs: Logs, attached: oneshot::Sender<Result<(), ClientError>>) {
    let options = AttachContainerOptionsBuilder::new().stdout(true).stderr(true).stream(true).build();
    let mut stream = match client.attach_container(&id, Some(options)).await {
        Ok(stream) => stream,
        Err(error) => {
            let _ = attached.send(Err(error));
            return;
        }
    };
    if attached.send(Ok(())).is_err() {
        return;
    }
    let mut ending = Ending { logs: logs.clone(), status: ExitStatus::Gone };
    while let Some(output) = stream.output.next().await {
        match output {
            Ok(LogOutput::StdOut { message } | LogOutput::Console { message }) => {
                logs.push(Stream::Stdout, &message);
            }
            Ok(LogOutput::StdErr { message }) => logs.push(Stream::Stderr, &message),
            Ok(LogOutput::StdIn { .. }) => {}
            Err(error) => {
                tracing::warn!(container = logs.container(), %error, "its log cannot be followed any more");
                break;
            }
        }
    }
    ending.status = exit_status(&client, &id).await;
}

/// Waits for the end of a container whose log has ended, and says how it ended.
async fn exit_status(client: &Client, id: &str) -> ExitStatus {
    let options = WaitContainerOptionsBuilder::new().condition("not-running").build();
    let mut ended = std::pin::pin!(client.wait_container(id, Some(options)));
    // Its answer has the exit code, and not whether memory ran out.
    let _ = ended.next().await;
    for _ in 0..LOOKS {
        match client.inspect_container(id, None::<InspectContainerOptions>).await {
            Ok(container) => {
                let limit = container.host_config.and_then(|host| host.memory).unwrap_or(0);
                match state(&container.state.unwrap_or_default()) {
                    // The daemon hears of an end and of its reason by different ways, and may hear of the reason last.
                    ContainerState::Exited(ExitStatus::Code(137)) if limit > 0 => {}
                    ContainerState::Exited(status) => return status,
                    _ => return ExitStatus::Gone,
                }
            }
            Err(error) => {
                if status(&error) != Some(404) {
                    tracing::warn!(container = id, %error, "its exit code is not known");
                }
                return ExitStatus::Gone;
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
    ExitStatus::Code(137)
}

/// What the daemon says of a container, in the words of the api.
pub(crate) fn state(state: &ClientState) -> ContainerState {
    use ContainerStateStatusEnum as Status;
    match state.status.unwrap_or(Status::EMPTY) {
        Status::CREATED => ContainerState::Created,
        Status::RUNNING | Status::RESTARTING => ContainerState::Running,
        Status::PAUSED => ContainerState::Paused,
        _ => {
            let code = state.exit_code.unwrap_or(0);
            // The flag alone says that some process of it was killed for memory, as a Celery child that was replaced.
            let status = match state.oom_killed {
                Some(true) if code == 137 => ExitStatus::OutOfMemory,
                _ => ExitStatus::Code(code),
            };
            ContainerState::Exited(status)
        }
    }
}
