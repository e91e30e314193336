//! What signals do to a process: every test runs itself as a child, sends it signals, and looks at how it ends.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    io::{BufRead, BufReader, Write},
    os::unix::process::ExitStatusExt,
    process::{Child, ChildStdout, Command, ExitStatus, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use testcelery_interrupt::{Interrupt, Watch, first};

/// Set in a child.
const CHILD: &str = "INTERRUPT_TEST_CHILD";
const SIGINT: i32 = 2;
const SIGTERM: i32 = 15;
/// How long a child that was sent its last signal may take.
const LIMIT: Duration = Duration::from_secs(30);

fn is_child() -> bool {
    std::env::var_os(CHILD).is_some()
}

/// Not `println!`, whose output libtest keeps for itself.
fn say(line: &str) {
    std::io::stdout().write_all(format!("\n{line}\n").as_bytes()).unwrap();
}

fn sleep() -> ! {
    loop {
        std::thread::park();
    }
}

fn report(interrupt: Interrupt) {
    assert_eq!(first(), Some(interrupt));
    say(&format!("reacts: {interrupt}"));
}

fn report_and_hang(interrupt: Interrupt) {
    report(interrupt);
    sleep();
}

struct Running {
    child: Child,
    lines: BufReader<ChildStdout>,
}

/// Starts a test of this file again, behind a shell that does something first.
fn start(test: &str, shell: &str) -> Running {
    let script = format!("{shell} exec \"$0\" --exact --nocapture {test}");
    let mut command = Command::new("/bin/sh");
    command.args(["-c", &script]).arg(std::env::current_exe().unwrap()).env(CHILD, "1");
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap());
    Running { child, lines }
}

impl Running {
    fn until(&mut self, line: &str) {
        let mut seen = String::new();
        while seen.trim_end() != line {
            seen.clear();
            assert!(self.lines.read_line(&mut seen).unwrap() > 0, "it ended before it wrote {line:?}");
        }
    }

    fn signal(&self, signal: &str) {
        let sent = Command::new("kill").args([signal, &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    /// Waits for its end. One that does not end is killed, and its status then differs from every one that is expected.
    fn ended(mut self) -> ExitStatus {
        let (end, ended) = mpsc::channel::<()>();
        let pid = self.child.id().to_string();
        let killer = thread::spawn(move || {
            if ended.recv_timeout(LIMIT) == Err(mpsc::RecvTimeoutError::Timeout) {
                Command::new("kill").args(["-KILL", &pid]).status().unwrap();
            }
        });
        let status = self.child.wait().unwrap();
        drop(end);
        killer.join().unwrap();
        status
    }
}

#[test]
fn the_first_signal_reacts_and_ends_the_process_by_it() {
    if is_child() {
        let _watch = Watch::begin(report).unwrap();
        say("up");
        sleep();
    }
    for (signal, number, name) in [("-INT", SIGINT, "interrupted"), ("-TERM", SIGTERM, "terminated")] {
        let mut child = start("the_first_signal_reacts_and_ends_the_process_by_it", "");
        child.until("up");
        child.signal(signal);
        child.until(&format!("reacts: {name}"));
        assert_eq!(child.ended().signal(), Some(number));
    }
}

#[test]
fn the_second_signal_ends_the_process_at_once() {
    if is_child() {
        let _watch = Watch::begin(report_and_hang).unwrap();
        say("up");
        sleep();
    }
    let mut child = start("the_second_signal_ends_the_process_at_once", "");
    child.until("up");
    child.signal("-INT");
    child.until("reacts: interrupted");
    child.signal("-TERM");
    assert_eq!(child.ended().signal(), Some(SIGTERM));
}

#[test]
fn nothing_stays_when_the_last_watch_has_ended() {
    if is_child() {
        let before = handled();
        let one = Watch::begin(report).unwrap();
        let other = Watch::begin(report).unwrap();
        drop(one);
        assert_ne!(handled(), before);
        drop(other);
        assert_eq!(handled(), before);
        drop(Watch::begin(report).unwrap());
        assert_eq!(handled(), before);
        say("up");
        sleep();
    }
    for (signal, number) in [("-INT", SIGINT), ("-TERM", SIGTERM)] {
        let mut child = start("nothing_stays_when_the_last_watch_has_ended", "");
        child.until("up");
        child.signal(signal);
        assert_eq!(child.ended().signal(), Some(number));
    }
}

/// The signals for which the process has a handler (proc(5)); empty on a system that does not tell.
fn handled() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("SigCgt")).unwrap_or_default();
    assert!(!line.is_empty() || cfg!(not(target_os = "linux")), "{status}");
    line.to_owned()
}

#[test]
fn an_ignored_signal_stays_ignored() {
    if is_child() {
        let _watch = Watch::begin(report).unwrap();
        say("up");
        sleep();
    }
    let mut child = start("an_ignored_signal_stays_ignored", "trap '' INT;");
    child.until("up");
    child.signal("-INT");
    child.signal("-TERM");
    child.until("reacts: terminated");
    assert_eq!(child.ended().signal(), Some(SIGTERM));
}

/// Waits for Ctrl-C as a program with tokio does.
async fn listen() {
    tokio::signal::ctrl_c().await.unwrap();
    say("tokio heard it");
}

#[tokio::test]
async fn a_handler_that_was_there_before_is_there_again() {
    if is_child() {
        let mut listener = Box::pin(listen());
        // Polled once: the handler is there now.
        assert!(futures_now(&mut listener).await.is_none());
        drop(Watch::begin(report).unwrap());
        say("up");
        listener.await;
        return;
    }
    let mut child = start("a_handler_that_was_there_before_is_there_again", "");
    child.until("up");
    child.signal("-INT");
    child.until("tokio heard it");
    assert_eq!(child.ended().code(), Some(0));
}

/// The handler that came later calls that of the first watch, below which it was set, and is called by that of the second.
#[tokio::test]
async fn a_handler_that_came_later_stays_and_is_called_once() {
    if is_child() {
        let watch = Watch::begin(report).unwrap();
        let mut listener = Box::pin(listen());
        assert!(futures_now(&mut listener).await.is_none());
        drop(watch);
        let watch = match std::env::var(CHILD).as_deref() {
            Ok("again") => Some(Watch::begin(report_and_hang).unwrap()),
            _ => None,
        };
        say("up");
        listener.await;
        if watch.is_some() {
            sleep();
        }
        return;
    }
    let mut child = start("a_handler_that_came_later_stays_and_is_called_once", "");
    child.until("up");
    child.signal("-INT");
    child.until("tokio heard it");
    assert_eq!(child.ended().code(), Some(0));

    let mut child =
        start("a_handler_that_came_later_stays_and_is_called_once", &format!("export {CHILD}=again;"));
    child.until("up");
    child.signal("-TERM");
    child.until("reacts: terminated");
    child.signal("-INT");
    assert_eq!(child.ended().signal(), Some(SIGINT));

    let mut child =
        start("a_handler_that_came_later_stays_and_is_called_once", &format!("export {CHILD}=again;"));
    child.until("up");
    child.signal("-INT");
    child.until("tokio heard it");
    child.signal("-INT");
    assert_eq!(child.ended().signal(), Some(SIGINT));
}

/// A handler that came later, and does not return.
extern "C" fn hang(_: std::ffi::c_int) {
    say("the handler hangs");
    sleep();
}

/// The first signal is still in the handler that came later, on another thread.
#[test]
fn the_second_signal_ends_the_process_while_a_later_handler_runs() {
    if is_child() {
        let watch = Watch::begin(report).unwrap();
        let hang = hang as extern "C" fn(std::ffi::c_int) as usize;
        // SAFETY: the handler has the type of one without details. It writes and waits, in a process that does nothing else.
        #[expect(unsafe_code, reason = "no crate sets such a handler without it")]
        let before = unsafe { libc::signal(libc::SIGINT, hang) };
        assert_ne!(before, libc::SIG_ERR);
        drop(watch);
        let _watch = Watch::begin(report_and_hang).unwrap();
        say("up");
        sleep();
    }
    let mut child = start("the_second_signal_ends_the_process_while_a_later_handler_runs", "");
    child.until("up");
    child.signal("-INT");
    child.until("the handler hangs");
    child.signal("-INT");
    assert_eq!(child.ended().signal(), Some(SIGINT));
}

/// What a future gives if it is ready now.
async fn futures_now<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
    tokio::time::timeout(Duration::ZERO, future).await.ok()
}
