//! The user that a container runs as, in numbers.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use bollard::{Docker as Client, query_parameters::InspectContainerOptions};
use testcelery_api::BoxError;

use crate::upload::read_text;

/// The tables of users and groups of images, by the image's identifier. One image has one, so that each is read once.
#[derive(Debug, Default)]
pub(crate) struct Users(Mutex<HashMap<String, Arc<Tables>>>);

/// The texts of `/etc/passwd` and `/etc/group`; empty where the image has none.
#[derive(Debug, Default)]
struct Tables {
    passwd: String,
    group: String,
}

/// The user and the group that a container runs as: what it was created with, else what its image says, else root.
pub(crate) async fn user_of(client: &Client, users: &Users, container: &str) -> Result<(u32, u32), BoxError> {
    let inspected = client.inspect_container(container, None::<InspectContainerOptions>).await?;
    let user = inspected.config.and_then(|config| config.user).unwrap_or_default();
    match Wanted::parse(&user) {
        Wanted { user: Named::Number(uid), group: Some(Named::Number(gid)) } => Ok((uid, gid)),
        wanted => {
            let image = inspected.image.unwrap_or_default();
            let tables = tables(client, users, container, &image).await?;
            wanted.find(&tables).map_err(|problem| format!("its user is `{user}`: {problem}").into())
        }
    }
}

async fn tables(
    client: &Client,
    users: &Users,
    container: &str,
    image: &str,
) -> Result<Arc<Tables>, BoxError> {
    let known = users.0.lock().unwrap_or_else(PoisonError::into_inner).get(image).cloned();
    if let Some(tables) = known {
        return Ok(tables);
    }
    let passwd = read_text(client, container, "/etc/passwd").await?.unwrap_or_default();
    let group = read_text(client, container, "/etc/group").await?.unwrap_or_default();
    let tables = Arc::new(Tables { passwd, group });
    users.0.lock().unwrap_or_else(PoisonError::into_inner).insert(image.to_owned(), Arc::clone(&tables));
    Ok(tables)
}

/// A name or a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Named<'a> {
    Name(&'a str),
    Number(u32),
}

/// `user`, `user:group`, each by name or by number; nothing is root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Wanted<'a> {
    user: Named<'a>,
    group: Option<Named<'a>>,
}

impl<'a> Wanted<'a> {
    fn parse(text: &'a str) -> Self {
        let named = |text: &'a str| text.parse().map_or(Named::Name(text), Named::Number);
        let (user, group) = text.split_once(':').unwrap_or((text, ""));
        let user = if user.is_empty() { Named::Number(0) } else { named(user) };
        Self { user, group: (!group.is_empty()).then(|| named(group)) }
    }

    /// As the daemon itself looks them up (`GetExecUser` of moby/sys): a number needs no entry, and without a group the entry says which.
    fn find(self, tables: &Tables) -> Result<(u32, u32), String> {
        let entry = entry(&tables.passwd, self.user);
        let uid = match (self.user, &entry) {
            (_, Some(entry)) => entry.id,
            (Named::Number(uid), None) => uid,
            (Named::Name(name), None) => {
                return Err(format!("there is no user `{name}` in the image's /etc/passwd"));
            }
        };
        let gid = match self.group {
            None => entry.and_then(|entry| entry.next).unwrap_or(0),
            Some(group) => match (group, self::entry(&tables.group, group)) {
                (_, Some(entry)) => entry.id,
                (Named::Number(gid), None) => gid,
                (Named::Name(name), None) => {
                    return Err(format!("there is no group `{name}` in the image's /etc/group"));
                }
            },
        };
        Ok((uid, gid))
    }
}

/// The third field of a line, and the fourth where it is a number: uid and gid of a user, gid of a group.
struct Entry {
    id: u32,
    next: Option<u32>,
}

/// The first line of `name:password:id:..` that has the name or the number.
fn entry(table: &str, wanted: Named<'_>) -> Option<Entry> {
    table.lines().find_map(|line| {
        let mut fields = line.trim().split(':');
        let (name, id) = (fields.next()?, fields.nth(1)?.parse().ok()?);
        let is_it = match wanted {
            Named::Name(wanted) => wanted == name,
            Named::Number(wanted) => wanted == id,
        };
        is_it.then(|| Entry { id, next: fields.next().and_then(|field| field.parse().ok()) })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(user: &str) -> Result<(u32, u32), String> {
        let tables = Tables {
            passwd: "root:x:0:0:root:/root:/bin/sh\n# a comment\nredis:x:999:1000::/:\napp:x:5000:6000::/:\n"
                .to_owned(),
            group: "root:x:0:\nstaff:x:50:redis,app\nredis:x:1000:\n".to_owned(),
        };
        Wanted::parse(user).find(&tables)
    }

    #[test]
    fn names_and_numbers_as_the_daemon_takes_them() {
        for (user, ids) in [
            ("", (0, 0)),
            ("redis", (999, 1000)),
            ("redis:staff", (999, 50)),
            ("app:7", (5000, 7)),
            ("5000", (5000, 6000)),
            ("12345", (12345, 0)),
            ("12345:staff", (12345, 50)),
            ("1:2", (1, 2)),
            ("redis:", (999, 1000)),
        ] {
            assert_eq!(find(user), Ok(ids), "{user}");
        }
    }

    #[test]
    fn a_name_that_nobody_has_is_named() {
        assert_eq!(
            find("nobody-here").unwrap_err(),
            "there is no user `nobody-here` in the image's /etc/passwd"
        );
        assert_eq!(find("redis:wheel").unwrap_err(), "there is no group `wheel` in the image's /etc/group");
    }

    #[test]
    fn an_image_without_tables_has_numbers_only() {
        let find = |user| Wanted::parse(user).find(&Tables::default());
        assert_eq!(find("10001"), Ok((10001, 0)));
        assert!(find("root").is_err());
    }
}
