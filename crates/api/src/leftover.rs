//! What processes that ended without taking it away have left on an engine.

use std::fmt;

use crate::Owner;

/// Whose things are meant.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Filter {
    /// Everything of ours.
    All,
    /// Everything of one session: see [`session_id`](crate::session_id).
    Session(String),
    /// Everything whose owner is known to have ended: see [`Owner::is_dead`]. An engine may know of more owners that they have ended.
    DeadOwner,
    /// Everything of one process.
    Owner(Owner),
}

impl Filter {
    /// Whether something is meant.
    pub fn matches(&self, leftover: &Leftover) -> bool {
        match self {
            Self::All => true,
            Self::Session(session) => leftover.session == *session,
            Self::DeadOwner => leftover.owner.as_ref().is_some_and(Owner::is_dead),
            Self::Owner(owner) => leftover.owner.as_ref() == Some(owner),
        }
    }
}

/// Something on an engine that is ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leftover {
    /// What it is, as `container`.
    pub kind: &'static str,
    /// Its name on the engine.
    pub name: String,
    /// Its session.
    pub session: String,
    /// Who made it, where that can be read.
    pub owner: Option<Owner>,
}

impl fmt::Display for Leftover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} (session {})", self.kind, self.name, self.session)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leftover(session: &str, owner: Option<Owner>) -> Leftover {
        Leftover { kind: "container", name: "n".into(), session: session.into(), owner }
    }

    #[test]
    fn filters() {
        let mine = leftover("s1", Some(Owner::of_this_process()));
        assert!(Filter::All.matches(&mine));
        assert!(Filter::Session("s1".into()).matches(&mine));
        assert!(!Filter::Session("s2".into()).matches(&mine));
        assert!(!Filter::DeadOwner.matches(&mine));
        assert!(Filter::Owner(Owner::of_this_process()).matches(&mine));
        let other = Owner { pid: 0, ..Owner::of_this_process() };
        assert!(!Filter::Owner(other).matches(&mine));
        // An owner that cannot be read proves nothing.
        assert!(!Filter::DeadOwner.matches(&leftover("s1", None)));
        assert_eq!(mine.to_string(), "container n (session s1)");
    }
}
