//! `TESTCELERY_BROKERS` and `TESTCELERY_BACKENDS`: one build, run with different values.
//!
//! The tests in [`rows`] are run by the others in processes of their own, and run like any other test too.

use std::{collections::BTreeMap, process::Command};

use testcelery::prelude::*;

use crate::{Fault, stack};

/// Tests with rows and with stacks of their own, all on the fake engine.
mod rows {
    use super::*;

    fn fake(_: SetupBuilder) -> SetupBuilder {
        stack(Fault::None).0
    }

    fn own() -> SetupBuilder {
        stack(Fault::None).0
    }

    #[testcelery::test(backends(redis, memcached), with = fake)]
    async fn built_in(_setup: Setup) {}

    #[testcelery::test(brokers(valkey = Redis::default()), with = fake)]
    async fn own_name(_setup: Setup) {}

    /// Its broker is of the kind `fake`.
    #[testcelery::test(setup = own)]
    async fn own_stack(_setup: Setup) {}

    /// A keyword as the name of a test and of a row.
    #[testcelery::test(brokers(r#type = Redis::default()), with = fake)]
    async fn r#break(_setup: Setup) {}
}

const ALL: [&str; 7] = [
    "break::type_redis",
    "built_in::rabbitmq_memcached",
    "built_in::rabbitmq_redis",
    "built_in::redis_memcached",
    "built_in::redis_redis",
    "own_name::valkey_redis",
    "own_stack",
];

struct Run {
    /// By test: how it ended, and the reason where it was skipped.
    outcomes: BTreeMap<String, (String, String)>,
    output: String,
    success: bool,
}

impl Run {
    fn new(filter: &str, environment: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let report = folder.path().join("report.jsonl");
        let output = Command::new(std::env::current_exe().unwrap())
            .args([filter, "--nocapture"])
            .env_remove("TESTCELERY_BROKERS")
            .env_remove("TESTCELERY_BACKENDS")
            .env("TESTCELERY_REPORT", &report)
            .envs(environment.iter().copied())
            .output()
            .unwrap();
        let lines = std::fs::read_to_string(report).unwrap();
        let lines = lines.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        let outcomes = lines.map(|line| {
            let text = |key: &str| line[key].as_str().unwrap_or_default().to_owned();
            let test = text("test").replace("r#", "");
            (test.replace("glue::narrowing::rows::", ""), (text("outcome"), text("reason")))
        });
        let text = [output.stdout, output.stderr].concat();
        Self {
            outcomes: outcomes.collect(),
            output: String::from_utf8_lossy(&text).into_owned(),
            success: output.status.success(),
        }
    }

    fn with_outcome(&self, outcome: &str) -> Vec<&str> {
        let ended = self.outcomes.iter().filter(|(_, (how, _))| how == outcome);
        ended.map(|(test, _)| test.as_str()).collect()
    }
}

#[test]
fn without_a_value_everything_runs() {
    for environment in [&[][..], &[("TESTCELERY_BROKERS", ""), ("TESTCELERY_BACKENDS", " , ")]] {
        let run = Run::new("narrowing::rows", environment);
        assert!(run.success, "{}", run.output);
        assert_eq!(run.with_outcome("passed"), ALL);
    }
}

#[test]
fn what_is_left_out_is_skipped_with_the_reason() {
    let run =
        Run::new("narrowing::rows", &[("TESTCELERY_BROKERS", "redis"), ("TESTCELERY_BACKENDS", "redis,rpc")]);
    assert!(run.success, "{}", run.output);
    assert_eq!(run.with_outcome("passed"), ["built_in::redis_redis"]);
    assert_eq!(run.with_outcome("skipped").len(), ALL.len() - 1);
    for (test, reason) in [
        ("built_in::rabbitmq_redis", "left out by TESTCELERY_BROKERS=redis: it runs on rabbitmq"),
        ("built_in::redis_memcached", "left out by TESTCELERY_BACKENDS=redis,rpc: it runs on memcached"),
        ("own_name::valkey_redis", "left out by TESTCELERY_BROKERS=redis: it runs on valkey"),
        ("own_stack", "left out by TESTCELERY_BROKERS=redis: it runs on fake"),
    ] {
        assert_eq!(run.outcomes[test].1, reason);
        let said = format!("testcelery: SKIPPED glue::narrowing::rows::{test}: {reason}");
        assert!(run.output.contains(&said), "{}", run.output);
    }
}

#[test]
fn names_of_other_tests_of_the_program_are_known() {
    let run = Run::new("narrowing::rows", &[("TESTCELERY_BROKERS", "valkey, type")]);
    assert!(run.success, "{}", run.output);
    assert_eq!(run.with_outcome("passed"), ["break::type_redis", "own_name::valkey_redis"]);
    let run = Run::new("narrowing::rows::own_stack", &[("TESTCELERY_BROKERS", "fake")]);
    assert!(run.success, "{}", run.output);
    assert_eq!(run.with_outcome("passed"), ["own_stack"]);
}

#[test]
fn a_name_that_nothing_has_fails_every_test() {
    for (variable, value, problem) in [
        (
            "TESTCELERY_BROKERS",
            "redis,kafka",
            r#"TESTCELERY_BROKERS names "kafka", which is neither built in nor in a row of any test of this program"#,
        ),
        (
            "TESTCELERY_BACKENDS",
            "sqs",
            r#"TESTCELERY_BACKENDS names "sqs", which is neither built in nor in a row of any test of this program"#,
        ),
    ] {
        let run = Run::new("narrowing::rows", &[(variable, value)]);
        assert!(!run.success);
        assert_eq!(run.with_outcome("failed"), ALL, "{}", run.output);
        assert!(run.output.contains(problem), "{}", run.output);
    }
    let run = Run::new("narrowing::rows::built_in", &[("TESTCELERY_BROKERS", "kafka")]);
    assert!(run.output.contains("known are rabbitmq, redis"), "{}", run.output);
}
