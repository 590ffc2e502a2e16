//! `install` on a host that is a member: with other settings, other roles, or something broken.

use std::{
    fs,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::support::{Cluster, Finished, Host, Terminal, agent, within};

/// A host with a daemon in the background, and the token that it joined with.
fn member(cluster: &Cluster, roles: &str) -> (Host, String) {
    let (host, token) = (cluster.host(2), cluster.token("allocator,proxy"));
    cluster.try_install(&host, &token, &["--force", "--roles", roles]).expect(0);
    (host, token)
}

fn warnings(finished: &Finished, code: &str) -> Vec<Value> {
    let events = finished.events().into_iter();
    events.filter(|it| it["event"] == "warning" && it["code"] == code).collect()
}

#[test]
fn a_setting_that_is_not_in_force_is_taken_on_or_both_values_are_named() {
    let cluster = Cluster::start();
    let (host, token) = member(&cluster, "allocator");
    let again = |flags: &[&str]| {
        let all: Vec<&str> = ["--force", "--json"].iter().chain(flags).copied().collect();
        cluster.try_install(&host, &token, &all).expect(0)
    };
    // What is as it was, and what was left out, is no difference.
    let same = again(&["--availability-zone", "ece-zone-1", "--roles", "allocator"]);
    assert!(warnings(&same, "install.setting_kept").is_empty(), "{same:?}");

    let other =
        ["--availability-zone", "zone-b", "--allocator-tags", "rack:7", "--capacity", "9000"];
    let warned = warnings(&again(&other), "install.setting_kept");
    assert_eq!(warned.len(), 3, "{warned:#?}");
    let zone = warned.iter().find(|it| it["message"].as_str().unwrap().contains("zone")).unwrap();
    let message = zone["message"].as_str().unwrap();
    assert!(message.contains("zone-b") && message.contains("ece-zone-1"), "{message}");
    assert_eq!(cluster.runner(&host.address)["zone"], "ece-zone-1");

    // The way that it names.
    let fix = zone["fix"].as_str().unwrap();
    let stop = format!("ece-agent stop --state-dir {}", host.state.display());
    assert!(fix.contains(&format!("'{stop}'")), "{fix}");
    host.stop_background();
    let told = again(&other);
    assert!(warnings(&told, "install.setting_kept").is_empty(), "{told:?}");
    assert!(
        told.stdout.contains("availability-zone is now zone-b, and was ece-zone-1"),
        "{told:?}"
    );
    let taken = || {
        let allocator = cluster.allocator(&host.address).unwrap_or_default();
        cluster.runner(&host.address)["zone"] == "zone-b"
            && allocator["capacity"]["memory"]["total"] == 9000
            && allocator["metadata"] == json!([{ "key": "rack", "value": "7" }])
    };
    assert!(within(Duration::from_secs(10), taken), "{:?}", cluster.allocator(&host.address));
    let told = again(&other);
    assert!(warnings(&told, "install.setting_kept").is_empty(), "{told:?}");
}

#[test]
fn what_this_machine_does_not_have_is_not_taken_on() {
    let cluster = Cluster::start();
    let (host, token) = member(&cluster, "allocator");
    host.stop_background();
    for (ip, more, named) in [
        (host.address.as_str(), ["--capacity", "99999999"].as_slice(), "capacity"),
        ("203.0.113.9", &[], "203.0.113.9"),
    ] {
        let mut again = agent(["install", "--force", "--json", "--host-ip", ip, "--state-dir"]);
        again.arg(&host.state).arg("--host-storage-path").arg(&host.storage);
        again.args(["--coordinator-host", &cluster.first.address, "--roles-token", &token]);
        let told = Finished::of(again.args(more)).expect(0);
        let warned = warnings(&told, "install.setting_kept");
        assert_eq!(warned.len(), 1, "{told:?}");
        assert!(warned[0]["message"].as_str().unwrap().contains(named), "{warned:?}");
        let allocator = cluster.allocator(&host.address).unwrap();
        assert_eq!(allocator["host_ip"], host.address);
        assert_ne!(allocator["capacity"]["memory"]["total"], 99_999_999);
        host.stop_background();
    }
}

#[test]
fn data_and_the_address_of_a_cluster_stay_and_that_is_said() {
    let cluster = Cluster::start();
    let (host, token) = member(&cluster, "allocator");
    let elsewhere = host.storage.with_extension("elsewhere");
    let mut again = host.install_command(&["--force", "--json"]);
    again.args(["--coordinator-host", &cluster.first.address, "--roles-token", &token]);
    let told = Finished::of(again.arg("--host-storage-path").arg(&elsewhere));
    // Two paths on one command line: the flag stands once.
    assert_eq!(told.code, 3, "{told:?}");
    let command = |host: &Host, ip: &str, storage: &std::path::Path| {
        let mut command = agent(["install", "--force", "--json", "--host-ip", ip, "--state-dir"]);
        command.arg(&host.state).arg("--host-storage-path").arg(storage);
        command
    };
    let mut again = command(&host, &host.address, &elsewhere);
    again.args(["--coordinator-host", &cluster.first.address, "--roles-token", &token]);
    let told = Finished::of(&mut again).expect(0);
    let warned = warnings(&told, "install.setting_kept");
    let message = warned[0]["message"].as_str().unwrap();
    assert!(message.contains(&*elsewhere.to_string_lossy()), "{message}");
    assert!(message.contains(&*host.storage.to_string_lossy()), "{message}");
    assert!(!elsewhere.exists());

    // Nor does a first host make anything there.
    Finished::of(&mut command(&cluster.first, &cluster.first.address, &elsewhere)).expect(0);
    assert!(!elsewhere.exists());
    let mut again = command(&cluster.first, "127.0.0.1", &cluster.first.storage);
    let warned = warnings(&Finished::of(&mut again).expect(0), "install.setting_kept");
    let message = warned[0]["message"].as_str().unwrap();
    assert!(message.contains("127.0.0.1") && message.contains(&cluster.first.address), "{message}");
}

#[test]
fn roles_are_compared_with_those_of_today_and_the_advice_works() {
    let cluster = Cluster::start();
    let (host, token) = member(&cluster, "allocator");
    let id = &host.address;
    let path = format!("/platform/infrastructure/runners/{id}/roles");
    let proxy = json!({ "roles": [{ "role_name": "proxy" }] });
    cluster.api("PUT", &path, Some(proxy)).expect(200);
    assert!(within(Duration::from_secs(10), || host.status_json()["roles"]["proxy"].is_object()));
    for running in [true, false] {
        if !running {
            host.stop_background();
        }
        let again = |flags: &[&str]| {
            let all: Vec<&str> = ["--force"].iter().chain(flags).copied().collect();
            cluster.try_install(&host, &token, &all)
        };
        // What it joined with, and no longer has.
        let told = again(&["--roles", "allocator"]).refused(14, "join.roles_differ").stderr;
        assert!(
            told.contains("has the role proxy") && told.contains("the role allocator"),
            "{told}"
        );
        assert!(told.contains(&format!("'ece-agent host roles {id} allocator'")), "{told}");
        again(&[]).expect(0);
        again(&["--roles", "proxy"]).expect(0);
    }
    // Without its own memory of it, the coordinator's counts.
    host.stop_background();
    let forget = |name: &str| fs::remove_file(host.state.join(name)).unwrap();
    forget("identity.json");
    forget("install.json");
    let again = |flags: &[&str]| {
        let all: Vec<&str> = ["--force"].iter().chain(flags).copied().collect();
        cluster.try_install(&host, &token, &all)
    };
    let told = again(&["--roles", "allocator"]).refused(14, "join.roles_differ").stderr;
    assert!(told.contains("has the role proxy"), "{told}");
    forget("install.json");
    again(&[]).expect(0);
    let mut fix = agent(["host", "roles", id, "allocator", "--state-dir"]);
    Finished::of(fix.arg(&cluster.first.state)).expect(0);
    let has_it = || host.status_json()["roles"]["allocator"].is_object();
    assert!(within(Duration::from_secs(10), has_it));
    cluster.try_install(&host, &token, &["--force", "--roles", "allocator"]).expect(0);
}

#[test]
fn a_first_host_is_not_told_to_give_up_what_only_it_can_be() {
    let cluster = Cluster::start();
    let install = |roles: &str| {
        let flags = ["--force", "--roles", roles];
        Finished::of(&mut cluster.first.install_command(&flags)).refused(14, "join.roles_differ")
    };
    let id = &cluster.first.address;
    let told = install("allocator,coordinator").stderr;
    let command = format!("'ece-agent host roles {id} allocator,coordinator,director'");
    assert!(told.contains(&command), "{told}");
    let command = command.trim_matches('\'').split(' ').skip(1);
    Finished::of(agent(command).arg("--state-dir").arg(&cluster.first.state)).expect(0);
    let has_changed = || cluster.first.status_json()["roles"]["proxy"].is_null();
    assert!(within(Duration::from_secs(10), has_changed));
    let told = install("allocator").stderr;
    assert!(
        !told.contains("'ece-agent host roles") && told.contains("Leave --roles out"),
        "{told}"
    );
}

#[test]
fn a_member_that_asks_for_what_only_the_first_host_can_be_is_not_told_to_give_up_its_roles() {
    let cluster = Cluster::start();
    let (host, token) = member(&cluster, "allocator");
    let told = cluster.try_install(&host, &token, &["--force", "--roles", "director"]);
    let told = told.refused(14, "join.roles_differ").stderr;
    assert!(told.contains("Leave --roles out: ") && !told.contains("--none"), "{told}");
}

#[test]
fn a_role_that_is_not_healthy_is_shown_with_its_code_and_is_no_success() {
    let cluster = Cluster::start();
    let (host, token) = member(&cluster, "allocator");
    let instances = host.storage.join("instances");
    fs::remove_dir_all(&instances).unwrap();
    fs::write(&instances, "in the way").unwrap();
    let role = || host.status_json()["roles"]["allocator"].clone();
    let broken = || role()["code"] == "state.not_writable" && role()["healthy"] == false;
    assert!(within(Duration::from_secs(20), broken), "{}", role());
    let shown = || cluster.runner(&host.address);
    let problem = || shown()["problems"][0]["code"] == "state.not_writable";
    assert!(within(Duration::from_secs(10), problem), "{}", shown());
    assert_eq!(shown()["healthy"], false);
    let told = host.status(&[]).stdout;
    assert!(told.contains("NOT HEALTHY") && told.contains("[state.not_writable]"), "{told}");

    let again = |flags: &[&str]| {
        let all: Vec<&str> = ["--force"].iter().chain(flags).copied().collect();
        cluster.try_install(&host, &token, &all)
    };
    let told = again(&["--timeout", "2"]).refused(1, "state.not_writable").stderr;
    assert!(told.contains("the role allocator is not healthy"), "{told}");
    assert!(!told.contains("all is well"), "{told}");
    // It comes back by itself, and the command waits for that.
    fs::remove_file(&instances).unwrap();
    let told = again(&["--timeout", "60"]).expect(0).stderr;
    assert!(told.contains("all is well"), "{told}");
    assert!(within(Duration::from_secs(10), || shown()["healthy"] == true), "{}", shown());
}

/// The same host again, with these flags and no token.
fn again(host: &Host, flags: &[&str]) -> Finished {
    let mut command = host.install_command(&["--force"]);
    Finished::of(command.args(flags))
}

#[test]
fn a_coordinator_that_is_none_of_the_members_cluster_is_warned_of_and_changes_nothing() {
    let cluster = Cluster::start();
    let (host, token) = member(&cluster, "allocator");
    let (own, other) = (&cluster.first.address, &cluster.host(77).address);
    // The same address in other words, as a name leads to one.
    let (network, low) = own.rsplit_once('.').unwrap();
    let (network, high) = network.rsplit_once('.').unwrap();
    let named = u16::from(high.parse::<u8>().unwrap()) * 256 + low.parse::<u16>().unwrap();
    let named = format!("{network}.{named}");
    for running in [true, false] {
        for more in [&["--dry-run", "--json"][..], &["--json"]] {
            if !running {
                host.stop_background();
            }
            let told = |coordinator: &str| {
                let flags = [&["--coordinator-host", coordinator], more].concat();
                warnings(&again(&host, &flags).expect(0), "install.setting_kept")
            };
            let port = format!("{own}:12343");
            for same in [own, &port, &named, &format!("{other},{own}")] {
                assert_eq!(told(same), Vec::<Value>::new(), "{same} {more:?}");
            }
            if !running {
                host.stop_background();
            }
            for elsewhere in [other.as_str(), "no-such-name.invalid", &format!("{own}:12443")] {
                let warned = told(elsewhere);
                assert_eq!(warned.len(), 1, "{elsewhere} {more:?} {warned:?}");
                let message = warned[0]["message"].as_str().unwrap();
                assert!(message.contains(elsewhere) && message.contains(&port), "{message}");
                let fix = warned[0]["fix"].as_str().unwrap();
                let uninstall =
                    format!("'ece-agent uninstall --state-dir {}'", host.state.display());
                assert!(fix.contains(&uninstall), "{fix}");
            }
        }
    }
    // With a token too, and on the first host.
    let mut with_token = host.install_command(&["--force", "--json"]);
    with_token.args(["--coordinator-host", other, "--roles-token", &token]);
    let told = Finished::of(&mut with_token).expect(0);
    assert_eq!(warnings(&told, "install.setting_kept").len(), 1, "{told:?}");
    let first = |coordinator: &str| {
        let told = again(&cluster.first, &["--json", "--coordinator-host", coordinator]);
        warnings(&told.expect(0), "install.setting_kept").len()
    };
    assert_eq!((first(own), first(other)), (0, 1));

    let mut command = host.install_command(&["--force", "--coordinator-host", other]);
    let (code, shown) = Terminal::start(80, command.env("NO_COLOR", "1")).end();
    assert!(code == 0 && shown.contains("  fix: Leave --coordinator-host out."), "{shown}");
    let lines = shown.lines().filter_map(|line| line.rsplit("\u{1b}[2K").next());
    for line in lines.filter(|line| line.chars().count() > 80) {
        assert!(!line.trim().contains(' '), "{line}");
    }
}

#[test]
fn a_member_is_asked_for_no_token_and_its_roles_are_compared() {
    let cluster = Cluster::start();
    let (host, _) = member(&cluster, "allocator");
    for running in [true, false] {
        for more in [&["--dry-run"][..], &[]] {
            if !running {
                host.stop_background();
            }
            let roles = |roles: &str| again(&host, &[&["--roles", roles], more].concat());
            let told = roles("proxy").refused(14, "join.roles_differ").stderr;
            assert!(told.contains("has the role allocator"), "{told}");
            roles("coordinator,proxy").refused(14, "join.roles_differ");
            roles("alocator").refused(3, "config.invalid");
            roles("allocator").expect(0);
        }
    }
    // Nothing of a first host is made for it.
    assert!(!host.storage.join("bootstrap-state").exists());
    let first = |roles: &str| again(&cluster.first, &["--roles", roles]);
    first("proxy").refused(14, "join.roles_differ");
    first("coordinator,director,allocator,proxy").expect(0);
    // Who is no member needs what a newcomer needs.
    let stranger = cluster.host(3);
    again(&stranger, &["--roles", "proxy"]).refused(3, "install.coordinator_required");
    let coordinator = ["--coordinator-host", &cluster.first.address];
    again(&stranger, &coordinator).refused(3, "token.missing");
    let renewed = [&["--new-identity"][..], &coordinator].concat();
    again(&host, &renewed).refused(3, "token.missing");
}

#[test]
fn however_many_coordinators_a_host_knows_only_the_first_are_looked_up_and_named() {
    let cluster = Cluster::start();
    let (host, token) = member(&cluster, "allocator");
    let file = host.state.join("identity.json");
    let mut identity: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    let names: Vec<String> = (0..20_000).map(|it| format!("c{it}.invalid:12343")).collect();
    (identity["dialled"], identity["known"]) = (names.into(), Value::Array(Vec::new()));
    fs::write(&file, serde_json::to_vec(&identity).unwrap()).unwrap();
    let mut command = host.install_command(&["--force", "--dry-run", "--coordinator-host"]);
    command.args(["127.255.255.1", "--roles-token", &token]);
    let began = Instant::now();
    let told = Finished::of(&mut command).stderr;
    assert!(began.elapsed() < Duration::from_secs(60), "{:?}", began.elapsed());
    assert!(told.contains("and 19992 more"), "{told}");
    assert!(told.len() < 4_000, "{}", told.len());
}
