//! What can be seen of a command line that cannot be read.

use std::{borrow::Cow, env, path::PathBuf};

use super::{
    InstallArguments, SettingArguments,
    flags::{FlagValue, variable_of},
};

impl InstallArguments {
    /// Whether it joins, whether it only looks, and the storage path; no more than that.
    pub fn seen_in(words: &[Cow<'_, str>]) -> Self {
        let joining = Self {
            coordinator_host: vec![String::new()],
            roles_token: Some(String::new()),
            roles_token_file: Some(PathBuf::new()),
            ..Self::default()
        };
        let looking = Self { dry_run: true, ..Self::default() };
        let seen = |flags: Self| {
            let names = flags.flags_given("");
            let is_one = |word: &Cow<'_, str>| names.iter().any(|name| word.starts_with(name));
            if words.iter().any(is_one) { flags } else { Self::default() }
        };
        let settings = SettingArguments { host_storage_path: storage(words), ..Default::default() };
        Self { settings, ..seen(joining).over(seen(looking)) }
    }
}

fn storage(words: &[Cow<'_, str>]) -> Option<PathBuf> {
    let storage = Some(PathBuf::new());
    let given = SettingArguments { host_storage_path: storage, ..Default::default() };
    let flag = given.flags_given("").concat();
    let beside = words.iter().find_map(|word| word.strip_prefix(&flag)?.strip_prefix('='));
    let after = || words.get(words.iter().position(|word| *word == flag)? + 1).map(|it| &**it);
    let said = beside.or_else(after).map(PathBuf::from);
    said.or_else(|| env::var_os(variable_of(&flag)).map(PathBuf::from))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn seen(line: &str) -> InstallArguments {
        let words: Vec<_> = line.split(' ').map(Cow::from).collect();
        InstallArguments::seen_in(&words)
    }

    #[test]
    fn of_a_command_line_that_cannot_be_read_the_flags_that_matter_are_seen() {
        for line in
            ["install --roles-token", "install --x --coordinator-host=a", "--roles-token-file f"]
        {
            assert!(seen(line).joins(), "{line}");
        }
        let first = seen("install --bogus --dry-run --host-storage-path /data --y");
        assert!(!first.joins() && first.dry_run);
        assert_eq!(first.storage_path(), Path::new("/data"));
        let other = seen("install --host-storage-path=/other --bogus");
        assert!(!other.dry_run);
        assert_eq!(other.storage_path(), Path::new("/other"));
    }
}
