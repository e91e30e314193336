//! How answers of the daemon become errors of the api.

use testcelery_api::{BoxError, Error};

/// The name of this engine in messages.
pub const ENGINE: &str = "docker";

/// Maps an error of a call to the daemon: what was to be done, and with what.
pub(crate) fn failed<E: Into<BoxError>>(operation: &'static str, subject: &str) -> impl FnOnce(E) -> Error {
    let subject = subject.to_owned();
    move |source| Error::Engine { engine: ENGINE, operation, subject, source: source.into() }
}

/// An error with everything that caused it, in one line.
pub(crate) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let cause = error.to_string();
        // Several layers repeat the text of the one below.
        if !text.contains(&cause) {
            text.push_str(": ");
            text.push_str(&cause);
        }
        source = error.source();
    }
    text
}
