//! Backups of a first host that is a user's own.

use std::{fs, os::unix::fs::PermissionsExt, time::Duration};

use tempfile::TempDir;

use crate::support::{Cluster, Finished, agent, within};

#[test]
fn a_users_own_first_host_is_backed_up_while_it_runs_and_restored_when_its_data_is_lost() {
    let cluster = Cluster::start();
    let member = cluster.joined(2, "proxy");
    let host = &cluster.first;
    let dir = TempDir::new().unwrap();
    let backup = dir.path().join("backup");
    let call = |verb: &str| {
        let mut command = agent([verb]);
        command.arg(&backup).arg("--state-dir").arg(&host.state);
        Finished::of(&mut command)
    };
    assert_eq!(call("restore").refused(3, "backup.unusable").stdout, "");
    let told = call("backup").expect(0).stderr;
    assert!(told.contains("the key that opens it"), "{told}");
    call("backup").refused(3, "backup.exists");
    for entry in [backup.clone(), backup.join("coordinator/master.key")] {
        let mode = fs::metadata(entry).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0);
    }
    // It goes on in the background, and its members with it.
    host.wait_connected();
    assert!(within(Duration::from_secs(30), || cluster.is_connected(&member.address)));

    let password = cluster.secret("adminconsole_root_password");
    let made_later = cluster.token("proxy");
    fs::remove_file(cluster.secrets_file()).unwrap();
    fs::write(host.state.join("coordinator/master.key"), "damaged").unwrap();
    let told = call("restore").expect(0).stderr;
    assert!(told.contains("'ece-agent install --state-dir "), "{told}");
    host.status(&[]).refused(1, "daemon.not_running");
    Finished::of(&mut host.install_command(&["--force"])).expect(0);
    assert_eq!(cluster.secret("adminconsole_root_password"), password);
    assert!(within(Duration::from_secs(30), || cluster.is_connected(&member.address)));
    let other = cluster.host(3);
    cluster.try_install(&other, &made_later, &["--force"]).refused(14, "token.invalid");

    // Another member is nobody's first host.
    let mut command = agent(["backup"]);
    command.arg(dir.path().join("other")).arg("--state-dir").arg(&member.state);
    Finished::of(&mut command).refused(3, "backup.not_first_host");
    let mut command = agent(["restore"]);
    command.arg(&backup).arg("--state-dir").arg(&member.state);
    Finished::of(&mut command).refused(3, "backup.not_first_host");
    host.stop_background();
}
