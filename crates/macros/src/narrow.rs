//! Narrowing of the matrix by environment.

/// The variables that narrow, one per axis.
pub(crate) const BROKERS: &str = "TESTCELERY_BROKERS";
pub(crate) const BACKENDS: &str = "TESTCELERY_BACKENDS";

/// What the environment asks for while the tests are compiled. `None` asks for everything.
#[derive(Default)]
pub(crate) struct Narrowing {
    pub(crate) brokers: Option<Vec<String>>,
    pub(crate) backends: Option<Vec<String>>,
}

impl Narrowing {
    /// Reads both variables.
    pub(crate) fn from_env() -> Self {
        Self { brokers: names(std::env::var(BROKERS).ok()), backends: names(std::env::var(BACKENDS).ok()) }
    }
}

fn names(value: Option<String>) -> Option<Vec<String>> {
    let names: Vec<String> =
        value?.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect();
    // An empty variable is an unset one, as everywhere in a shell.
    (!names.is_empty()).then_some(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_split_and_trimmed() {
        assert_eq!(names(Some("redis, rabbitmq,".into())), Some(vec!["redis".into(), "rabbitmq".into()]));
        assert_eq!(names(Some(" ".into())), None);
        assert_eq!(names(None), None);
    }
}
