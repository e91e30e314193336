use std::time::Duration;

use jiff::civil;

use super::*;
use crate::{Crontab, Exchange, Queue};

fn rendered(config: &Config) -> String {
    let rendered = config.render().unwrap();
    let imports = rendered.imports.iter().map(|module| format!("import {module}\n"));
    imports.chain(rendered.entries.iter().map(|(key, value)| format!("{key} = {value}\n"))).collect()
}

fn refused(config: &Config) -> String {
    config.render().unwrap_err().to_string()
}

#[test]
fn all_kinds_of_settings() {
    let entry = [("task", PyValue::from("shop.clean")), ("schedule", Crontab::new().minute("*/5").into())];
    let config = Config::new()
        .accept_content(["json", "pickle"])
        .beat_schedule([("often", PyValue::dict(entry))])
        .broker_heartbeat(None)
        .broker_pool_limit(3)
        .broker_transport_options([("visibility_timeout", 60)])
        .result_expires(Duration::from_secs(3600))
        .task_acks_late(true)
        .task_default_queue("fast")
        .task_queues([Queue::new("fast").exchange(Exchange::new("e").kind("topic")), "slow".into()])
        .task_time_limit(Duration::from_millis(2_500))
        .worker_max_tasks_per_child(None)
        .worker_prefetch_multiplier(1)
        .custom("SINCE", civil::date(2024, 1, 1).at(0, 0, 0, 0));
    insta::assert_snapshot!(rendered(&config));
}

#[test]
fn every_method_sets_a_setting_that_there_is() {
    let wrong =
        setters::TYPED.iter().find(|name| !settings::is_known(name) || settings::from_setup(name).is_some());
    assert_eq!(wrong, None);
    assert!(setters::TYPED.is_sorted());
}

#[test]
fn the_last_value_counts() {
    let config = Config::new().task_acks_late(false).set("task_acks_late", true);
    let other = Config::new().set("timezone", "UTC").task_track_started(true);
    let merged = config.merge(other).merge(Config::new().timezone("Europe/Berlin"));
    assert_eq!(
        rendered(&merged),
        "task_acks_late = True\ntask_track_started = True\ntimezone = 'Europe/Berlin'\n"
    );
    assert_eq!(merged.get("timezone"), Some(&PyValue::from("Europe/Berlin")));
    assert_eq!(merged.get("enable_utc"), None);
    let keys: Vec<&str> = merged.iter().map(|(key, _)| key).collect();
    assert_eq!(keys, ["task_acks_late", "task_track_started", "timezone"]);
}

#[test]
fn keys_that_are_none_of_celerys() {
    let set = |key: &str| refused(&Config::new().set(key, 1));
    let own = "a setting of your own, of another library or of a newer Celery goes through `Config::custom`";
    for (key, problem) in [
        ("CELERY_ACKS_LATE", "an old name; Celery's name for it is `task_acks_late`".to_owned()),
        ("TASK_ACKS_LATE", "an old name; Celery's name for it is `task_acks_late`".to_owned()),
        ("task_ack_late", format!("Celery has no such setting; did you mean `task_acks_late`? {own}")),
        ("shop_currency", format!("Celery has no such setting; {own}")),
        ("", format!("Celery has no such setting; {own}")),
    ] {
        assert_eq!(set(key), format!("setting `{key}`: {problem}"));
    }
}

#[test]
fn keys_that_the_setup_sets() {
    for (key, problem) in [
        ("broker_url", "its value comes from the brokers of the setup"),
        ("broker_read_url", "its value comes from the brokers of the setup"),
        ("broker_write_url", "its value comes from the brokers of the setup"),
        ("result_backend", "its value comes from the result backend of the setup"),
        ("BROKER_URL", "an old name of `broker_url`, whose value comes from the brokers of the setup"),
        (
            "CELERY_RESULT_BACKEND",
            "an old name of `result_backend`, whose value comes from the result backend of the setup",
        ),
    ] {
        assert_eq!(refused(&Config::new().set(key, "x")), format!("setting `{key}`: {problem}"));
    }
}

#[test]
fn settings_of_ones_own() {
    let custom = |key: &str| Config::new().custom(key, 1);
    assert_eq!(rendered(&custom("SHOP_currency2")), "SHOP_currency2 = 1\n");
    for (key, part) in [
        ("task_acks_late", "set it with `Config::set`"),
        ("broker_url", "set it with `Config::set`"),
        ("CELERYD_CONCURRENCY", "Celery's name for it is `worker_concurrency`"),
        ("", "no name for a setting"),
        ("2nd", "no name for a setting"),
        ("shop-currency", "no name for a setting"),
    ] {
        let problem = refused(&custom(key));
        assert!(problem.starts_with(&format!("setting `{key}`: ")) && problem.contains(part), "{problem}");
    }
}

#[test]
fn a_value_that_cannot_be_rendered() {
    let args = PyValue::list([PyValue::set([PyValue::list([1])])]);
    let config = Config::new().beat_schedule([("x", PyValue::dict([("args", args)]))]);
    assert_eq!(
        refused(&config),
        "setting `beat_schedule['x']['args'][0]`: member 1 of the set is or holds a list, which Python cannot hash"
    );
    let entry = PyValue::dict([("schedule", Crontab::new().hour(24))]);
    assert_eq!(
        refused(&Config::new().beat_schedule([("x", entry)])),
        "setting `beat_schedule['x']['schedule'].hour`: 24 is no hour: 24 is not from 0 to 23"
    );
}

#[test]
fn secrets_are_not_shown() {
    let config = Config::new().set("redis_password", "hush").custom("SHOP_SECRET", "hush").timezone("UTC");
    assert_eq!(format!("{config:?}"), r#"{"SHOP_SECRET": **, "redis_password": **, "timezone": "UTC"}"#);
}
