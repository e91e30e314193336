//! The server's configuration file.

use testcelery_api::{FileTree, Secret};

/// Where the file lies in the container.
pub(crate) const PATH: &str = "/etc/testcelery/redis.conf";

/// The file that holds the password, and nothing that an engine may translate.
const PASSWORD_PATH: &str = "/etc/testcelery/password.conf";

/// Every database that a `u8` names. An empty one costs the server next to nothing, and whoever shares it finds what it asks for.
const DATABASES: u16 = 256;

/// A server for tests: reached from its network, with a password, and with `extra` lines that win over those before them.
///
/// `noeviction` is what Celery needs: a server that drops keys would drop tasks. A server with a save point writes its data when it is stopped
/// by `SIGTERM`, and reads them when it starts again; this save point is never reached in a test, so nothing is written while it runs. Where its
/// folder cannot be written, writes of clients go on.
pub(crate) fn files(password: &Secret, extra: &[String]) -> [FileTree; 2] {
    // Owned by root and readable by all: which user the server becomes is the image's affair.
    let mut settings = FileTree::new();
    settings.insert(PATH, render(extra));
    let mut secret = FileTree::new();
    secret.insert(PASSWORD_PATH, format!("requirepass {}\n", quote(password.reveal())));
    [settings.as_settings(), secret]
}

fn render(extra: &[String]) -> String {
    let extra: String = extra.iter().map(|line| format!("{line}\n")).collect();
    format!(
        "bind 0.0.0.0\n\
         port 6379\n\
         include {PASSWORD_PATH}\n\
         databases {DATABASES}\n\
         save 86400 1\n\
         stop-writes-on-bgsave-error no\n\
         appendonly no\n\
         maxmemory-policy noeviction\n\
         {extra}"
    )
}

/// A text in double quotes, as `sdssplitargs` reads it: everything but plain ASCII in hexadecimal.
fn quote(text: &str) -> String {
    let mut out = String::from("\"");
    for byte in text.bytes() {
        match byte {
            b'"' | b'\\' => out.extend(['\\', char::from(byte)]),
            b' '..=b'~' => out.push(char::from(byte)),
            _ => out.push_str(&format!("\\x{byte:02x}")),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_file() {
        insta::assert_snapshot!(render(&["appendonly yes".to_owned()]), @r"
        bind 0.0.0.0
        port 6379
        include /etc/testcelery/password.conf
        databases 256
        save 86400 1
        stop-writes-on-bgsave-error no
        appendonly no
        maxmemory-policy noeviction
        appendonly yes
        ");
    }

    #[test]
    fn the_password_is_no_setting_to_translate() {
        let [settings, secret] = files(&Secret::new("0.0.0.0"), &[]);
        assert!(settings.is_settings() && !secret.is_settings());
        assert_eq!(secret.text(PASSWORD_PATH), Some("requirepass \"0.0.0.0\"\n"));
    }

    #[test]
    fn any_password_stays_one_word() {
        assert_eq!(quote("a b\"\\\n\u{e9}"), r#""a b\"\\\x0a\xc3\xa9""#);
    }
}
