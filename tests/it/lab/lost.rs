//! A host whose own files are gone, or were put there by whoever is the service user: what root has
//! noted of it stays true.

use std::time::Duration;

use super::{JOIN, first_and_member, hostile::as_service, lab};
use crate::support::within;

const CLUSTER_FILE: &str = "/etc/ece-agent/cluster.json";

/// A process of the service user that puts its own plan wherever one would be read, again and again.
const PLANTER: &str = "cd /var/lib/ece-agent && while :; do mkdir -p coordinator; \
    cp /tmp/plan coordinator/bootstrap.json 2>/dev/null; sleep 0.01; done";

#[test]
fn a_member_whose_files_are_lost_founds_no_cluster_and_is_let_in_again_or_uninstalled() {
    let Some(lab) = lab(
        "lab::lost::a_member_whose_files_are_lost_founds_no_cluster_and_is_let_in_again_or_uninstalled",
    ) else {
        return;
    };
    let (first, second) = first_and_member(&lab);
    let noted = second.run(&format!("cat {CLUSTER_FILE}")).expect(0).stdout;
    let is_noted = || assert_eq!(second.run(&format!("cat {CLUSTER_FILE}")).stdout, noted);

    // Emptied under the service, which runs on.
    as_service(&second, "find /var/lib/ece-agent -mindepth 1 -delete");
    let told = second.run("ece-agent status").refused(1, "install.not_done").stderr;
    assert!(told.contains("--roles-token-file") && told.contains("uninstall"), "{told}");
    second.run("ece-agent start").refused(1, "install.not_done");
    for verb in ["install", "install --new-identity", "install --dry-run"] {
        let told = second.run(&format!("ece-agent {verb}")).refused(3, "token.missing").stderr;
        assert!(told.contains("uninstall"), "{told}");
    }
    is_noted();

    // And filled with what would make it a first host.
    second.run("systemctl stop ece-agent").expect(0);
    let run = "systemd-run --quiet --uid=ece-agent --unit=planter sh -c";
    second.run("echo '{}' > /tmp/plan").expect(0);
    second.run(&format!("{run} '{}'", PLANTER)).expect(0);
    as_service(
        &second,
        "mkdir -p /var/lib/ece-agent/coordinator && echo x > /var/lib/ece-agent/coordinator/store.db",
    );
    second.run("ece-agent install").refused(3, "token.missing");
    second.run("ece-agent restore /root/nothing").refused(3, "backup.unusable");
    second.run("test -e /mnt/data/elastic/bootstrap-state").expect(1);
    is_noted();
    second.run("systemctl stop planter").expect(0);
    as_service(&second, "find /var/lib/ece-agent -mindepth 1 -delete");

    // With a token the cluster lets it in again, once it has forgotten the host that is lost.
    second.run(JOIN).refused(14, "join.runner_id_taken");
    let gone = || first.run("ece-agent host delete 10.77.0.12").code == 0;
    assert!(within(Duration::from_secs(60), gone), "it stays connected");
    second.run(JOIN).expect(0);
    first.sees_connected("10.77.0.12");

    // To begin anew is root's to say.
    second.run("systemctl stop ece-agent").expect(0);
    as_service(&second, "find /var/lib/ece-agent -mindepth 1 -delete");
    second.run("ece-agent uninstall").expect(0);
    second.run(&format!("test -e {CLUSTER_FILE}")).expect(1);
    second.run("ece-agent install").expect(0);
    assert!(second.run(&format!("cat {CLUSTER_FILE}")).stdout.contains("\"first_host\": true"));
    second.run("test -e /etc/ece-agent/plan.key").expect(1);
}

#[test]
fn a_service_that_lost_its_state_directory_is_restarted_by_start_and_by_install() {
    let Some(lab) = lab(
        "lab::lost::a_service_that_lost_its_state_directory_is_restarted_by_start_and_by_install",
    ) else {
        return;
    };
    let (_first, second) = first_and_member(&lab);
    let lose = || as_service(&second, "cd /var/lib/ece-agent && rm -f agent.sock lock");
    lose();
    second.run("systemctl is-active ece-agent").expect(0);
    let told = second.run("ece-agent status").refused(1, "daemon.not_running").stderr;
    assert!(told.contains("'systemctl restart ece-agent'"), "{told}");
    second.run("ece-agent start").expect(0);
    second.run("ece-agent status --wait").expect(0);
    lose();
    second.run("ece-agent install").expect(0);
    second.run("ece-agent status").expect(0);
    // One that was stopped answers, too, when 'start' ends.
    second.run("ece-agent stop && ece-agent start && ece-agent status").expect(0);
}

/// Puts a link to what is root's into the place of the directory, and the directory back, all the time.
const SWAPPER: &str = "import os
os.chdir('/var/lib/ece-agent')
while True:
    for target in ('/etc/cron.d', '/etc'):
        try:
            os.rename('coordinator', 'moved')
            os.symlink(target, 'coordinator')
            os.unlink('coordinator')
            os.rename('moved', 'coordinator')
        except OSError:
            pass
";

#[test]
fn whoever_is_the_service_user_gets_nothing_by_backup_and_restore() {
    let Some(lab) =
        lab("lab::lost::whoever_is_the_service_user_gets_nothing_by_backup_and_restore")
    else {
        return;
    };
    let (first, _second) = first_and_member(&lab);
    first.run("mkdir -p /etc/cron.d && touch /etc/store.db && chmod 644 /etc/store.db").expect(0);
    first.run("ece-agent backup /root/good").expect(0);
    as_service(
        &first,
        "cd /var/lib/ece-agent/coordinator && for i in shadow gshadow evil; do echo '* * * * * root id' > $i; done",
    );
    let seen = "find /etc/cron.d /etc/shadow /etc/store.db -printf '%p %U %m %s %T@\\n'";
    let before = first.run(seen).expect(0).stdout;
    first.write_running("tmp/swap.py", SWAPPER.as_bytes());
    let unit = "-p Restart=always -p RestartSec=20ms -p StartLimitIntervalSec=0";
    first
        .run(&format!(
            "systemd-run --quiet --uid=ece-agent --unit=swapper {unit} python3 /tmp/swap.py"
        ))
        .expect(0);
    for round in 0..5 {
        // Whether it succeeds is the user's to spoil.
        first.run(&format!("ece-agent backup /root/backup-{round}"));
        first.run("ece-agent restore /root/good");
    }
    assert_eq!(first.run(seen).stdout, before);
    let names = first.run("cd /root && ls -A backup-*/coordinator good/coordinator").stdout;
    assert!(!names.contains("shadow") && !names.contains("evil"), "{names}");
    let others = "find /root/backup-* /root/good -not -user root -o -perm /077 -o -type l";
    assert_eq!(first.run(others).stdout, "");
    first
        .run("systemctl stop swapper && ece-agent restore /root/good && ece-agent install")
        .expect(0);
}
