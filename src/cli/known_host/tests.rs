use super::*;
use crate::config::{FirstHostOptions, StayOptions};

fn roles(text: &str) -> RoleSet {
    text.parse().expect("roles")
}

fn stay(asked: RoleSet) -> Purpose {
    Purpose::Stay(StayOptions {
        first_host: false,
        coordinators: Vec::new(),
        roles: asked,
        pins: Vec::new(),
    })
}

#[test]
fn roles_that_were_noted_are_kept_until_root_asks_for_others() {
    let noted = Some(roles("allocator"));
    let nothing = stay(RoleSet::default());
    assert_eq!(roles_asked_for(&nothing, false, noted.clone()), noted);
    assert_eq!(roles_asked_for(&nothing, false, None), None, "nobody knows");
    let asked = roles("allocator,proxy");
    assert_eq!(roles_asked_for(&stay(asked.clone()), true, noted.clone()), Some(asked));
    let first = Purpose::FirstHost(FirstHostOptions { roles: RoleSet::all(), plan_key: None });
    assert_eq!(roles_asked_for(&first, false, None), Some(RoleSet::all()));
    assert_eq!(roles_asked_for(&first, false, noted.clone()), noted);
}

#[test]
fn of_an_older_file_it_is_not_known_which_roles_were_asked_for() {
    let older = r#"{"schema": 1, "cluster_id": "c", "first_host": false, "storage_path": "/s",
        "coordinators": [], "pins": [], "ca_certificate": null}"#;
    let known: KnownHost = serde_json::from_str(older).expect("read");
    assert_eq!(known.roles, None);
    assert!(!known.as_file().contains("roles"), "{}", known.as_file());
    let known = KnownHost { roles: Some(roles("proxy")), ..known };
    assert_eq!(serde_json::from_str::<KnownHost>(&known.as_file()).expect("read"), known);
}
