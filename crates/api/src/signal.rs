//! Signals by their POSIX names.

use std::{fmt, str::FromStr};

/// A signal to send to the main process of a container.
///
/// The constants are the ones that Celery gives a meaning to; [`Signal::named`] takes any other that the engine knows.
///
/// ```
/// use testcelery_api::Signal;
///
/// assert_eq!("TERM".parse::<Signal>()?, Signal::TERM);
/// assert_eq!(Signal::named("SIGUSR1").to_string(), "SIGUSR1");
/// # Ok::<(), std::convert::Infallible>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Signal(std::borrow::Cow<'static, str>);

impl Signal {
    /// `SIGTERM`: Celery's warm shutdown.
    pub const TERM: Self = Self(std::borrow::Cow::Borrowed("SIGTERM"));
    /// `SIGQUIT`: Celery's cold shutdown.
    pub const QUIT: Self = Self(std::borrow::Cow::Borrowed("SIGQUIT"));
    /// `SIGINT`: what Ctrl-C sends.
    pub const INT: Self = Self(std::borrow::Cow::Borrowed("SIGINT"));
    /// `SIGHUP`: Celery's restart.
    pub const HUP: Self = Self(std::borrow::Cow::Borrowed("SIGHUP"));
    /// `SIGKILL`: no clean-up, no last word.
    pub const KILL: Self = Self(std::borrow::Cow::Borrowed("SIGKILL"));
    /// `SIGUSR1`: user-defined.
    pub const USR1: Self = Self(std::borrow::Cow::Borrowed("SIGUSR1"));

    /// Any signal by name, with or without `SIG`, in any case.
    pub fn named(name: &str) -> Self {
        let upper = name.trim().to_ascii_uppercase();
        let full = if upper.starts_with("SIG") || upper.bytes().all(|b| b.is_ascii_digit()) {
            upper
        } else {
            format!("SIG{upper}")
        };
        Self(full.into())
    }

    /// The name, as `SIGTERM`.
    pub fn name(&self) -> &str {
        &self.0
    }
}

impl FromStr for Signal {
    type Err = std::convert::Infallible;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Ok(Self::named(name))
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
