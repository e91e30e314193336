//! Which crate may depend on which. The picture is in `docs/architecture.md`.

use cargo_metadata::{DependencyKind, Metadata, Package};

use super::{Violation, shown};

/// Where a crate stands, by its folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Layer {
    Api,
    Client,
    Codegen,
    Engine,
    Vendor,
    Macros,
    /// Signals of the process, for the facade.
    Interrupt,
    Facade,
    /// The vendor of somebody else, which proves what such a one can do without.
    Outsider,
    /// Tests, examples and tasks: they see everything, and nothing sees them.
    Top,
}

impl Layer {
    fn of(folder: &str) -> Self {
        match folder {
            "crates/api" => Self::Api,
            "crates/client" => Self::Client,
            "crates/codegen" => Self::Codegen,
            "crates/interrupt" => Self::Interrupt,
            "crates/macros" => Self::Macros,
            "crates/setup" => Self::Facade,
            "examples/custom_vendor" => Self::Outsider,
            _ if folder.starts_with("crates/engines/") => Self::Engine,
            _ if folder.starts_with("crates/vendors/") => Self::Vendor,
            _ => Self::Top,
        }
    }

    fn may_use(self, other: Self) -> bool {
        match self {
            Self::Api | Self::Interrupt | Self::Macros => false,
            Self::Client | Self::Codegen | Self::Engine | Self::Outsider => other == Self::Api,
            Self::Vendor => matches!(other, Self::Api | Self::Client | Self::Codegen),
            Self::Facade => !matches!(other, Self::Facade | Self::Outsider | Self::Top),
            Self::Top => other != Self::Top,
        }
    }
}

/// Who may depend on a library, in any kind of dependency.
const ONLY: [(&str, &[Layer]); 4] = [
    ("bollard", &[Layer::Engine]),
    ("lapin", &[Layer::Vendor]),
    ("fred", &[Layer::Vendor]),
    ("memcache-async", &[Layer::Vendor]),
];

/// Checks the dependencies of every member.
pub(super) fn check(metadata: &Metadata) -> Vec<Violation> {
    let members = metadata.workspace_packages();
    let layer_of =
        |name: &str| members.iter().find(|member| member.name.as_str() == name).map(|member| layer(member));
    let mut found = Vec::new();
    for member in &members {
        let own = layer(member);
        for dependency in &member.dependencies {
            let used = Used {
                name: &dependency.name,
                layer: layer_of(&dependency.name),
                features: &dependency.features,
                dev: dependency.kind == DependencyKind::Development,
            };
            if let Some(advice) = problem(own, &used) {
                found.push(Violation { path: shown(&member.manifest_path), line: 0, rule: "layers", advice });
            }
        }
    }
    found
}

fn layer(package: &Package) -> Layer {
    Layer::of(package.manifest_path.parent().map(shown).as_deref().unwrap_or_default())
}

struct Used<'a> {
    name: &'a str,
    /// Where it stands, if it is ours.
    layer: Option<Layer>,
    features: &'a [String],
    dev: bool,
}

fn problem(own: Layer, used: &Used<'_>) -> Option<String> {
    let name = used.name;
    if let Some((_, layers)) = ONLY.iter().find(|(library, _)| *library == name)
        && !layers.contains(&own)
    {
        return Some(format!("only {layers:?} crates may depend on `{name}`; use what they offer"));
    }
    if let Some(layer) = used.layer
        && !used.dev
        && !own.may_use(layer)
    {
        return Some(format!(
            "{own:?} may not depend on `{name}` ({layer:?}); put what both need into testcelery-api"
        ));
    }
    if own == Layer::Api
        && name == "tokio"
        && !used.dev
        && used.features.iter().any(|f| f == "net" || f == "full")
    {
        return Some(
            "the api crate knows no networking; leave `net` of tokio to engines and vendors".to_owned(),
        );
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn used<'a>(name: &'a str, folder: Option<&str>) -> Used<'a> {
        Used { name, layer: folder.map(Layer::of), features: &[], dev: false }
    }

    #[test]
    fn arrows_point_one_way() {
        let own = |folder| Layer::of(folder);
        let api = || used("testcelery-api", Some("crates/api"));
        let docker = || used("testcelery-docker", Some("crates/engines/docker"));
        let facade = || used("testcelery", Some("crates/setup"));
        assert_eq!(problem(own("crates/vendors/redis"), &api()), None);
        assert_eq!(problem(own("crates/engines/docker"), &api()), None);
        assert_eq!(problem(own("crates/setup"), &docker()), None);
        assert_eq!(problem(own("e2e"), &facade()), None);
        for (folder, wrong) in [
            ("crates/vendors/redis", docker()),
            ("crates/vendors/redis", facade()),
            ("crates/client", docker()),
            ("crates/api", used("testcelery-client", Some("crates/client"))),
            ("crates/engines/docker", used("testcelery-client", Some("crates/client"))),
            ("crates/setup", used("testcelery-e2e", Some("e2e"))),
        ] {
            assert!(problem(own(folder), &wrong).is_some(), "{folder} -> {}", wrong.name);
        }
    }

    #[test]
    fn a_vendor_of_somebody_else_has_the_api_alone() {
        let own = Layer::of("examples/custom_vendor");
        assert_eq!(problem(own, &used("testcelery-api", Some("crates/api"))), None);
        let facade = || used("testcelery", Some("crates/setup"));
        assert_eq!(
            problem(own, &Used { dev: true, ..facade() }),
            None,
            "its tests run as those of its users"
        );
        for wrong in [facade(), used("testcelery-client", Some("crates/client")), used("fred", None)] {
            assert!(problem(own, &wrong).is_some(), "{}", wrong.name);
        }
        assert!(problem(Layer::Facade, &used("custom_vendor", Some("examples/custom_vendor"))).is_some());
    }

    #[test]
    fn a_test_may_look_further_but_not_at_foreign_libraries() {
        let dev = |name, folder| Used { dev: true, ..used(name, folder) };
        assert_eq!(problem(Layer::Vendor, &dev("testcelery-docker", Some("crates/engines/docker"))), None);
        assert!(problem(Layer::Facade, &dev("bollard", None)).is_some());
    }

    #[test]
    fn libraries_and_networking_have_their_place() {
        assert_eq!(problem(Layer::Vendor, &used("lapin", None)), None);
        assert!(problem(Layer::Facade, &used("fred", None)).is_some());
        let net = ["net".to_owned()];
        let tokio = Used { features: &net, ..used("tokio", None) };
        assert!(problem(Layer::Api, &tokio).is_some());
        assert_eq!(problem(Layer::Engine, &tokio), None);
    }
}
