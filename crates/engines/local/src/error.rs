//! Errors of this engine in the words of the api.

use testcelery_api::{BoxError, Error};

/// The engine's name.
pub(crate) const ENGINE: &str = "local";

/// Makes an error of what failed: `map_err(failed("start", name))`.
pub(crate) fn failed<E: Into<BoxError>>(
    operation: &'static str,
    subject: impl Into<String>,
) -> impl FnOnce(E) -> Error {
    let subject = subject.into();
    move |source| Error::Engine { engine: ENGINE, operation, subject, source: source.into() }
}
