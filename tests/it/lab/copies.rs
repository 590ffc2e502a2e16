use std::time::Duration;

use super::{first_and_blank, lab};
use crate::support::within;

#[test]
fn a_copied_disk_is_noticed_kept_apart_and_one_command_makes_it_a_host_of_its_own() {
    let Some(lab) = lab(
        "lab::copies::a_copied_disk_is_noticed_kept_apart_and_one_command_makes_it_a_host_of_its_own",
    ) else {
        return;
    };
    let (first, mut original) = first_and_blank(&lab, "");
    let token = first.token("--roles allocator");
    original.join(&first, &token, "--roles allocator").expect(0);
    let session = original.status()["session"].clone();
    original.run("sync").expect(0);
    original.crash();
    let mut copy = lab.copy(&original, 13);
    original.boot();
    first.sees_connected("10.77.0.12");
    copy.boot();
    let refused =
        within(Duration::from_secs(30), || copy.status()["problem"]["code"] == "host.cloned");
    assert!(refused, "{:#}", copy.status());
    let told = copy.status()["problem"]["message"].as_str().unwrap().to_owned();
    assert!(told.contains("10.77.0.12") && told.contains("10.77.0.13"), "{told}");
    assert_eq!(told.matches("boot id ").count(), 2, "{told}");
    // Both are shown, and the one that was there first stays.
    let shown = first.runner("10.77.0.12");
    assert_eq!(shown["connected"], true);
    assert_eq!(shown["host_ip"], "10.77.0.12", "the copy's address was taken in: {shown:#}");
    assert_eq!(shown["clones"][0]["address"], "10.77.0.13");
    let boots = [&shown["boot_id"], &shown["clones"][0]["boot_id"]];
    assert!(boots.iter().all(|id| told.contains(id.as_str().unwrap())), "{told}\n{shown:#}");
    assert!(within(Duration::from_secs(20), || {
        original.status()["warnings"][0]["code"] == "host.cloned"
    }));
    let kept = original.status()["session"].clone();
    assert_ne!(kept, session, "it was booted anew");

    let again = copy.join(&first, &token, "--roles allocator");
    again.refused(14, "host.cloned");
    copy.join(&first, &token, "--roles allocator --new-identity").expect(0);
    first.sees_connected("10.77.0.13");
    first.sees_connected("10.77.0.12");
    assert_eq!(original.status()["session"], kept, "the session of the first was disturbed");
    original.join(&first, &token, "--roles allocator --new-identity").refused(3, "join.not_needed");

    // An honest reboot is not taken for a copy.
    for _ in 0..2 {
        original.reboot();
        first.sees_connected("10.77.0.12");
        assert!(first.runner("10.77.0.12")["clones"].as_array().unwrap().is_empty());
    }
    assert!(within(Duration::from_secs(30), || original.status()["connected"] == true));
}

#[test]
fn a_removed_host_comes_back_as_a_service_with_its_name_and_its_roles() {
    let Some(lab) =
        lab("lab::copies::a_removed_host_comes_back_as_a_service_with_its_name_and_its_roles")
    else {
        return;
    };
    let (first, second) = first_and_blank(&lab, "");
    let token = first.token("--persistent --roles allocator,proxy");
    second.join(&first, &token, "--roles proxy --runner-id rack-7").expect(0);
    first.run("ece-agent host delete rack-7 --evict").expect(0);
    let refused = || second.status()["problem"]["code"] == "host.removed";
    assert!(within(Duration::from_secs(30), refused), "{:#}", second.status());
    let plan = second.join(&first, &token, "--new-identity --dry-run").expect(0).stdout;
    assert!(plan.contains("would join the cluster with the role proxy"), "{plan}");
    second.join(&first, &token, "--new-identity").expect(0);
    first.sees_connected("rack-7");
    let status = second.status();
    assert_eq!(status["roles"]["proxy"]["healthy"], true, "{status:#}");
    assert_eq!(status["roles"].as_object().unwrap().len(), 1, "{status:#}");
}

#[test]
fn a_rebuilt_host_takes_the_place_of_the_one_that_is_gone_within_its_tokens_bounds() {
    let Some(lab) = lab(
        "lab::copies::a_rebuilt_host_takes_the_place_of_the_one_that_is_gone_within_its_tokens_bounds",
    ) else {
        return;
    };
    let (mut first, mut old, mut rebuilt) = (lab.machine(11), lab.machine(12), lab.machine(13));
    for machine in [&mut first, &mut old, &mut rebuilt] {
        machine.boot();
    }
    first.install_first_host();
    let (plain, replacing) = (
        first.token("--persistent"),
        first.token("--persistent --allow-replace --roles allocator,proxy"),
    );
    old.join(&first, &replacing, "--roles allocator --runner-id the-host").expect(0);
    let flags = "--roles allocator,proxy --runner-id the-host";
    rebuilt.join(&first, &replacing, flags).refused(14, "join.runner_id_taken");
    let replace = format!("{flags} --replace");
    rebuilt.join(&first, &replacing, &replace).refused(14, "join.replace_refused");
    old.crash();
    assert!(within(Duration::from_secs(60), || first.runner("the-host")["connected"] == false));
    rebuilt
        .join(&first, &plain, "--runner-id the-host --replace")
        .refused(14, "join.replace_refused");
    rebuilt.join(&first, &replacing, &replace).expect(0);
    let shown = first.runner("the-host");
    assert_eq!(shown["host_ip"], "10.77.0.13");
    assert_eq!(
        shown["roles"].as_array().unwrap().len(),
        2,
        "the roles of the token count: {shown}"
    );
    // The old one is told, should it come back.
    old.boot();
    assert!(within(Duration::from_secs(30), || old.status()["problem"]["code"] == "host.removed"));
    first.sees_connected("the-host");
}
