use std::sync::atomic::AtomicU64;

use super::*;
use crate::host::{CgroupVersion, FakeMachine};

fn settings() -> HostSettings {
    HostSettings {
        host_ip: Some([10, 0, 0, 7].into()),
        zone: "zone".parse().expect("a zone"),
        capacity_mb: None,
        storage_path: "/mnt/data/elastic".into(),
        allocator_tags: Default::default(),
        proxy_tags: Default::default(),
        external_hostnames: Vec::new(),
        metrics_listen: None,
    }
}

fn outcomes(machine: &FakeMachine, relaxed: bool, skip: &[Code]) -> Vec<Outcome> {
    check(&Context {
        machine,
        settings: &settings(),
        roles: &"allocator,proxy".parse().expect("roles"),
        bind: None,
        relaxed,
        as_service: false,
        look_only: true,
        denied: None,
        installed: None,
        reach: None,
        skip,
        proxies: Vec::new(),
    })
}

/// What is not as it should be.
fn found(machine: &FakeMachine, relaxed: bool) -> Vec<(Code, Severity)> {
    let all = outcomes(machine, relaxed, &[]).into_iter();
    all.filter(|it| it.severity > Severity::Skipped).map(|it| (it.code, it.severity)).collect()
}

#[test]
fn a_machine_that_has_everything_passes_and_each_check_says_what_it_found() {
    let all = outcomes(&FakeMachine::default(), false, &[]);
    assert!(all.iter().all(|it| it.severity == Severity::Ok), "{all:#?}");
    assert!(all.iter().all(|it| !it.found.is_empty()));
    assert!(all.len() > 10, "{all:#?}");
}

#[test]
fn each_shortcoming_has_its_code_and_severity() {
    use Severity::{Error, Warning};
    type Spoil = fn(&mut FakeMachine);
    let cases: [(Spoil, Code, Severity); 8] = [
        (|it| it.memory_bytes = AtomicU64::new(4 << 30), Code::PreflightMemory, Error),
        (|it| it.storage_bytes = 9 << 30, Code::PreflightDisk, Error),
        (|it| it.kernel = "4.4.0-generic".into(), Code::PreflightKernel, Error),
        (|it| it.max_map_count = 65_530, Code::PreflightMaxMapCount, Warning),
        (|it| it.open_files = 20_000, Code::PreflightOpenFiles, Warning),
        (|it| it.swap_bytes = 1 << 30, Code::PreflightSwap, Warning),
        (|it| it.machine_id = Some("uninitialized".into()), Code::PreflightMachineId, Warning),
        (|it| it.cgroup = CgroupVersion::V1, Code::PreflightCgroup, Warning),
    ];
    for (spoil, code, severity) in cases {
        let mut machine = FakeMachine::default();
        spoil(&mut machine);
        assert_eq!(found(&machine, false), [(code, severity)], "{code:?}");
        assert_eq!(found(&machine, true), [(code, Warning)], "{code:?}, relaxed");
        let skipped = outcomes(&machine, false, &[code]);
        assert!(skipped.iter().all(|it| it.severity <= Severity::Skipped), "{skipped:#?}");
    }
}

#[test]
fn a_host_goes_by_an_address_of_its_own_unless_it_is_said_that_another_one_leads_to_it() {
    let elsewhere = settings().host_ip;
    let machine = FakeMachine { elsewhere, ..Default::default() };
    assert_eq!(found(&machine, false), [(Code::PreflightRoute, Severity::Error)]);
    assert_eq!(found(&machine, true), [(Code::PreflightRoute, Severity::Warning)]);
    let all = outcomes(&machine, false, &[]);
    let told = all.iter().find_map(Outcome::failure).expect("a shortcoming");
    assert!(told.message.contains("10.0.0.7") && told.fix.contains("--skip preflight.route"));
    let skipped = outcomes(&machine, false, &[Code::PreflightRoute]);
    assert!(skipped.iter().all(|it| it.severity <= Severity::Skipped), "{skipped:#?}");
}

#[test]
fn a_port_that_a_role_will_use_is_named() {
    let machine = FakeMachine {
        listening: vec!["0.0.0.0:9243".parse().expect("an address")],
        ..Default::default()
    };
    let all = outcomes(&machine, false, &[]);
    let ports = all.iter().find(|it| it.code == Code::PreflightPort).expect("checked");
    assert!(ports.severity == Severity::Warning && ports.found.contains("9243"), "{ports:?}");
}

#[test]
fn what_a_check_tells_names_the_fix() {
    let machine = FakeMachine { max_map_count: 65_530, ..Default::default() };
    let all = outcomes(&machine, false, &[]);
    let failure = all.iter().find_map(Outcome::failure).expect("a shortcoming");
    assert!(failure.message.contains("65530") && failure.message.contains("262144"));
    assert!(failure.fix.contains("sysctl -w vm.max_map_count=262144"));
}
