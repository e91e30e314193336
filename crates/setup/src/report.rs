//! One line of figures per test, for whoever runs the tests.

use std::{fs::OpenOptions, io::Write, path::PathBuf, time::Duration};

use serde::Serialize;

use crate::{Error, Result};

/// The variable that names the file to which each test appends its line.
const REPORT: &str = "TESTCELERY_REPORT";

/// What one test took.
#[derive(Debug, Serialize)]
pub(crate) struct Report<'a> {
    pub(crate) test: &'a str,
    pub(crate) engine: &'static str,
    /// `passed`, `failed` or `skipped`.
    pub(crate) outcome: &'static str,
    /// Why it was skipped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<String>,
    pub(crate) boot_ms: u128,
    pub(crate) body_ms: u128,
    pub(crate) teardown_ms: u128,
    /// The part of the boot in which any container booted by itself.
    pub(crate) components_ms: u128,
}

impl Report<'_> {
    /// Appends the line, where somebody asked for it.
    pub(crate) fn write(&self) -> Result<()> {
        let Some(path) = std::env::var_os(REPORT).map(PathBuf::from) else {
            return Ok(());
        };
        let failed = |source| Error::Report { path: path.clone(), source };
        let mut line = serde_json::to_vec(self).map_err(|error| failed(error.into()))?;
        line.push(b'\n');
        let mut file = OpenOptions::new().create(true).append(true).open(&path).map_err(failed)?;
        // One write call: lines of concurrent tests do not mix.
        file.write_all(&line).map_err(failed)
    }
}

/// Milliseconds, as the report counts.
pub(crate) fn ms(duration: Duration) -> u128 {
    duration.as_millis()
}
