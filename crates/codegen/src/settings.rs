//! The settings that Celery has, and the names that they had before.

/// Every setting of Celery 5.2 to 5.7: the keys of `celery.app.defaults.NAMESPACES`, those that its configuration page documents
/// besides, and three that only the sources of its backends name.
const NAMES: &str = "\
    accept_content arangodb_backend_settings azureblockblob_base_path \
    azureblockblob_connection_timeout azureblockblob_container_name azureblockblob_read_timeout \
    azureblockblob_retry_increment_base azureblockblob_retry_initial_backoff_sec \
    azureblockblob_retry_max_attempts beat_cron_starting_deadline beat_enable_remote_control \
    beat_executable beat_gid beat_logfile beat_max_loop_interval beat_pidfile \
    beat_remote_control_max_tick_age beat_schedule beat_schedule_filename beat_scheduler \
    beat_sync_every beat_uid beat_umask broker_channel_error_retry broker_connection_max_retries \
    broker_connection_retry broker_connection_retry_on_startup broker_connection_timeout \
    broker_failover_strategy broker_heartbeat broker_heartbeat_checkrate broker_host \
    broker_login_method broker_native_delayed_delivery_queue_type broker_password \
    broker_pool_acquire_timeout broker_pool_limit broker_port broker_read_url broker_transport \
    broker_transport_options broker_url broker_use_ssl broker_user broker_vhost broker_write_url \
    cache_backend cache_backend_options cassandra_auth_kwargs cassandra_auth_provider \
    cassandra_bundle_path cassandra_entry_ttl cassandra_keyspace cassandra_options cassandra_port \
    cassandra_read_consistency cassandra_secure_bundle_path cassandra_servers cassandra_table \
    cassandra_write_consistency control_exchange control_queue_durable control_queue_exclusive \
    control_queue_expires control_queue_ttl cosmosdbsql_collection_name cosmosdbsql_consistency_level \
    cosmosdbsql_database_name cosmosdbsql_max_retry_attempts cosmosdbsql_max_retry_wait_time \
    couchbase_backend_settings database_create_tables_at_setup database_engine_callback \
    database_engine_options database_short_lived_sessions database_table_names database_table_schemas \
    database_url dynamodb_endpoint_url elasticsearch_max_retries elasticsearch_retry_on_timeout \
    elasticsearch_save_meta_as_text elasticsearch_timeout enable_utc event_exchange \
    event_queue_durable event_queue_exclusive event_queue_expires event_queue_prefix event_queue_ttl \
    event_serializer events_executable events_gid events_logfile events_pidfile events_uid \
    events_umask firestore_project gcs_base_path gcs_bucket gcs_project gcs_threadpool_maxsize gcs_ttl \
    imports include mongodb_backend_settings override_backends redis_backend_credential_provider \
    redis_backend_health_check_interval redis_backend_use_ssl redis_client_name redis_db redis_host \
    redis_max_connections redis_password redis_port redis_retry_on_timeout \
    redis_socket_connect_timeout redis_socket_keepalive redis_socket_timeout redis_username \
    result_accept_content result_backend result_backend_always_retry \
    result_backend_base_sleep_between_retries_ms result_backend_max_retries \
    result_backend_max_sleep_between_retries_ms result_backend_thread_safe \
    result_backend_transport_options result_cache_max result_chord_expires result_chord_join_timeout \
    result_chord_retry_interval result_compression result_exchange result_exchange_type result_expires \
    result_extended result_failure_expires result_persistent result_serializer s3_access_key_id \
    s3_base_path s3_bucket s3_endpoint_url s3_region s3_secret_access_key security_cert_store \
    security_certificate security_digest security_key security_key_password task_acks_late \
    task_acks_on_failure task_acks_on_failure_or_timeout task_acks_on_timeout \
    task_allow_error_cb_on_chord_header task_always_eager task_annotations task_compression \
    task_create_missing_queue_exchange_type task_create_missing_queue_type task_create_missing_queues \
    task_default_delivery_mode task_default_exchange task_default_exchange_type task_default_priority \
    task_default_queue task_default_queue_type task_default_rate_limit task_default_routing_key \
    task_eager_propagates task_ignore_result task_inherit_parent_priority task_protocol \
    task_publish_retry task_publish_retry_policy task_queue_max_priority task_queues \
    task_reject_on_worker_lost task_remote_tracebacks task_repr_maxlevels task_retry_on_worker_lost \
    task_routes task_send_sent_event task_serializer task_soft_time_limit task_store_eager_result \
    task_store_errors_even_if_ignored task_time_limit task_track_started timezone worker_agent \
    worker_autoscaler worker_cancel_long_running_tasks_on_connection_loss worker_concurrency \
    worker_consumer worker_deduplicate_successful_tasks worker_detect_quorum_queues worker_direct \
    worker_disable_prefetch worker_disable_rate_limits worker_enable_prefetch_count_reduction \
    worker_enable_remote_control worker_enable_soft_shutdown_on_idle worker_eta_task_limit \
    worker_executable worker_gid worker_hijack_root_logger worker_log_color worker_log_datefmt \
    worker_log_format worker_logfile worker_lost_wait worker_max_memory_per_child \
    worker_max_tasks_per_child worker_pidfile worker_pool worker_pool_putlocks worker_pool_restarts \
    worker_pool_start_method worker_prefetch_multiplier worker_proc_alive_timeout \
    worker_redirect_stdouts worker_redirect_stdouts_level worker_send_task_events \
    worker_soft_shutdown_timeout worker_state_db worker_task_log_datefmt worker_task_log_format \
    worker_timer worker_timer_precision worker_uid worker_umask";

/// How an old name became one of today's: this in front of it gave way to that. The first that leads to a setting counts. From `old`
/// in `celery.app.defaults`; the `celery_` that gives way to nothing is Django's namespace too.
const RENAMED: [(&str, &str); 8] = [
    ("", ""),
    ("celery_", ""),
    ("celeryd_", ""),
    ("celeryd_", "worker_"),
    ("celeryd_", "task_"),
    ("celerybeat_", "beat_"),
    ("celery_", "task_"),
    ("celery_", "worker_"),
];

/// Old names that became something else altogether.
const REPLACED: [(&str, &str); 10] = [
    ("celery_eager_propagates_exceptions", "task_eager_propagates"),
    ("celery_max_cached_results", "result_cache_max"),
    ("celery_message_compression", "task_compression"),
    ("celery_result_dburi", "database_url"),
    ("celery_result_db_short_lived_sessions", "database_short_lived_sessions"),
    ("celery_result_db_tablenames", "database_table_names"),
    ("celery_result_engine_options", "database_engine_options"),
    ("celery_send_events", "worker_send_task_events"),
    ("celery_send_task_sent_event", "task_send_sent_event"),
    ("celery_task_result_expires", "result_expires"),
];

/// Settings whose values the worker gets from its setup. A value for one of these would do nothing, or lead the worker elsewhere.
const FROM_SETUP: [(&str, &[&str]); 2] = [
    (
        "the brokers of the setup",
        &[
            "broker_host",
            "broker_password",
            "broker_port",
            "broker_read_url",
            "broker_transport",
            "broker_url",
            "broker_user",
            "broker_vhost",
            "broker_write_url",
        ],
    ),
    ("the result backend of the setup", &["result_backend"]),
];

/// Whether Celery has a setting of this name.
pub(crate) fn is_known(key: &str) -> bool {
    names().any(|name| name == key)
}

/// Today's name of a setting by an old one: `task_acks_late` for `CELERY_ACKS_LATE`, and for `TASK_ACKS_LATE` and
/// `CELERY_TASK_ACKS_LATE` as well.
pub(crate) fn renamed(key: &str) -> Option<&'static str> {
    let old = key.to_lowercase();
    if let Some((_, name)) = REPLACED.iter().find(|(replaced, _)| *replaced == old) {
        return Some(name);
    }
    RENAMED.iter().find_map(|(from, to)| {
        let rest = old.strip_prefix(from)?;
        names().find(|name| name.strip_prefix(to) == Some(rest) && *name != key)
    })
}

/// What sets it, if that is not the user.
pub(crate) fn from_setup(name: &str) -> Option<&'static str> {
    FROM_SETUP.iter().find(|(_, names)| names.contains(&name)).map(|(source, _)| *source)
}

/// The setting that was probably meant: the only one that ends in this name, or the nearest one by its letters.
pub(crate) fn closest(key: &str) -> Option<&'static str> {
    let key = key.to_lowercase();
    let namespaced: Vec<&str> =
        names().filter(|name| name.strip_suffix(&key).is_some_and(|rest| rest.ends_with('_'))).collect();
    if let [name] = namespaced[..] {
        return Some(name);
    }
    let distance = |name: &'static str| (strsim::damerau_levenshtein(&key, name), name);
    let (letters, name) = names().map(distance).min()?;
    // A third of a name is what rustc takes for a slip of the pen.
    (letters <= key.chars().count().max(3) / 3).then_some(name)
}

fn names() -> impl Iterator<Item = &'static str> {
    NAMES.split(' ')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_are_well_formed_and_in_order() {
        let all: Vec<&str> = names().collect();
        assert!(all.is_sorted() && all.len() == 234, "{}", all.len());
        let is_name =
            |name: &&str| name.chars().all(|c| c == '_' || c.is_ascii_lowercase() || c.is_ascii_digit());
        assert_eq!(all.iter().find(|name| name.is_empty() || !is_name(name)), None);
        for name in
            FROM_SETUP.iter().flat_map(|(_, names)| *names).chain(REPLACED.iter().map(|(_, name)| name))
        {
            assert!(is_known(name), "{name}");
        }
    }

    #[test]
    fn old_names() {
        for (old, new) in [
            ("CELERYD_PREFETCH_MULTIPLIER", "worker_prefetch_multiplier"),
            ("CELERYD_TASK_TIME_LIMIT", "task_time_limit"),
            ("CELERYD_TIME_LIMIT", "task_time_limit"),
            ("CELERYD_WORKER_LOST_WAIT", "worker_lost_wait"),
            ("CELERYBEAT_SCHEDULE", "beat_schedule"),
            ("CELERY_ACKS_LATE", "task_acks_late"),
            ("CELERY_TASK_ACKS_LATE", "task_acks_late"),
            ("TASK_ACKS_LATE", "task_acks_late"),
            ("celery_acks_late", "task_acks_late"),
            ("CELERY_DISABLE_RATE_LIMITS", "worker_disable_rate_limits"),
            ("CELERY_TASK_RESULT_EXPIRES", "result_expires"),
            ("CELERY_RESULT_EXPIRES", "result_expires"),
            ("CELERY_RESULT_BACKEND", "result_backend"),
            ("BROKER_URL", "broker_url"),
        ] {
            assert_eq!(renamed(old), Some(new), "{old}");
        }
        for key in ["task_acks_late", "MY_SETTING", "celery_", ""] {
            assert_eq!(renamed(key), None, "{key}");
        }
    }

    #[test]
    fn what_was_probably_meant() {
        for (key, name) in [
            ("task_ack_late", Some("task_acks_late")),
            ("task-routes", Some("task_routes")),
            ("acks_late", Some("task_acks_late")),
            ("PREFETCH_MULTIPLIER", Some("worker_prefetch_multiplier")),
            ("worker_prefetch_multipler", Some("worker_prefetch_multiplier")),
            // Ends several names, and is near none.
            ("serializer", None),
            ("redbeat_redis_url", None),
            ("", None),
        ] {
            assert_eq!(closest(key), name, "{key}");
        }
    }
}
