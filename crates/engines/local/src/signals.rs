//! Signals by name or number, as the system counts them.

use std::io;

use rustix::process::Signal as Number;
use testcelery_api::Signal;

/// The numbers that are the same on all systems have names in every shell; the rest is the kernel's.
const NAMES: &[(&str, Number)] = &[
    ("SIGHUP", Number::HUP),
    ("SIGINT", Number::INT),
    ("SIGQUIT", Number::QUIT),
    ("SIGILL", Number::ILL),
    ("SIGTRAP", Number::TRAP),
    ("SIGABRT", Number::ABORT),
    ("SIGBUS", Number::BUS),
    ("SIGFPE", Number::FPE),
    ("SIGKILL", Number::KILL),
    ("SIGUSR1", Number::USR1),
    ("SIGSEGV", Number::SEGV),
    ("SIGUSR2", Number::USR2),
    ("SIGPIPE", Number::PIPE),
    ("SIGALRM", Number::ALARM),
    ("SIGTERM", Number::TERM),
    ("SIGCHLD", Number::CHILD),
    ("SIGCONT", Number::CONT),
    ("SIGSTOP", Number::STOP),
    ("SIGTSTP", Number::TSTP),
    ("SIGTTIN", Number::TTIN),
    ("SIGTTOU", Number::TTOU),
    ("SIGURG", Number::URG),
    ("SIGXCPU", Number::XCPU),
    ("SIGXFSZ", Number::XFSZ),
    ("SIGVTALRM", Number::VTALARM),
    ("SIGPROF", Number::PROF),
    ("SIGWINCH", Number::WINCH),
    ("SIGIO", Number::IO),
    ("SIGSYS", Number::SYS),
];

/// The signal of a name, as `SIGTERM`, or of a number, as `15`.
pub(crate) fn number(signal: &Signal) -> io::Result<Number> {
    let by_name = NAMES.iter().find(|(name, _)| *name == signal.name()).map(|(_, number)| *number);
    let by_number = || Number::from_named_raw(signal.name().parse().ok()?);
    by_name.or_else(by_number).ok_or_else(|| io::Error::other(format!("there is no signal {signal}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_name_and_by_number() {
        assert_eq!(number(&Signal::QUIT).unwrap(), Number::QUIT);
        assert_eq!(number(&Signal::named("usr2")).unwrap(), Number::USR2);
        assert_eq!(number(&Signal::named("15")).unwrap(), Number::TERM);
        assert_eq!(number(&Signal::named("LOUD")).unwrap_err().to_string(), "there is no signal SIGLOUD");
        assert!(number(&Signal::named("0")).is_err());
    }
}
