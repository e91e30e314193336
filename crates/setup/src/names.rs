//! Names of nodes: asked for, or `broker`, `backend-2`, `worker-1` and so on.

use testcelery_api::{Component, Error};

/// Names inside one setup. A name is a host name in the network, so two nodes cannot share one.
#[derive(Debug, Default)]
pub(crate) struct Names {
    taken: Vec<(String, String)>,
}

impl Names {
    /// The names for the components of one role, in order.
    pub(crate) fn assign<'a>(
        &mut self,
        role: &str,
        components: impl ExactSizeIterator<Item = &'a dyn Component>,
    ) -> Result<Vec<String>, Error> {
        let alone = components.len() == 1;
        let mut names = Vec::with_capacity(components.len());
        for (place, component) in components.enumerate() {
            let name = match component.name() {
                Some(name) => name.to_owned(),
                None if alone => role.to_owned(),
                None => format!("{role}-{}", place + 1),
            };
            check(&name, component.kind())?;
            self.take(&name, format!("{role} {} ({})", place + 1, component.kind()))?;
            names.push(name);
        }
        Ok(names)
    }

    fn take(&mut self, name: &str, owner: String) -> Result<(), Error> {
        if let Some((_, first)) = self.taken.iter().find(|(taken, _)| taken == name) {
            return Err(Error::DuplicateName { name: name.to_owned(), first: first.clone(), second: owner });
        }
        self.taken.push((name.to_owned(), owner));
        Ok(())
    }
}

/// A name has to be a host name label (RFC 1123): it is how the nodes find each other.
fn check(name: &str, kind: &str) -> Result<(), Error> {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let fits = !name.is_empty()
        && name.len() <= 40
        && name.chars().all(inner)
        && !name.starts_with('-')
        && !name.ends_with('-');
    if fits {
        return Ok(());
    }
    let problem = format!(
        "the name {name:?} cannot be a host name: use up to 40 of a-z, 0-9 and -, not beginning or ending with -"
    );
    Err(Error::component(kind, problem))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Fake(Option<&'static str>);

    impl Component for Fake {
        fn kind(&self) -> &str {
            "fake"
        }

        fn name(&self) -> Option<&str> {
            self.0
        }
    }

    fn assign(names: &mut Names, role: &str, components: &[Fake]) -> Result<Vec<String>, Error> {
        names.assign(role, components.iter().map(|component| component as &dyn Component))
    }

    #[test]
    fn numbered_where_there_are_several() {
        let mut names = Names::default();
        assert_eq!(assign(&mut names, "broker", &[Fake(None)]).unwrap(), ["broker"]);
        let workers = [Fake(None), Fake(Some("legacy")), Fake(None)];
        assert_eq!(assign(&mut names, "worker", &workers).unwrap(), ["worker-1", "legacy", "worker-3"]);
    }

    #[test]
    fn a_name_is_taken_once() {
        let mut names = Names::default();
        assign(&mut names, "broker", &[Fake(Some("store"))]).unwrap();
        let error = assign(&mut names, "backend", &[Fake(Some("store"))]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "two components are named `store`: broker 1 (fake) and backend 1 (fake); give one of them another name with `.named(..)`"
        );
    }

    #[test]
    fn a_name_is_a_host_name() {
        for bad in ["", "My", "a_b", "-a", "a-", "a.b", "ä"] {
            let error = assign(&mut Names::default(), "broker", &[Fake(Some(bad))]).unwrap_err();
            assert!(error.to_string().contains("host name"), "{bad}: {error}");
        }
    }
}
