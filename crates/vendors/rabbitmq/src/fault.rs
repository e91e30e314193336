//! The failure of an attempt on a connection.

use testcelery_api::BoxError;

use crate::amqp::{self, Verdict};

/// Why an attempt failed, and what may help.
#[derive(Debug)]
pub(crate) enum Fault {
    /// The broker is away, or was lost: the same again, on a new connection.
    Lost(BoxError),
    /// The broker closed the connection for the form of what one of its calls sent: the same again, on a connection without other calls.
    Broken(BoxError),
    /// The broker refuses: nothing.
    Refused(BoxError),
}

impl Fault {
    /// Returns the reason.
    pub(crate) fn into_error(self) -> BoxError {
        let (Self::Lost(error) | Self::Broken(error) | Self::Refused(error)) = self;
        error
    }
}

impl From<lapin::Error> for Fault {
    fn from(error: lapin::Error) -> Self {
        match amqp::verdict(&error) {
            Verdict::Lost => Self::Lost(error.into()),
            Verdict::Broken => Self::Broken(error.into()),
            Verdict::Refused => Self::Refused(error.into()),
        }
    }
}
