//! What is refused before anything starts.

use crate::{answers::Answers, requirements};

/// What `celery worker --loglevel` takes (`celery.bin.base.LogLevel`).
const LOG_LEVELS: &[&str] = &["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL", "FATAL"];

/// What `celery worker --pool` takes (`celery.concurrency.ALIASES`).
const POOLS: &[&str] = &["prefork", "solo", "threads", "gevent", "eventlet", "processes", "custom"];

/// Arguments that have a method, because the node reports what was declared, and one that ends the container.
const NOT_ARGUMENTS: &[(&[&str], &str)] = &[
    (&["-Q", "--queues"], "use `.queue(..)`"),
    (&["-X", "--exclude-queues"], "leave the queue out"),
    (&["-n", "--hostname"], "use `.named(..)`"),
    (&["-l", "--loglevel", "--log-level"], "use `.log_level(..)`"),
    (&["-P", "--pool"], "use `.pool(..)`"),
    (&["-c", "--concurrency"], "use `.concurrency(..)`"),
    (&["-D", "--detach"], "a worker in the background would end its container"),
];

/// Variables that the setup sets.
const NOT_VARIABLES: &[&str] = &["CELERY_BROKER_URL", "CELERY_RESULT_BACKEND"];

/// Variables that Celery takes for arguments (click's `auto_envvar_prefix`) which have a method.
const ARGUMENT_VARIABLES: &[&str] = &[
    "CELERY_WORKER_CONCURRENCY",
    "CELERY_WORKER_DETACH",
    "CELERY_WORKER_EXCLUDE_QUEUES",
    "CELERY_WORKER_HOSTNAME",
    "CELERY_WORKER_LOGLEVEL",
    "CELERY_WORKER_POOL",
    "CELERY_WORKER_QUEUES",
];

/// AMQP's short strings end at 255 bytes.
const LONGEST_QUEUE: usize = 255;

/// What is wrong with a worker, and what to do.
pub(crate) fn check(answers: &Answers) -> Result<(), String> {
    requirements::check(answers)?;
    answers.queues.iter().try_for_each(|queue| check_queue(queue))?;
    one_of("log level", &answers.log_level, LOG_LEVELS)?;
    if let Some(pool) = &answers.pool {
        one_of("pool", pool, POOLS)?;
    }
    if answers.concurrency == Some(0) {
        return Err("a concurrency of 0 runs no tasks".to_owned());
    }
    answers.args.iter().try_for_each(|arg| check_arg(arg))?;
    answers.env.iter().try_for_each(|(key, _)| check_variable(key))
}

fn one_of(what: &str, value: &str, known: &[&str]) -> Result<(), String> {
    if known.contains(&value) {
        return Ok(());
    }
    Err(format!("{value:?} is no {what}; there are {}", known.join(", ")))
}

fn check_queue(queue: &str) -> Result<(), String> {
    let problem = if queue.trim().is_empty() {
        "it is empty"
    } else if queue.contains(',') {
        "the comma separates queues on Celery's command line; name each one with `.queue(..)`"
    } else if queue.chars().any(char::is_control) {
        "it has a control character"
    } else if queue.len() > LONGEST_QUEUE {
        "it has more than 255 bytes, and AMQP takes no more"
    } else {
        return Ok(());
    };
    Err(format!("{queue:?} cannot be the name of a queue: {problem}"))
}

/// What is wrong with an argument of `celery worker` that none of its other knobs made.
pub(crate) fn check_arg(arg: &str) -> Result<(), String> {
    let names = |option: &&str| match option.strip_prefix("--") {
        Some(_) => arg.split('=').next() == Some(option),
        // A short option has its value right behind it, or in the next argument.
        None => arg.starts_with(option),
    };
    match NOT_ARGUMENTS.iter().find(|(options, _)| options.iter().any(names)) {
        Some((_, instead)) => {
            Err(format!("the argument `{arg}` would make a lie of what the worker says it is: {instead}"))
        }
        None => Ok(()),
    }
}

fn check_variable(key: &str) -> Result<(), String> {
    if key.is_empty() || key.contains(['=', '\0']) {
        return Err(format!("{key:?} cannot be the name of a variable"));
    }
    if NOT_VARIABLES.contains(&key) {
        return Err(format!("the variable `{key}` is set by the setup, from its brokers and backends"));
    }
    if ARGUMENT_VARIABLES.contains(&key) {
        return Err(format!(
            "the variable `{key}` would make a lie of what the worker says it is; use the method that sets it"
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Worker;

    fn problem(worker: &Worker) -> String {
        check(&Answers::of(worker)).unwrap_err()
    }

    #[test]
    fn ordinary_workers_pass() {
        for worker in [
            Worker::default(),
            Worker::default().queue("letters.to-everyone").queue("größe"),
            Worker::default().log_level("error").pool("solo").concurrency(1),
            Worker::default().args(["--without-mingle", "--time-limit=5", "-E", "-O", "fair"]).env("A_B", ""),
        ] {
            check(&Answers::of(&worker)).unwrap();
        }
    }

    #[test]
    fn queues() {
        for bad in ["", " ", "a,b", "a\nb", &"x".repeat(256)] {
            assert!(
                problem(&Worker::default().queue(bad)).contains("cannot be the name of a queue"),
                "{bad}"
            );
        }
    }

    #[test]
    fn levels_pools_and_concurrency() {
        assert_eq!(
            problem(&Worker::default().log_level("loud")),
            "\"LOUD\" is no log level; there are DEBUG, INFO, WARNING, ERROR, CRITICAL, FATAL"
        );
        assert!(problem(&Worker::default().pool("swimming")).starts_with("\"swimming\" is no pool"));
        assert!(problem(&Worker::default().concurrency(0)).contains("runs no tasks"));
    }

    #[test]
    fn arguments_and_variables_that_would_make_a_lie() {
        for arg in [
            "-Q",
            "-Qfast",
            "--queues=fast",
            "--queues",
            "-P",
            "-c4",
            "-n",
            "--loglevel=DEBUG",
            "-D",
            "-Xfast",
        ] {
            assert!(problem(&Worker::default().arg(arg)).contains("would make a lie"), "{arg}");
        }
        assert!(problem(&Worker::default().env("CELERY_BROKER_URL", "x")).contains("set by the setup"));
        assert!(problem(&Worker::default().env("CELERY_WORKER_POOL", "solo")).contains("use the method"));
        assert!(problem(&Worker::default().env("A=B", "x")).contains("name of a variable"));
    }
}
