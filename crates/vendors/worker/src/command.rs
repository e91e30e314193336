//! The command of a worker.

use crate::{Debugpy, answers::Answers, check::check_arg};

/// The file that the worker holds still for.
pub(crate) const GO: &str = "/app/testcelery/go";

/// What starts it early: Python's imports are over before the broker is there.
const BOOT: [&str; 4] = ["python", "-m", "testcelery.boot", GO];

/// `celery -A app worker ...`, behind what starts it early. Values stand behind a `=`, so that none is taken for an option.
pub(crate) fn default(answers: &Answers, name: &str, app: &str) -> Vec<String> {
    let mut command: Vec<String> = BOOT.map(str::to_owned).into();
    // Behind `python`, in front of the module that it runs.
    command.splice(1..1, answers.debugpy.map(Debugpy::command).unwrap_or_default());
    command.extend(["celery", "-A", app, "worker"].map(str::to_owned));
    command.push(format!("--loglevel={}", answers.log_level));
    // Not `%h`: an engine without host names of its own has that of the machine.
    command.push(format!("--hostname={name}@{name}"));
    if !answers.queues.is_empty() {
        command.push(format!("--queues={}", answers.queues.join(",")));
    }
    command.extend(answers.concurrency.map(|concurrency| format!("--concurrency={concurrency}")));
    command.extend(answers.pool.as_ref().map(|pool| format!("--pool={pool}")));
    if !answers.mingle {
        command.push("--without-mingle".to_owned());
    }
    command.extend(answers.args.iter().cloned());
    command
}

/// Whether a command holds still until it is told to go.
pub(crate) fn holds_still(command: &[String]) -> bool {
    command.windows(BOOT.len() - 1).any(|words| words == &BOOT[1..])
}

/// Whether a command of somebody's own still does what the default one was made to say. One that is not `celery .. worker` is not looked at.
pub(crate) fn check(default: &[String], command: &[String]) -> Result<(), String> {
    if command.is_empty() {
        return Err("its command is empty".to_owned());
    }
    let (Some(said), Some(given)) = (worker_args(default), worker_args(command)) else { return Ok(()) };
    if let Some(gone) = said.iter().find(|arg| !given.contains(arg)) {
        return Err(format!(
            "its command lacks `{gone}`, which says what the worker is; keep it, or change what it comes from"
        ));
    }
    given.iter().filter(|arg| !said.contains(arg)).try_for_each(|arg| check_arg(arg))
}

/// What stands behind `celery .. worker`.
fn worker_args(command: &[String]) -> Option<&[String]> {
    let celery = command.iter().position(|word| word == "celery")?;
    let worker = celery + command[celery..].iter().position(|word| word == "worker")?;
    Some(&command[worker + 1..])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changed(change: impl FnOnce(&mut Vec<String>)) -> Result<(), String> {
        let answers = Answers { queues: vec!["celery".to_owned()], ..Answers::default() };
        let default = default(&answers, "w", "app");
        let mut command = default.clone();
        change(&mut command);
        check(&default, &command)
    }

    #[test]
    fn commands_that_may_be() {
        changed(|_| {}).unwrap();
        changed(|command| command.push("--without-heartbeat".into())).unwrap();
        changed(|command| *command = command.split_off(BOOT.len())).unwrap();
        changed(|command| command.insert(0, "ddtrace-run".into())).unwrap();
        changed(|command| *command = ["sh", "-c", "exec my-worker -Q fast"].map(str::to_owned).into())
            .unwrap();
    }

    #[test]
    fn commands_that_would_make_a_lie() {
        let problem = |change: fn(&mut Vec<String>)| changed(change).unwrap_err();
        assert!(problem(Vec::clear).contains("is empty"));
        assert!(problem(|command| command.push("--queues=fast".into())).contains("use `.queue(..)`"));
        assert!(problem(|command| command.push("-D".into())).contains("background"));
        let text = problem(|command| command.retain(|word| !word.starts_with("--queues")));
        assert!(text.contains("lacks `--queues=celery`"), "{text}");
    }

    #[test]
    fn what_holds_still() {
        let command = default(&Answers::default(), "w", "app");
        assert!(holds_still(&command));
        assert!(!holds_still(&command[BOOT.len()..]));
        assert!(holds_still(&[&["ddtrace-run".to_owned()], &command[..]].concat()));
    }

    #[test]
    fn a_debugger_runs_all_of_it() {
        let debugpy = Debugpy::default().wait_for_client(true);
        let command = default(&Answers { debugpy: Some(debugpy), ..Answers::default() }, "w", "app");
        let begin = [
            "python",
            "-m",
            "debugpy",
            "--listen",
            "0.0.0.0:5678",
            "--wait-for-client",
            "-m",
            "testcelery.boot",
        ];
        assert_eq!(command[..begin.len()], begin);
        assert!(holds_still(&command));
        let without = default(&Answers::default(), "w", "app");
        assert_eq!(command[begin.len()..], without[3..]);
    }
}
