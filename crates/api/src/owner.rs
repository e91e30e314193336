//! Who made something, so that it can be taken away when its maker is gone.

use std::{collections::HashMap, fs};

/// A process, named so that neither a recycled process number nor another machine or container is taken for it.
///
/// Its text, as `pid=4711 start=123456 boot=<id> ns=<number>`, is what engines write to what they make.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Owner {
    /// Its process number.
    pub pid: u32,
    /// When it started, in clock ticks since the boot (field 22 of `/proc/<pid>/stat`); 0 where that is not known.
    pub start: u64,
    /// The boot of its machine (`/proc/sys/kernel/random/boot_id`); empty where that is not known.
    pub boot: String,
    /// Its process namespace (the number in `/proc/self/ns/pid`); empty where that is not known.
    pub namespace: String,
}

impl Owner {
    /// This process.
    pub fn of_this_process() -> Self {
        let pid = std::process::id();
        Self { pid, start: start_time(pid).unwrap_or(0), boot: boot_id(), namespace: pid_namespace() }
    }

    /// Reads its text; `None` for one that is no owner.
    pub fn parse(text: &str) -> Option<Self> {
        let parts: HashMap<&str, &str> = text.split(' ').filter_map(|part| part.split_once('=')).collect();
        Some(Self {
            pid: parts.get("pid")?.parse().ok()?,
            start: parts.get("start")?.parse().ok()?,
            boot: (*parts.get("boot")?).to_owned(),
            namespace: (*parts.get("ns")?).to_owned(),
        })
    }

    /// Whether it is known to have ended. A process of another machine or container, or of a system without `/proc`, is never
    /// known to.
    pub fn is_dead(&self) -> bool {
        self.is_here() && start_time(self.pid) != Some(self.start)
    }

    /// Whether it is or was a process of this boot and this process namespace. Process numbers that any other has written down mean nothing
    /// here.
    ///
    /// ```
    /// use testcelery_api::Owner;
    ///
    /// let own = Owner::of_this_process();
    /// assert!(!Owner { boot: "another".to_owned(), ..own }.is_here());
    /// ```
    pub fn is_here(&self) -> bool {
        !self.boot.is_empty()
            && !self.namespace.is_empty()
            && self.boot == boot_id()
            && self.namespace == pid_namespace()
    }
}

impl std::fmt::Display for Owner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { pid, start, boot, namespace } = self;
        write!(f, "pid={pid} start={start} boot={boot} ns={namespace}")
    }
}

fn boot_id() -> String {
    let text = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    text.trim().to_owned()
}

fn pid_namespace() -> String {
    let link = fs::read_link("/proc/self/ns/pid").unwrap_or_default();
    link.to_string_lossy().chars().filter(char::is_ascii_digit).collect()
}

/// When a process started, in clock ticks since the boot (field 22 of `/proc/<pid>/stat`); `None` where it has ended or nothing tells.
pub fn start_time(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field is the program's name in parentheses and may hold anything: count from behind the last one.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?;
    // A zombie has ended; its parent has not asked yet.
    (state != "Z").then_some(())?;
    fields.nth(18)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_owner_survives_its_text() {
        let owner = Owner::of_this_process();
        assert_eq!(Owner::parse(&owner.to_string()), Some(owner));
        for text in ["", "4711", "pid=x start=1 boot=b ns=1", "pid=1 start=1 boot=b"] {
            assert_eq!(Owner::parse(text), None, "{text}");
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn who_is_dead() {
        let me = Owner::of_this_process();
        assert!(!me.is_dead());
        // The same number, started at another time: a recycled process number.
        let earlier = Owner { start: me.start + 1, ..me.clone() };
        assert!(earlier.is_dead());
        let elsewhere = Owner { boot: "another".into(), ..earlier.clone() };
        assert!(!elsewhere.is_dead());
        let contained = Owner { namespace: "1".into(), ..earlier };
        assert!(!contained.is_dead());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_child_that_ended_is_dead_even_before_it_is_waited_for() {
        let mut child = std::process::Command::new("sleep").arg("30").spawn().unwrap();
        let owner =
            Owner { pid: child.id(), start: start_time(child.id()).unwrap(), ..Owner::of_this_process() };
        assert!(!owner.is_dead());
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(owner.is_dead());
    }
}
