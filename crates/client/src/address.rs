//! Where a server is, asked anew for every connection.

use std::fmt;

use testcelery_api::{BoxError, ConnectionUrl};

/// Where a broker or backend is reached. Transports ask again for every connection that they make, so that a server which comes back
/// on another port is found.
pub trait Address: Send + Sync + fmt::Debug {
    /// The URL now.
    ///
    /// # Errors
    /// When nobody knows now, as for a container that does not run.
    fn url(&self) -> Result<ConnectionUrl, BoxError>;
}

impl Address for ConnectionUrl {
    fn url(&self) -> Result<ConnectionUrl, BoxError> {
        Ok(self.clone())
    }
}
