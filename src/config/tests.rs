use std::{collections::BTreeMap, fs, net::IpAddr, path::Path, time::Duration};

use super::{mistake::Checker, *};
use crate::{
    model::{Code, Fingerprint, MIN_CAPACITY_MB, Role, RoleSet, SERVICE_STATE_DIR, Secret},
    rt::Timestamp,
    tls::{ClusterAuthority, PrivateKey, certificate_to_pem},
    token::{Claims, SigningKey},
    wire::hosts::SecretText,
};

fn build_as(
    membership: Membership,
    given: InstallArguments,
) -> Result<InstallOptions, Vec<Mistake>> {
    given.build("/state".into(), membership)
}

fn build(given: InstallArguments) -> Result<InstallOptions, Vec<Mistake>> {
    build_as(Membership::None, given)
}

fn first_mistake(given: InstallArguments) -> (&'static str, Code) {
    let mistakes = build(given).expect_err("a mistake");
    (mistakes[0].flag, mistakes[0].code)
}

fn pin(byte: u8) -> Fingerprint {
    Fingerprint::from_digest([byte; 32])
}

fn claims() -> Claims {
    Claims {
        id: uuid::Uuid::from_u128(7).to_string().parse().expect("an id"),
        roles: vec!["proxy".into()],
        issuer: "current".into(),
        expires_at: Some(Timestamp::from_unix_seconds(1_800_000_000)),
        marked_persistent: false,
        pins: vec![pin(1)],
        coordinators: vec!["10.0.0.1".parse().expect("an address")],
        max_uses: None,
    }
}

fn token() -> Secret {
    SigningKey::generate("current").sign(&claims())
}

#[test]
fn a_wait_is_within_a_day_and_a_timeout_is_more_than_nothing() {
    let timed = |timeout: &str, factor: Option<&str>| {
        let given = InstallArguments {
            timeout: Some(timeout.into()),
            timeout_factor: factor.map(str::to_owned),
            ..InstallArguments::default()
        };
        build(given).map(|options| options.timeout)
    };
    let usual = build(InstallArguments::default()).expect("valid");
    assert_eq!(usual.timeout, Duration::from_secs(60));
    assert_eq!(usual.wait_for_coordinator, Duration::ZERO);
    assert_eq!(timed("86400", None), Ok(Duration::from_secs(86_400)));
    assert_eq!(timed("1.5", Some("4")), Ok(Duration::from_secs(6)));
    for (timeout, factor) in [("0", None), ("86401", None), ("-1", None), ("43201", Some("2"))] {
        assert_eq!(timed(timeout, factor).expect_err(timeout)[0].flag, "--timeout");
    }
    let waits = |seconds: &str| {
        let wait_for_coordinator = Some(seconds.into());
        build(InstallArguments { wait_for_coordinator, ..Default::default() })
    };
    assert_eq!(waits("86400").expect("valid").wait_for_coordinator, Duration::from_secs(86_400));
    assert_eq!(waits("0").expect("valid").wait_for_coordinator, Duration::ZERO);
    for seconds in ["86401", "-1"] {
        assert_eq!(waits(seconds).expect_err(seconds)[0].flag, "--wait-for-coordinator");
    }
}

#[test]
fn who_had_joined_needs_a_token_and_becomes_no_first_host() {
    let none = build_as(Membership::Former, InstallArguments::default()).expect_err("no token");
    assert_eq!((none[0].flag, none[0].code), ("--roles-token", Code::TokenMissing));
    assert!(none[0].message.contains("uninstall"), "{}", none[0]);
    let with = InstallArguments { roles_token: Some("T".into()), ..Default::default() };
    let again = build_as(Membership::Former, with).expect("valid");
    assert!(matches!(again.purpose, Purpose::Join(_)) && !again.purpose.is_first_host());
}

#[test]
fn a_token_is_read_from_its_file_or_it_is_said_why_not() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("token");
    let given = || InstallArguments { roles_token_file: Some(file.clone()), ..Default::default() };
    assert_eq!(first_mistake(given()), ("--roles-token-file", Code::TokenUnreadable));
    for unreadable in [&b" \n"[..], b"", b"\xff\xfe"] {
        fs::write(&file, unreadable).expect("written");
        assert_eq!(first_mistake(given()), ("--roles-token-file", Code::TokenUnreadable));
    }
    fs::write(&file, " T.o.k \n").expect("written");
    let Purpose::Join(join) = build(given()).expect("valid").purpose else { panic!("no join") };
    assert_eq!(SecretText::from(join.token).0.expose(), "T.o.k");
}

#[test]
fn a_pin_is_given_as_a_certificate_or_as_its_fingerprint() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("ca.pem");
    let given = || InstallArguments {
        roles_token: Some("T".into()),
        ca_cert: Some(file.clone()),
        ca_fingerprint: vec![pin(1).to_string()],
        ..Default::default()
    };
    assert_eq!(first_mistake(given()), ("--ca-cert", Code::TrustCaUnreadable));
    fs::write(&file, "no certificate").expect("written");
    assert_eq!(first_mistake(given()), ("--ca-cert", Code::TrustCaUnreadable));
    let (certificate, key): (_, PrivateKey) =
        ClusterAuthority::generate("c", Timestamp::from_unix_seconds(0)).expect("an authority");
    fs::write(&file, certificate_to_pem(&certificate)).expect("written");
    let Purpose::Join(join) = build(given()).expect("valid").purpose else { panic!("no join") };
    assert_eq!(join.pins, [pin(1), key.fingerprint()]);
}

#[test]
fn checks_to_skip_are_named_by_their_codes() {
    let skips = |name: &str| InstallArguments { skip: vec![name.into()], ..Default::default() };
    let code = Code::ALL[0];
    assert_eq!(build(skips(&format!(" {} ", code.name()))).expect("valid").skip, [code]);
    assert_eq!(first_mistake(skips("moon")).0, "--skip");
}

#[test]
fn what_is_given_counts_and_what_is_not_is_as_the_token_says() {
    let (host, other) = (claims().coordinators, vec!["10.0.0.2".parse().expect("an address")]);
    let choose = |hosts: &[_], pins: &[_], token: Option<&Claims>| {
        let route = JoinRoute::choose(hosts.to_vec(), pins.to_vec(), token);
        (route.coordinators, route.pins)
    };
    let token = claims();
    assert_eq!(choose(&[], &[], Some(&token)), (host.clone(), vec![pin(1)]));
    assert_eq!(choose(&other, &[], Some(&token)), (other.clone(), vec![pin(1)]));
    assert_eq!(choose(&[], &[pin(2)], Some(&token)), (host, vec![pin(2)]));
    assert_eq!(choose(&other, &[pin(2)], Some(&token)), (other.clone(), vec![pin(2)]));
    assert_eq!(choose(&other, &[], None), (other.clone(), vec![]));

    let code = |coordinators: &[_], pins: &[_]| {
        let route = JoinRoute { coordinators: coordinators.to_vec(), pins: pins.to_vec() };
        route.checked().err().map(|error| error.code().to_owned())
    };
    assert_eq!(code(&[], &[pin(1)]).as_deref(), Some(Code::ConfigInvalid.name()));
    assert_eq!(code(&other, &[]).as_deref(), Some(Code::TrustNoPin.name()));
    assert_eq!(code(&other, &[pin(1)]), None);
}

#[test]
fn a_check_looks_at_what_the_token_says_and_without_one_at_a_first_host() {
    let check = |given: InstallArguments| given.build_check("/state".into());
    let alone = check(InstallArguments::default()).expect("valid");
    assert_eq!((alone.roles, alone.relaxed), (RoleSet::all(), false));
    let joining =
        || InstallArguments { roles_token: Some(token().expose().into()), ..Default::default() };
    let with = check(joining()).expect("valid");
    assert_eq!((with.roles, with.route.pins), (RoleSet::default(), vec![pin(1)]));
    assert_eq!(with.route.coordinators, claims().coordinators);
    let named = InstallArguments { roles: Some("proxy".into()), force: true, ..joining() };
    let named = check(named).expect("valid");
    assert!(named.relaxed && named.roles.contains(Role::Proxy));
    let foreground = InstallArguments { foreground: true, ..Default::default() };
    assert!(check(foreground).expect("valid").relaxed);
    let mistakes = check(InstallArguments { roles_token: Some("T".into()), ..joining() });
    let mistakes = mistakes.expect_err("no token");
    assert_eq!((mistakes[0].flag, mistakes[0].code), ("--roles-token", Code::TokenMalformed));
}

#[test]
fn a_capacity_of_the_least_is_enough() {
    let given = |mb: u64| InstallArguments {
        settings: SettingArguments { capacity: Some(mb.to_string()), ..Default::default() },
        ..Default::default()
    };
    let options = build(given(MIN_CAPACITY_MB)).expect("valid");
    assert_eq!(options.settings.capacity_mb, Some(MIN_CAPACITY_MB));
    assert_eq!(first_mistake(given(MIN_CAPACITY_MB - 1)).0, "--capacity");
}

#[test]
fn who_gives_a_coordinator_or_a_token_joins() {
    let file = Some(Path::new("/token").to_owned());
    for (given, joins) in [
        (InstallArguments::default(), false),
        (InstallArguments { roles: Some("proxy".into()), ..Default::default() }, false),
        (InstallArguments { coordinator_host: vec!["a".into()], ..Default::default() }, true),
        (InstallArguments { roles_token: Some("T".into()), ..Default::default() }, true),
        (InstallArguments { roles_token_file: file, ..Default::default() }, true),
    ] {
        assert_eq!(given.joins(), joins);
    }
}

#[test]
fn a_person_is_told_where_a_flag_was_given_and_how_it_is_taken_back() {
    let from = FromFile { file: "/etc/x.toml".into(), flags: vec!["--capacity".into()] };
    assert!(from.has("--capacity") && !from.has("--roles"));
    assert_eq!(from.source("--capacity"), "capacity in /etc/x.toml");
    assert_eq!(from.source("--roles"), "--roles");
    assert_eq!(from.leave_out("--capacity"), "Take capacity out of /etc/x.toml");
    assert_eq!(from.leave_out("--roles"), "Leave --roles out");
}

#[test]
fn a_member_keeps_its_storage_and_a_first_host_its_address_too() {
    let given = InstallArguments {
        settings: SettingArguments {
            host_ip: Some("10.0.0.7".into()),
            host_storage_path: Some("/data".into()),
            availability_zone: Some("z".into()),
            external_hostname: vec!["a.example".into(), "b.example:12443".into()],
            ..Default::default()
        },
        ..Default::default()
    };
    let options = build(given).expect("valid");
    assert_eq!(options.settings.external_hostnames, ["a.example", "b.example"]);
    let address: IpAddr = "10.0.0.7".parse().expect("an address");
    let in_force = SettingArguments::default().read(&mut Checker::default());
    let differences = |first_host: bool, goes_by: [u8; 4]| {
        let given = options.given.for_member(first_host);
        assert_eq!(given.host_ip, Some(address).filter(|_| !first_host));
        assert_eq!(given.storage_path, None);
        let differences = given.differences(&in_force, goes_by.into());
        differences.iter().map(Difference::flag).collect::<Vec<_>>()
    };
    let others = ["--availability-zone", "--external-hostname"];
    assert_eq!(differences(true, [10, 0, 0, 1]), others);
    assert_eq!(differences(false, [10, 0, 0, 7]), others);
    assert_eq!(differences(false, [10, 0, 0, 1])[..1], ["--host-ip"]);
    let after = in_force.with(&options.given);
    assert_eq!((&after.storage_path, after.host_ip), (&in_force.storage_path, Some(address)));
    let left = options.given.for_member(false).differences(&after, address);
    assert_eq!(left, []);
}

#[test]
fn what_a_host_keeps_goes_by_the_names_that_earlier_versions_gave_it() {
    let dir = StateDir::new("/state".into());
    for (path, name) in [
        (dir.identity(), "identity.json"),
        (dir.damaged_identity(), "identity.json.damaged"),
        (dir.key(), "host.key"),
        (dir.damaged_key(), "host.key.damaged"),
        (dir.journal(), "install.json"),
        (dir.desired(), "desired.json"),
        (dir.facts(), "facts.json"),
        (dir.storage_note(), "storage.json"),
        (dir.lock(), "lock"),
        (dir.log(), "agent.log"),
        (dir.earlier_log(), "agent.log.1"),
        (dir.coordinator(), "coordinator"),
        (dir.path().join(dir.socket_name()), "agent.sock"),
    ] {
        assert_eq!(path, Path::new("/state").join(name));
    }
    assert_eq!(default_state_dir(true), Path::new(SERVICE_STATE_DIR));
    let here = std::env::current_dir().expect("a directory");
    assert_eq!(StateDir::new("state".into()).path(), here.join("state"));
}

#[test]
fn only_a_host_on_a_loopback_address_binds_one_address() {
    let [alone, network] = ["127.16.0.1", "10.0.0.1"].map(|it| it.parse().expect("an address"));
    assert_eq!((only_address(alone), only_address(network)), (Some(alone), None));
}

#[test]
fn one_mistake_is_told_under_its_own_code_and_several_together() {
    let mistakes = build(InstallArguments {
        coordinator_host: vec!["10.0.0.1".into()],
        skip: vec!["moon".into()],
        ..Default::default()
    })
    .expect_err("two mistakes");
    let several = Mistake::failure(&mistakes);
    assert_eq!(several.code(), Code::ConfigInvalid.name());
    for flag in ["--roles-token: ", "--skip: "] {
        assert!(several.message.lines().any(|line| line.starts_with(flag)), "{several:?}");
    }
    let only = mistakes.into_iter().find(|it| it.flag == "--roles-token").expect("one");
    assert_eq!(Mistake::failure(&[only]).code(), Code::TokenMissing.name());
}

#[test]
fn what_is_written_as_toml_is_read_back() {
    let file = toml_text(
        &[("roles", "proxy"), ("runner-id", "a")].into_iter().collect::<BTreeMap<_, _>>(),
    );
    let read: InstallArguments = read_toml(&file).expect("TOML");
    assert_eq!((read.roles.as_deref(), read.runner_id.as_deref()), (Some("proxy"), Some("a")));
}
