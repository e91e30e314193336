//! What is decided before anything runs.

use custom_vendor::{DEFAULT_IMAGE, Valkey};
use testcelery::{
    Secret,
    api::{BrokerComponent, PlanContext},
};

#[test]
fn the_password_is_in_the_url_and_in_a_file_of_its_own() {
    let valkey = Valkey::default().password(Secret::new("hunter2")).db(5);
    let plan = BrokerComponent::plan(&valkey, &PlanContext::new("store")).unwrap();
    let url = plan.planned_url().unwrap();
    assert_eq!(url.reveal(), "redis://:hunter2@store:6379/5");
    let settings: Vec<bool> = plan.spec.files.iter().map(|files| files.is_settings()).collect();
    assert_eq!(settings, [true, false], "only the first is for an engine to translate");
    assert_eq!(plan.spec.command.as_deref().unwrap(), ["valkey-server", "/etc/testcelery/valkey.conf"]);
    assert!(!format!("{valkey:?} {plan:?}").contains("hunter2"));
}

#[test]
fn the_image_has_what_takes_its_place() {
    let plan = BrokerComponent::plan(&Valkey::default(), &PlanContext::new("broker")).unwrap();
    let image = plan.spec.image;
    assert_eq!(image.name(), DEFAULT_IMAGE);
    assert!(image.substitute.unwrap().starts_with("custom-vendor/valkey:debian-"));
    assert!(image.software.is_some());
}
