//! The host storage path: whose it is, what may be one, and what is left of it.

use std::{
    fs,
    os::unix::fs::{chown, symlink},
    path::Path,
    time::Duration,
};

use ece_agent::host::process::is_root;

use crate::support::{Cluster, Finished, Host, SmallDisk, agent, hold_lock, skip, within};

fn uninstall(host: &Host) -> Finished {
    let mut command = agent(["uninstall", "--force", "--json", "--state-dir"]);
    Finished::of(command.arg(&host.state))
}

#[test]
fn a_storage_path_in_use_by_another_state_directory_is_refused_and_stays_as_it_is() {
    let mut cluster = Cluster::start();
    let secrets = fs::read(cluster.secrets_file()).unwrap();
    let token = cluster.token("allocator");
    let mut other = cluster.host(2);
    other.storage.clone_from(&cluster.first.storage);
    for flags in [&["--foreground"][..], &["--no-wait"], &["--dry-run"]] {
        let told = Finished::of(&mut other.install_command(flags)).refused(14, "storage.in_use");
        assert!(told.stderr.contains(cluster.first.state.to_str().unwrap()), "{told:?}");
        cluster.try_install(&other, &token, flags).refused(14, "storage.in_use");
    }
    let mut check = agent(["check", "--json", "--state-dir"]);
    check.arg(&other.state).arg("--host-storage-path").arg(&other.storage);
    let told = Finished::of(&mut check).expect(11).json();
    assert_eq!(told["checks"][0]["code"], "storage.in_use", "{told}");
    uninstall(&other).refused(1, "install.not_done");

    // Also where there is no note of whose it is, or the host that wrote it has lost its state.
    let note = cluster.first.storage.join(".ece-agent.json");
    let noted = fs::read(&note).unwrap();
    fs::remove_file(&note).unwrap();
    let refused = || {
        Finished::of(&mut other.install_command(&["--foreground"]))
            .refused(14, "storage.secrets_of_another_cluster");
    };
    refused();
    fs::write(&note, noted).unwrap();
    cluster.first.kill();
    fs::remove_dir_all(&cluster.first.state).unwrap();
    refused();
    // One that has begun to make a cluster does not replace them either.
    fs::create_dir_all(other.state.join("coordinator")).unwrap();
    refused();
    assert_eq!(fs::read(cluster.secrets_file()).unwrap(), secrets);
    // What is given up is free.
    fs::remove_file(cluster.secrets_file()).unwrap();
    let made = Finished::of(&mut other.install_command(&["--force", "--no-wait"]));
    assert_eq!(made.code, 0, "{made:?}");
    other.stop_background();
}

#[test]
fn uninstall_leaves_what_was_there_before_and_says_so() {
    let cluster = Cluster::start();
    let mut host = cluster.host(2);
    fs::create_dir_all(host.storage.join("instances")).unwrap();
    cluster.install(&mut host, &cluster.token("allocator"), &["--roles", "allocator"]);
    host.wait_connected();
    host.stop();
    let told = uninstall(&host).expect(0).json();
    assert!(host.storage.join("instances").is_dir(), "{told}");
    assert!(!host.storage.join(".ece-agent.json").exists(), "{told}");
    assert!(told["left"][0].as_str().unwrap().contains("storage-2"), "{told}");
    assert!(!host.state.exists(), "{told}");
    // And takes along what was not.
    let mut other = cluster.joined(3, "allocator");
    assert!(other.storage.join("instances").is_dir());
    other.stop();
    let told = uninstall(&other).expect(0).json();
    assert!(!other.storage.exists(), "{told}");
    assert_eq!(told["left"], serde_json::json!([]));
}

#[test]
fn uninstall_takes_along_the_directories_that_were_made_on_the_way_to_the_storage_path() {
    let cluster = Cluster::start();
    let top = cluster.host(2).storage.clone();
    for (others, left) in [(None, top.join("there")), (Some("there/a/theirs"), top.join("there/a"))]
    {
        let mut host = cluster.host(2);
        fs::create_dir_all(top.join("there")).unwrap();
        host.storage = top.join("there/a/b/data");
        cluster.install(&mut host, &cluster.token("allocator"), &["--roles", "allocator"]);
        host.wait_connected();
        host.stop();
        if let Some(others) = others {
            fs::write(top.join(others), "").unwrap();
        }
        let told = uninstall(&host).expect(0).json();
        let removed = told["removed"].as_array().unwrap();
        let b = top.join("there/a/b").display().to_string();
        assert!(removed.iter().any(|it| *it == b.as_str()), "{told}");
        let entries = fs::read_dir(&left).unwrap().count();
        assert!(entries == usize::from(others.is_some()), "{told}");
    }
}

#[test]
fn uninstall_names_what_it_has_not_removed() {
    let cluster = Cluster::start();
    let mut host = cluster.joined(2, "allocator");
    host.stop();
    fs::write(host.state.join("mine"), "").unwrap();
    let told = uninstall(&host).expect(0).json();
    let state = host.state.to_str().unwrap();
    let names = |list: &str| {
        told[list]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|it| it.as_str())
            .any(|it| it == state || it.starts_with(&format!("{state}:")))
    };
    assert!(names("left") && !names("removed"), "{told}");
    assert!(host.state.join("mine").exists() && !host.state.join("host.key").exists());
}

#[test]
fn the_systems_own_directories_are_no_place_for_instances() {
    let test = "storage::the_systems_own_directories_are_no_place_for_instances";
    if !is_root() {
        return skip(test, "only root could do harm there");
    }
    let dir = tempfile::tempdir().unwrap();
    let link = dir.path().join("link");
    symlink("/etc", &link).unwrap();
    let through = link.join("ece");
    let state = dir.path().join("state");
    let refused = |place: &Path| {
        // Were it not refused, nothing would be made there all the same.
        let mut install = agent(["install", "--force", "--dry-run", "--state-dir"]);
        install.arg(&state).arg("--host-storage-path").arg(place);
        Finished::of(&mut install).refused(3, "storage.path_refused");
    };
    for place in
        ["/", "/etc/ece", "/usr/lib/ece", "/proc/ece", "/var/lib", "/var/opt", "/mnt", "/root"]
    {
        refused(Path::new(place));
    }
    refused(&through);
    refused(&dir.path().join("missing/../../../etc/ece"));
    refused(&state);
    let mut install = agent(["install", "--force", "--no-wait", "--state-dir"]);
    install.arg(&state).arg("--host-storage-path").arg(&state);
    Finished::of(&mut install).refused(3, "storage.path_refused");
    assert!(!state.exists());
}

#[test]
fn instances_of_another_user_are_not_taken_over() {
    let test = "storage::instances_of_another_user_are_not_taken_over";
    if !is_root() {
        return skip(test, "it needs root");
    }
    let cluster = Cluster::prepare();
    let instances = cluster.first.storage.join("instances");
    fs::create_dir_all(&instances).unwrap();
    chown(&instances, Some(65_534), None).unwrap();
    let told = Finished::of(&mut cluster.first.install_command(&["--force"]))
        .refused(4, "storage.of_another_user");
    let fix = format!("'chown 0 {}'", instances.display());
    assert!(told.stderr.contains(&fix), "{told:?}");
    assert!(!cluster.first.state.exists());
}

#[test]
fn a_storage_path_whose_disk_is_not_mounted_is_unhealthy_and_nothing_is_made_in_its_place() {
    let test = "storage::a_storage_path_whose_disk_is_not_mounted";
    let cluster = Cluster::start();
    let mut host = cluster.host(2);
    let storage = host.storage.clone();
    let Some(disk) = SmallDisk::mount(&storage, 8192) else {
        return skip(test, "no disk can be mounted");
    };
    let token = cluster.token("allocator");
    cluster.install(&mut host, &token, &["--roles", "allocator"]);
    host.wait_connected();
    let role = |host: &Host| host.status_json()["roles"]["allocator"].clone();
    assert!(within(Duration::from_secs(10), || role(&host)["healthy"] == true), "{}", role(&host));
    assert_eq!(role(&host)["detail"], "0 instances");
    fs::create_dir(host.storage.join("instances/es1")).unwrap();
    host.stop();
    drop(disk);
    host.run();
    host.wait_connected();
    assert!(
        within(Duration::from_secs(10), || role(&host)["code"] == "storage.missing"),
        "{}",
        role(&host)
    );
    let again = cluster.try_install(&host, &token, &["--force", "--timeout", "2"]);
    again.refused(14, "storage.missing");
    let state = host.state.clone();
    let leave = |flags: &[&str]| {
        let mut leaving = agent(["uninstall", "--state-dir"]);
        Finished::of(leaving.arg(&state).args(flags))
    };
    leave(&[]).refused(14, "storage.missing");
    host.stop();
    for flags in [&["--foreground"][..], &["--no-wait"], &["--dry-run"]] {
        let all: Vec<&str> = ["--force"].iter().chain(flags).copied().collect();
        cluster.try_install(&host, &token, &all).refused(14, "storage.missing");
    }
    leave(&[]).refused(14, "storage.missing");
    assert_eq!(fs::read_dir(&host.storage).unwrap().count(), 0);
    // Whoever says that an empty disk takes its place is believed.
    let note = host.state.join("storage.json");
    let noted = fs::read(&note).unwrap();
    fs::remove_file(&note).unwrap();
    host.run();
    host.wait_connected();
    assert!(within(Duration::from_secs(10), || role(&host)["healthy"] == true), "{}", role(&host));
    host.stop();
    fs::write(&note, noted).unwrap();
    let told = leave(&["--force"]).expect(0);
    assert!(host.storage.is_dir(), "{told:?}");
}

#[test]
fn uninstall_does_not_take_instances_that_it_cannot_see_for_none() {
    let cluster = Cluster::start();
    let mut host = cluster.joined(2, "allocator");
    host.stop();
    let instances = host.storage.join("instances");
    fs::remove_dir_all(&instances).unwrap();
    fs::write(&instances, "").unwrap();
    let mut leaving = agent(["uninstall", "--state-dir"]);
    Finished::of(leaving.arg(&host.state)).refused(14, "uninstall.instances");
    assert!(host.state.join("identity.json").exists());
}

#[test]
fn of_two_who_uninstall_one_waits_and_the_program_that_was_joined_with_is_named() {
    let cluster = Cluster::start();
    let mut host = cluster.joined(2, "");
    host.stop();
    let home = host.state.with_file_name("home");
    let program = home.join(".local/bin/ece-agent");
    fs::create_dir_all(program.parent().unwrap()).unwrap();
    fs::write(&program, "").unwrap();
    let lock = host.state.with_file_name(".state-2.uninstall");
    let uninstall = || {
        let mut command = agent(["uninstall", "--json", "--state-dir"]);
        Finished::of(command.arg(&host.state).env("HOME", &home))
    };
    let mut other = hold_lock(&lock);
    let told = uninstall().refused(1, "state.in_use").stdout;
    assert!(told.contains("another 'ece-agent uninstall'"), "{told}");
    assert!(host.state.join("identity.json").exists());
    other.kill().unwrap();
    other.wait().unwrap();
    let gone = uninstall().expect(0).json();
    let says = |it: &serde_json::Value| {
        let it = it.as_str().unwrap();
        it.starts_with(&format!("{}: ", program.display())) && it.contains("'rm ")
    };
    assert!(gone["left"].as_array().unwrap().iter().any(says), "{gone}");
    assert!(program.exists() && !lock.exists() && !host.state.exists(), "{gone}");
}
