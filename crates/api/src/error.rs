//! The error of this crate, shared by engines and components.

use crate::{Capability, Evidence, indent_lines, shorten};

/// Any error of another crate, kept as a source.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What can go wrong between a recipe and a running node.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Something did not happen in time.
    #[error("container `{}`: {_0}", _0.container)]
    Timeout(Box<Evidence>),

    /// A container ended while something was waited for.
    #[error("container `{}` ended too early: {_0}", _0.container)]
    Exited(Box<Evidence>),

    /// A container runs and can never become ready.
    #[error("container `{}` cannot become ready: {_0}", _0.container)]
    NeverReady(Box<Evidence>),

    /// No engine could be reached.
    #[error("no {engine} daemon could be reached:\n{}\n  {hint}", tried_lines(tried))]
    NoEngine {
        /// The engine.
        engine: &'static str,
        /// Each address that was tried: the rule that named it, the address, and why it failed.
        tried: Vec<(String, String, String)>,
        /// What to start or set.
        hint: String,
    },

    /// An image is not there and cannot be had.
    #[error("image `{reference}` is not present and could not be pulled ({reason}); {hint}")]
    ImageMissing {
        /// The reference.
        reference: String,
        /// Why the pull failed, or that it was not allowed.
        reason: String,
        /// The command that provides it.
        hint: String,
    },

    /// What a component runs is not to be had on this machine.
    #[error("`{software}` is not to be had on this machine: {problem}")]
    NoSoftware {
        /// The program, or what packages are for.
        software: String,
        /// Why, and what to do.
        problem: String,
    },

    /// The build of an image failed.
    #[error("building image `{tag}` failed at `{step}`: {reason}{}", indent_lines(&last_lines.join("\n")))]
    ImageBuild {
        /// The tag that was to be built.
        tag: String,
        /// The step of the Dockerfile.
        step: String,
        /// What the engine said.
        reason: String,
        /// The last lines of the build's output.
        last_lines: Vec<String>,
    },

    /// An engine lacks a capability that a component needs.
    #[error("the {engine} engine cannot do {capability}: {hint}")]
    Unsupported {
        /// The engine.
        engine: String,
        /// What it lacks.
        capability: Capability,
        /// What to do instead.
        hint: String,
    },

    /// A call to an engine failed.
    #[error("{engine}: could not {operation} `{subject}`")]
    Engine {
        /// The engine.
        engine: &'static str,
        /// What was to be done, as in "could not start".
        operation: &'static str,
        /// The container, network or image.
        subject: String,
        /// Why.
        #[source]
        source: BoxError,
    },

    /// A component is configured with something that cannot work; nothing was started.
    #[error("component `{component}`: {problem}")]
    Component {
        /// The component.
        component: String,
        /// What is wrong and what to do.
        problem: String,
        /// The underlying error, where there is one.
        #[source]
        source: Option<BoxError>,
    },

    /// Two components have one name; nothing was started.
    #[error(
        "two components are named `{name}`: {first} and {second}; give one of them another name with `.named(..)`"
    )]
    DuplicateName {
        /// The name.
        name: String,
        /// The first component.
        first: String,
        /// The second component.
        second: String,
    },

    /// A command inside a container failed.
    #[error("container `{container}`: `{command}` exited with code {code}: {}", one_or_more(stderr))]
    Exec {
        /// The container.
        container: String,
        /// The command.
        command: String,
        /// Its exit code.
        code: i64,
        /// What it wrote to standard error.
        stderr: String,
    },

    /// A container does not publish the port that was asked for, or does not run.
    #[error("container `{container}` has no endpoint for port {port}: {problem}")]
    NoEndpoint {
        /// The container.
        container: String,
        /// The port inside the container.
        port: u16,
        /// Why.
        problem: String,
    },
}

impl Error {
    /// A component that is configured with something that cannot work.
    pub fn component(component: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::Component { component: component.into(), problem: problem.into(), source: None }
    }

    /// A component that cannot work because of an underlying error.
    pub fn component_source(
        component: impl Into<String>,
        problem: impl Into<String>,
        source: impl Into<BoxError>,
    ) -> Self {
        Self::Component { component: component.into(), problem: problem.into(), source: Some(source.into()) }
    }

    /// The evidence, where the error is about a container that was waited for.
    pub fn evidence(&self) -> Option<&Evidence> {
        match self {
            Self::Timeout(evidence) | Self::Exited(evidence) | Self::NeverReady(evidence) => Some(evidence),
            _ => None,
        }
    }
}

fn tried_lines(tried: &[(String, String, String)]) -> String {
    let lines: Vec<String> =
        tried.iter().map(|(rule, address, reason)| format!("  {address} ({rule}): {reason}")).collect();
    lines.join("\n")
}

/// One line behind what was said, several below it.
fn one_or_more(text: &str) -> String {
    let text = text.trim();
    if text.contains('\n') { indent_lines(text) } else { shorten(text).into_owned() }
}
