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

/// Refuses a URL that has an option (`?name=value`) other than those that are followed.
///
/// # Errors
/// The first such option, by its name.
pub fn refuse_options(url: &ConnectionUrl, followed: &[&str]) -> Result<(), String> {
    let Some(name) = url.unknown_option(followed) else {
        return Ok(());
    };
    let known = match followed {
        [] => "none is known".to_owned(),
        _ => format!("known are {}", followed.join(", ")),
    };
    Err(format!("option `{name}` of the URL is not supported; {known}", name = testcelery_api::shorten(name)))
}

impl Address for ConnectionUrl {
    fn url(&self) -> Result<ConnectionUrl, BoxError> {
        Ok(self.clone())
    }
}
