//! Which engine runs the stack: the one place outside the engines that names them.

use std::sync::{Arc, Once};

use testcelery_api as api;

use crate::{Error, Result, say::say};

#[cfg(feature = "docker")]
pub use testcelery_docker::{self as docker, Docker};
#[cfg(feature = "local")]
pub use testcelery_local::{self as local, Local};

/// The variable that chooses.
pub const ENGINE_VARIABLE: &str = "TESTCELERY_ENGINE";

/// The engines of this build. Each is a Cargo feature: `docker` and `local`, both on by default.
///
/// ```no_run
/// # async fn example() -> testcelery::Result<()> {
/// let engine = testcelery::Engine::auto().await?;
/// println!("stacks run on {}", engine.description());
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Engine;

/// An engine and why it was taken.
#[derive(Debug, Clone)]
pub struct Choice {
    /// The engine.
    pub engine: Arc<dyn api::Engine>,
    /// Why, as the end of a sentence: `because TESTCELERY_ENGINE says so`.
    pub why: String,
}

impl Engine {
    /// The engine that `TESTCELERY_ENGINE` names (`docker` or `local`); without it Docker where a daemon answers, else local processes.
    ///
    /// Which one it is and why is said once in a process, on standard error.
    ///
    /// # Errors
    /// When the variable names no engine of this build, or its engine cannot be reached; without it when there is none at all.
    pub async fn auto() -> Result<Arc<dyn api::Engine>> {
        static SAID: Once = Once::new();
        let Choice { engine, why } = Self::choose().await?;
        SAID.call_once(|| say(format_args!("stacks run on {}, {why}", engine.description())));
        Ok(engine)
    }

    /// As [`auto`](Self::auto), with the reason and without saying it.
    ///
    /// # Errors
    /// As [`auto`](Self::auto).
    pub async fn choose() -> Result<Choice> {
        let because = || format!("because {ENGINE_VARIABLE} says so");
        match std::env::var(ENGINE_VARIABLE).as_deref() {
            Ok("docker") => Ok(Choice { engine: Self::docker().await?, why: because() }),
            Ok("local") => Ok(Choice { engine: Self::local()?, why: because() }),
            Ok("") | Err(_) => Self::whichever().await,
            Ok(other) => {
                Err(Error::Setup(format!("{ENGINE_VARIABLE} is {other:?}; known are `docker` and `local`")))
            }
        }
    }

    async fn whichever() -> Result<Choice> {
        let refused = match Self::docker().await {
            Ok(engine) => return Ok(Choice { engine, why: "because its daemon answers".to_owned() }),
            Err(error) => error,
        };
        match Self::local() {
            Ok(engine) if cfg!(feature = "docker") => {
                let why = format!("because no Docker daemon answers: {}", one_line(&refused));
                Ok(Choice { engine, why })
            }
            Ok(engine) => Ok(Choice { engine, why: "because this build has no other".to_owned() }),
            // The error of the one that this build has.
            Err(_) if cfg!(feature = "docker") => Err(refused),
            Err(_) => Err(Error::Setup(
                "this build has no engine: turn on the feature `docker` or `local` of testcelery, or name an engine of your own with \
                 `SetupBuilder::engine`"
                    .to_owned(),
            )),
        }
    }

    /// The Docker daemon that the `docker` program would use.
    ///
    /// # Errors
    /// When none answers, or this build is without the feature `docker`.
    #[cfg(feature = "docker")]
    pub async fn docker() -> Result<Arc<dyn api::Engine>> {
        Ok(Arc::new(Docker::connect().await?))
    }

    /// Always an error: this build is without the feature `docker`.
    ///
    /// # Errors
    /// Always.
    #[cfg(not(feature = "docker"))]
    #[expect(clippy::unused_async, reason = "as with the feature")]
    pub async fn docker() -> Result<Arc<dyn api::Engine>> {
        Err(without("docker"))
    }

    /// Processes of this machine.
    ///
    /// # Errors
    /// When this build is without the feature `local`.
    #[cfg(feature = "local")]
    pub fn local() -> Result<Arc<dyn api::Engine>> {
        Ok(Arc::new(Local::open()))
    }

    /// Always an error: this build is without the feature `local`.
    ///
    /// # Errors
    /// Always.
    #[cfg(not(feature = "local"))]
    pub fn local() -> Result<Arc<dyn api::Engine>> {
        Err(without("local"))
    }
}

#[cfg(not(all(feature = "docker", feature = "local")))]
fn without(feature: &str) -> Error {
    Error::Setup(format!("this build is without the engine `{feature}`: turn on that feature of testcelery"))
}

/// An error in one line, for a sentence.
fn one_line(error: &Error) -> String {
    let text = error.to_string();
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    lines.join(" ")
}
