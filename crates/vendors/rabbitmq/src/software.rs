//! The broker without an image: what the images set, for the bare programs.

use testcelery_api::{FileTree, Program, Software};

use crate::{
    config::{ADVANCED, CONF_FOLDER},
    management::PLUGINS,
};

/// Where the script that starts it is in the container.
const START: &str = "/etc/rabbitmq/start.sh";

const DATA: &str = "/var/lib/rabbitmq";
const LOGS: &str = "/var/log/rabbitmq";

/// `rabbitmq-server` as RabbitMQ's own scripts start it. What Debian puts in front of it insists on a user of its own.
pub(crate) fn software() -> Software {
    let mut files = FileTree::new();
    files.insert(PLUGINS, "[].\n");
    files.insert(START, include_str!("start.sh"));
    let program = Program::new("rabbitmq-server").folder("/usr/lib/rabbitmq/bin").debian("rabbitmq-server");
    Software::program(program)
        .command(["sh", START])
        .files(files.as_settings())
        .folder(DATA)
        .folder(LOGS)
        .workdir(DATA)
        // The name of the node has its address, so that nobody has to resolve it.
        .env("RABBITMQ_USE_LONGNAME", "true")
        .env("RABBITMQ_NODENAME", "rabbit@0.0.0.0")
        .env("ERL_EPMD_ADDRESS", "0.0.0.0")
        // The port mapper listens on 127.0.0.1 too, whatever it is told.
        .port_variable("ERL_EPMD_PORT")
        .port_variable("RABBITMQ_DIST_PORT")
        // The command line tools are nodes of their own, which listen too.
        .env("RABBITMQ_CTL_ERL_ARGS", "-kernel inet_dist_use_interface {0,0,0,0}")
        .env("RABBITMQ_CONF_ENV_FILE", "/dev/null")
        .env("RABBITMQ_CONFIG_FILES", CONF_FOLDER)
        .env("RABBITMQ_ADVANCED_CONFIG_FILE", ADVANCED)
        .env("RABBITMQ_ENABLED_PLUGINS_FILE", PLUGINS)
        .env("RABBITMQ_MNESIA_BASE", DATA)
        .env("RABBITMQ_LOG_BASE", LOGS)
        .env("RABBITMQ_LOGS", "-")
}
