//! Whether the broker accepts clients.

use async_trait::async_trait;
use testcelery_api::{BoxError, ConnectionUrl, Container, Logs, NeverReady, Probe};

use crate::{PORT, amqp};

/// What RabbitMQ logs when the free space of its disk falls below `disk_free_limit`, and when it is over (rabbit_alarm.erl).
const DISK_ALARM: &str = "disk resource limit alarm ";

const SET: &str = "alarm set";

/// Opens an AMQP connection from the host, with the credentials and the virtual host that clients are going to use.
#[derive(Debug)]
pub(crate) struct AmqpProbe {
    url: ConnectionUrl,
}

impl AmqpProbe {
    /// A probe for a broker with this in-network URL.
    pub(crate) fn new(url: ConnectionUrl) -> Self {
        Self { url }
    }
}

#[async_trait]
impl Probe for AmqpProbe {
    fn description(&self) -> String {
        format!("an AMQP connection to {}", self.url)
    }

    async fn probe(&self, container: &dyn Container) -> Result<(), BoxError> {
        let endpoint = container.endpoint(PORT)?;
        let url = self.url.clone().at(endpoint.host, endpoint.host_port);
        let connection = amqp::open(&url).await?;
        connection.close(200, "OK".into()).await?;
        match disk_alarm(container.logs()) {
            Some(problem) => Err(NeverReady(problem).into()),
            None => Ok(()),
        }
    }
}

/// A broker without room on its disk takes connections and no messages. Its alarm is set before it takes connections, and nothing that a
/// test waits for clears it. (The alarm for memory is another matter: it comes and goes.)
fn disk_alarm(logs: &Logs) -> Option<String> {
    let lines = logs.lines_since(logs.start_cursor());
    let alarm = lines.iter().rev().find(|line| line.text.contains(DISK_ALARM))?;
    if !alarm.text.contains(SET) {
        return None;
    }
    let room = lines.iter().rev().find_map(|line| from(&line.text, "Free bytes: "));
    let room = room.map(|room| format!(" ({room})")).unwrap_or_default();
    // Short, so that an error shows all of it.
    Some(format!(
        "it blocks all publishers, because its disk is full: {}{room}; make room on its disk, or lower `.conf(\"disk_free_limit.absolute = ..\")`",
        from(&alarm.text, DISK_ALARM).unwrap_or_default()
    ))
}

/// Returns a line from a text in it on, without the time stamp in front.
fn from<'a>(line: &'a str, text: &str) -> Option<&'a str> {
    line.find(text).map(|at| line[at..].trim_end_matches('.'))
}

#[cfg(test)]
mod tests {
    use testcelery_api::Stream;

    use super::*;

    const FREE: &str = "2026-01-01 00:00:00.000000+00:00 [info] <0.278.0> Free disk space is insufficient. Free bytes: 249856. Limit: 1000000\n";
    const ALARM: &str = "2026-01-01 00:00:00.000000+00:00 [warning] <0.274.0> disk resource limit alarm set on node rabbit@localhost.\n";
    const OVER: &str = "2026-01-01 00:00:00.000000+00:00 [warning] <0.274.0> disk resource limit alarm cleared on node rabbit@localhost\n";

    fn seen(lines: &[&str]) -> Option<String> {
        let logs = Logs::new("broker");
        logs.begin_run();
        lines.iter().for_each(|line| logs.push(Stream::Stdout, line.as_bytes()));
        disk_alarm(&logs)
    }

    #[test]
    fn a_full_disk_is_named() {
        let problem = seen(&[FREE, ALARM, "Server startup complete\n"]).unwrap();
        assert!(
            problem.contains("disk resource limit alarm set on node")
                && problem.contains("Free bytes: 249856"),
            "{problem}"
        );
    }

    #[test]
    fn an_alarm_that_is_over_is_none() {
        assert_eq!(seen(&[FREE, ALARM, OVER]), None);
        assert_eq!(seen(&["memory resource limit alarm set on node rabbit@localhost.\n"]), None);
        assert_eq!(seen(&[]), None);
    }

    #[test]
    fn an_alarm_of_an_earlier_run_is_none() {
        let logs = Logs::new("broker");
        logs.begin_run();
        logs.push(Stream::Stdout, ALARM.as_bytes());
        logs.end_run(testcelery_api::ExitStatus::Code(0));
        logs.begin_run();
        assert_eq!(disk_alarm(&logs), None);
    }
}
