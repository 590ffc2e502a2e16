//! What a shell offers to who types a command.

use std::process::Command;

use crate::support::{Finished, agent};

/// What bash offers after these words, the last of which is the one that is being typed.
fn offered_by_bash(words: &[&[&str]]) -> Vec<String> {
    let script = Finished::of(&mut agent(["completions", "bash"])).expect(0).stdout;
    let ask = |words: &&[&str]| {
        let quoted: Vec<String> = words.iter().map(|word| format!("'{word}'")).collect();
        let (last, before) = (words.len() - 1, &quoted[quoted.len() - 2]);
        format!(
            "COMP_WORDS=({}); COMP_CWORD={last}; _ece__agent ece-agent {} {before}; echo \"${{COMPREPLY[*]}}\"\n",
            quoted.join(" "),
            quoted[last],
        )
    };
    let asked: String = words.iter().map(ask).collect();
    let offered = Finished::with_input(&mut Command::new("bash"), &(script + &asked)).expect(0);
    offered.stdout.lines().map(str::to_owned).collect()
}

/// Each verb with the words before it.
fn verbs_of(command: &clap::Command, before: &[String]) -> Vec<(Vec<String>, clap::Command)> {
    let below = command.get_subcommands().flat_map(|verb| {
        let words = [before, &[verb.get_name().to_owned()]].concat();
        let mut verbs = verbs_of(verb, &words);
        verbs.push((words, verb.clone()));
        verbs
    });
    below.collect()
}

#[test]
fn bash_completes_the_flags_of_each_verb() {
    let program = ["ece-agent".to_owned()];
    let verbs = verbs_of(&ece_agent::cli::command(), &program);
    let asked: Vec<Vec<&str>> = verbs
        .iter()
        .map(|(words, _)| words.iter().map(String::as_str).chain(["--"]).collect())
        .collect();
    let asked: Vec<&[&str]> = asked.iter().map(Vec::as_slice).collect();
    let offered = offered_by_bash(&asked);
    assert_eq!(offered.len(), verbs.len());
    for ((words, verb), offered) in verbs.iter().zip(&offered) {
        let offered: Vec<&str> = offered.split(' ').collect();
        let flags = verb.get_arguments().filter(|it| !it.is_hide_set());
        for flag in flags.filter_map(clap::Arg::get_long).chain(["help"]) {
            assert!(offered.contains(&&*format!("--{flag}")), "{words:?}: {offered:?}");
        }
    }
    let asked: [&[&str]; 3] =
        [&["ece-agent", "tok"], &["ece-agent", "token", "cr"], &["ece-agent", "host", "maint"]];
    assert_eq!(offered_by_bash(&asked), ["token", "create", "maintenance"]);
}
