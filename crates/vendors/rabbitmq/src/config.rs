//! The files that tell RabbitMQ its user, virtual host and settings before it starts.

use serde_json::json;
use testcelery_api::{FileTree, Secret};

/// Read by Debian's package and by the official image alike, after the latter's own `10-defaults.conf`; the last value wins.
const CONF: &str = "/etc/rabbitmq/conf.d/90-testcelery.conf";

/// The folder of [`CONF`].
pub(crate) const CONF_FOLDER: &str = "/etc/rabbitmq/conf.d";

const DEFINITIONS: &str = "/etc/rabbitmq/testcelery.json";

pub(crate) const ADVANCED: &str = "/etc/rabbitmq/advanced.config";

/// What goes into [`CONF`] in any case. The log goes to where the engine reads it, and a host whose disk is nearly full must not stop all
/// publishers, which the default of 50 MB would.
const SETTINGS: [&str; 5] = [
    "listeners.tcp.1 = 0.0.0.0:5672",
    "log.console = true",
    "log.file = false",
    "disk_free_limit.absolute = 1MB",
    "load_definitions = /etc/rabbitmq/testcelery.json",
];

/// Celery up to 5.6 declares transient queues that are not exclusive, which RabbitMQ 4.3 refuses by default. It is not written as
/// `deprecated_features.permit...` into [`CONF`], because RabbitMQ before 3.12 does not start with a key that it does not know.
///
/// The interface for the nodes of a cluster and for `rabbitmqctl` can be set nowhere else. All of them is Erlang's default.
const ADVANCED_CONTENT: &str = "[{rabbit, [{permit_deprecated_features, #{transient_nonexcl_queues => true}}]}, \
    {kernel, [{inet_dist_use_interface, {0,0,0,0}}]}].\n";

/// The files for a broker with one user that may do everything in one virtual host.
pub(crate) fn files(vhost: &str, user: &str, password: &Secret, extra: &[&str]) -> [FileTree; 2] {
    let mut settings = FileTree::new();
    settings.insert(CONF, conf(extra));
    settings.insert(ADVANCED, ADVANCED_CONTENT);
    // Names and passwords, which no engine may translate.
    let mut names = FileTree::new();
    names.insert(DEFINITIONS, definitions(vhost, user, password));
    [settings.as_settings(), names]
}

fn conf(extra: &[&str]) -> String {
    let mut text = String::new();
    for line in SETTINGS.iter().chain(extra) {
        text.push_str(line);
        text.push('\n');
    }
    text
}

/// A definitions file instead of `default_user` and its like: JSON can carry every name and password, the configuration format cannot.
fn definitions(vhost: &str, user: &str, password: &Secret) -> String {
    let definitions = json!({
        "permissions": [{"configure": ".*", "read": ".*", "user": user, "vhost": vhost, "write": ".*"}],
        "users": [{"limits": {}, "name": user, "password": password.reveal(), "tags": ["administrator"]}],
        "vhosts": [{"name": vhost}],
    });
    format!("{definitions:#}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_a_broker() {
        let trees = files("a/b c%", "jo'e\"#=", &Secret::new("p#w '\"\\"), &["heartbeat = 5"]);
        let text: Vec<String> = trees
            .iter()
            .flat_map(|tree| tree.iter().map(|(path, _)| format!("== {path}\n{}", tree.text(path).unwrap())))
            .collect();
        assert_eq!(trees.each_ref().map(FileTree::is_settings), [true, false]);
        insta::assert_snapshot!(text.join(""), @r##"
        == /etc/rabbitmq/advanced.config
        [{rabbit, [{permit_deprecated_features, #{transient_nonexcl_queues => true}}]}, {kernel, [{inet_dist_use_interface, {0,0,0,0}}]}].
        == /etc/rabbitmq/conf.d/90-testcelery.conf
        listeners.tcp.1 = 0.0.0.0:5672
        log.console = true
        log.file = false
        disk_free_limit.absolute = 1MB
        load_definitions = /etc/rabbitmq/testcelery.json
        heartbeat = 5
        == /etc/rabbitmq/testcelery.json
        {
          "permissions": [
            {
              "configure": ".*",
              "read": ".*",
              "user": "jo'e\"#=",
              "vhost": "a/b c%",
              "write": ".*"
            }
          ],
          "users": [
            {
              "limits": {},
              "name": "jo'e\"#=",
              "password": "p#w '\"\\",
              "tags": [
                "administrator"
              ]
            }
          ],
          "vhosts": [
            {
              "name": "a/b c%"
            }
          ]
        }
        "##);
    }

    #[test]
    fn definitions_carry_any_text() {
        let text = definitions("v\u{e9} \"#", "u\\'\n", &Secret::new("p\u{1}\"=%"));
        let json: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(json["vhosts"][0]["name"], "v\u{e9} \"#");
        assert_eq!(json["users"][0]["name"], "u\\'\n");
        assert_eq!(json["users"][0]["password"], "p\u{1}\"=%");
        assert_eq!(json["permissions"][0]["user"], json["users"][0]["name"]);
        assert_eq!(json["permissions"][0]["vhost"], json["vhosts"][0]["name"]);
    }

    #[test]
    fn extra_lines_come_last() {
        let text = conf(&["log.console.level = debug"]);
        assert!(text.ends_with("\nlog.console.level = debug\n"), "{text}");
    }
}
