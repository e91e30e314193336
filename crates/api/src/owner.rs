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
    /// Its process namespace (the number in `/proc/self/ns/pid`); empty where that is not known, or `/proc` shows another one.
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

    /// Whether it is or was a process of this boot and this process namespace, and this process may see it. Process numbers that any other has
    /// written down mean nothing here. A `/proc` that is mounted with `hidepid` hides processes of other users.
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
            && !is_hidden(self.pid)
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
    // A new namespace without a `/proc` of its own: its process numbers are somebody else's there.
    let own = fs::read_link("/proc/self").unwrap_or_default();
    if own.as_os_str() != std::process::id().to_string().as_str() {
        return String::new();
    }
    let link = fs::read_link("/proc/self/ns/pid").unwrap_or_default();
    link.to_string_lossy().chars().filter(char::is_ascii_digit).collect()
}

/// Returns true for a process that exists and is not shown.
#[cfg(unix)]
fn is_hidden(pid: u32) -> bool {
    use rustix::{
        io::Errno,
        process::{Pid, test_kill_process},
    };

    // The order matters: a process that ends in between is not hidden.
    let is_shown = || fs::read_to_string(format!("/proc/{pid}/stat")).is_ok();
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    !is_shown() && pid.is_some_and(|pid| test_kill_process(pid) != Err(Errno::SRCH))
}

#[cfg(not(unix))]
fn is_hidden(_: u32) -> bool {
    false
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

    /// Set for a child that judges the owner that it names.
    #[cfg(target_os = "linux")]
    const JUDGED: &str = "OWNER_TEST_JUDGED";

    /// Runs a test again behind a shell script. Only root can run some of them: then `false`.
    #[cfg(target_os = "linux")]
    fn is_confirmed_by(test: &str, unshare: &[&str], script: &str) -> bool {
        let own = std::env::current_exe().unwrap();
        let run = |command: &str| {
            let mut unshared = std::process::Command::new("unshare");
            unshared.args(unshare).args(["sh", "-c", command]).arg(&own).arg(test);
            unshared.env(JUDGED, Owner::of_this_process().to_string()).output()
        };
        // The program may be where another user cannot read it.
        if !run(&format!("{script} \"$0\" --list")).is_ok_and(|listed| listed.status.success()) {
            return false;
        }
        let output = run(&format!("{script} \"$0\" --exact --nocapture \"$1\"")).unwrap();
        assert!(output.status.success(), "{output:?}");
        true
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_process_that_proc_hides_may_live() {
        if let Ok(owner) = std::env::var(JUDGED) {
            let owner = Owner::parse(&owner).unwrap();
            assert_eq!(start_time(owner.pid), None);
            assert!(!owner.is_dead() && !owner.is_here());
            return;
        }
        let script = "mount -t proc -o hidepid=2 proc /proc && \
                      exec setpriv --reuid 65534 --regid 65534 --clear-groups";
        is_confirmed_by("owner::tests::a_process_that_proc_hides_may_live", &["--mount"], script);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn process_numbers_of_another_proc_are_not_looked_for() {
        if std::env::var_os(JUDGED).is_some() {
            let own = Owner::of_this_process();
            assert!(!own.is_dead() && !own.is_here() && own.namespace.is_empty(), "{own}");
            return;
        }
        let test = "owner::tests::process_numbers_of_another_proc_are_not_looked_for";
        is_confirmed_by(test, &["--pid", "--fork"], "exec");
    }
}
