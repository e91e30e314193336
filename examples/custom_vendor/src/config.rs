//! The files that the server reads.

use testcelery_api::{FileTree, Secret};

/// Where the configuration file lies in the container.
pub(crate) const PATH: &str = "/etc/testcelery/valkey.conf";

const PASSWORD_PATH: &str = "/etc/testcelery/password.conf";

/// As many databases as a number of one byte can name. Nothing is written to disk, and no task is dropped for want of memory.
const SETTINGS: &str = "bind 0.0.0.0
port 6379
include /etc/testcelery/password.conf
databases 256
save \"\"
appendonly no
maxmemory-policy noeviction
";

/// The settings, in which an engine may have to translate paths and addresses, and the password, in which nobody may change anything.
pub(crate) fn files(password: &Secret) -> [FileTree; 2] {
    let mut settings = FileTree::new();
    settings.insert(PATH, SETTINGS);
    let mut secret = FileTree::new();
    secret.insert(PASSWORD_PATH, format!("requirepass {}\n", quoted(password.reveal())));
    [settings.as_settings(), secret]
}

/// Any text as one word of a configuration file: each byte in hexadecimal.
fn quoted(text: &str) -> String {
    let bytes: String = text.bytes().map(|byte| format!("\\x{byte:02x}")).collect();
    format!("\"{bytes}\"")
}
