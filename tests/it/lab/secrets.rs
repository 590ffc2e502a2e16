use super::{first_and_blank, lab};
use crate::support::{Machine, PROVIDED};

/// Where a secret may be: what the operator gave, and nothing else.
fn look_for(machine: &Machine, secret: &str, allowed: &[&str]) {
    machine.write_running("run/canary", secret.as_bytes());
    let excluded: String = allowed.iter().map(|path| format!(" | grep -v '^{path}'")).collect();
    let found = machine.run(&format!(
        "journalctl --sync; journalctl --no-pager -o export > /run/journal.txt
         grep -rlaF -f /run/canary / --exclude-dir=proc --exclude-dir=sys --exclude-dir=provided --exclude=canary 2>/dev/null{excluded}
         for file in /proc/[0-9]*/cmdline /proc/[0-9]*/environ; do
           tr '\\0' '\\n' < $file 2>/dev/null | grep -qaF -f /run/canary && echo $file
         done; true"
    ));
    assert_eq!(found.stdout, "", "the secret is where it should not be");
}

/// Samples what every process shows of itself while something runs.
const SAMPLER: &str = "systemd-run --quiet --unit=sampler sh -c 'while :; do cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null | tr \"\\\\0\" \"\\\\n\" | grep -aF -f /run/canary >> /run/sampled; done'";

#[test]
fn secrets_are_nowhere_but_where_the_operator_put_them_whichever_way_they_came() {
    let Some(lab) = lab(
        "lab::secrets::secrets_are_nowhere_but_where_the_operator_put_them_whichever_way_they_came",
    ) else {
        return;
    };
    let (first, second) = first_and_blank(&lab, "");
    second
        .run("useradd -m elastic && echo 'elastic ALL=(ALL) NOPASSWD:ALL' > /etc/sudoers.d/elastic")
        .expect(0);
    let script = format!("{PROVIDED}/elastic-cloud-enterprise.sh");
    let secrets = "/mnt/data/elastic/bootstrap-state/bootstrap-secrets.json";
    for name in
        ["adminconsole_root_password", "adminconsole_readonly_password", "allocator_only_token"]
    {
        let secret = first.run(&format!("cat {secrets}")).json()[name].as_str().unwrap().to_owned();
        look_for(&first, &secret, &[secrets]);
    }
    first.run(&format!("cat {secrets} > /dev/null; printf %s 'canary-password-1' > /root/pw; ece-agent reset-password --password-file /root/pw")).expect(0);
    look_for(&first, "canary-password-1", &[secrets, "/root/pw"]);
    first.run("exec ece-agent reset-password --user readonly --pwd \"$(printf 'canary-%s-2' password)\"").expect(0);
    look_for(&first, "canary-password-2", &[secrets]);

    let ways = [
        ("exec ece-agent install --roles allocator --roles-token-file /root/token", true),
        ("exec ece-agent install --roles allocator --roles-token-file - < /root/token", true),
        ("ECE_AGENT_ROLES_TOKEN_FILE=/root/token exec ece-agent install --roles allocator", true),
        ("exec ece-agent install --roles allocator --roles-token \"$(cat /root/token)\"", false),
        (
            "exec su elastic -c \"exec bash SCRIPT install --coordinator-host 10.77.0.11 --roles allocator --roles-token \\\"\\$(sudo cat /root/token)\\\"\"",
            false,
        ),
        (
            "mkdir -p /etc/ece-agent; printf 'roles = \"allocator\"\\nroles-token-file = \"/root/token\"\\n' > /etc/ece-agent/config.toml; exec ece-agent install",
            true,
        ),
    ];
    for (way, never_in_argv) in ways {
        let token = first.token("--roles allocator");
        second
            .run_with_input(
                "umask 077; cat > /root/token; cp /root/token /run/canary; rm -f /run/sampled",
                &token,
            )
            .expect(0);
        second.run(SAMPLER).expect(0);
        let finished = second.run(&way.replace("SCRIPT", &script)).expect(0);
        second
            .run("systemctl stop sampler; rm -f /run/systemd/transient/sampler.service")
            .expect(0);
        assert!(!finished.stderr.contains(&token) && !finished.stdout.contains(&token));
        if never_in_argv {
            assert_eq!(second.run("cat /run/sampled").stdout, "", "{way}");
        }
        second.run("rm -f /run/sampled").expect(0);
        look_for(&second, &token, &["/root/token"]);
        let limits =
            second.run("cat /proc/$(systemctl show ece-agent -p MainPID --value)/limits").stdout;
        let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
        assert!(core.split_whitespace().nth(4) == Some("0"), "{core}");
        second.run("ece-agent uninstall").expect(0);
        second.run("rm -rf /etc/ece-agent").expect(0);
    }
}
