//! The settings of a host as a config file, and a config file's say in them.

use super::{
    GivenSettings, HostSettings, InstallArguments, Mistake, kept::quoted, mistake::Checker,
    settings::InWords,
};

/// A setting that was given and is not the one in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The long name of its flag, which is its key in the config file.
    pub key: &'static str,
    pub in_force: String,
    pub given: String,
}

impl Difference {
    pub fn flag(&self) -> String {
        format!("--{}", self.key)
    }
}

impl HostSettings {
    /// A config file that says the same; what is a default stands in a comment, the memory that is
    /// offered by default too.
    pub fn as_config_file(&self, offered_mb: Option<u64>) -> String {
        let mut lines = vec![
            "# Settings of this host. What stands here counts when 'ece-agent install' runs, and"
                .to_owned(),
            "# each time the service starts: systemctl restart ece-agent".to_owned(),
            String::new(),
        ];
        lines.extend(self.in_words().into_iter().filter_map(
            |InWords { key, said, example, toml }| match said {
                Some(said) => Some(format!("{key} = {}", toml(&said))),
                None => {
                    let offered = offered_mb.filter(|_| key == "capacity").map(|mb| mb.to_string());
                    let example = offered.or_else(|| example.map(str::to_owned));
                    example.map(|example| format!("# {key} = {}", toml(&example)))
                }
            },
        ));
        lines.push(String::new());
        lines.join("\n")
    }

    /// With what the config file says now. The storage path stays: data is there.
    pub fn overlaid_with(&self, file: &InstallArguments) -> Result<Self, Vec<Mistake>> {
        let mut check = Checker::default();
        let settings = file.settings(&mut check);
        match check.0.is_empty() {
            true => Ok(self.with(&file.given(&settings))),
            false => Err(file.from_file.place(check.0)),
        }
    }
}

/// A config file that says what was given, where that differs; `None` if the file is written in a
/// way that only a person can change.
pub fn edited(text: &str, differences: &[Difference]) -> Option<String> {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let settings = GivenSettings::default().in_words();
    for Difference { key, given, .. } in differences {
        let known = settings.iter().find(|it| it.key == *key);
        let toml = known.map_or(quoted as fn(&str) -> String, |known| known.toml);
        let line = format!("{key} = {}", toml(given));
        let says = |line: &&mut String, before: &str| {
            let rest = line.trim_start().strip_prefix(before).map(str::trim_start);
            let rest = rest.and_then(|rest| rest.strip_prefix(key)).map(str::trim_start);
            rest.is_some_and(|rest| rest.starts_with('='))
        };
        let at = lines.iter_mut().find(|it| says(it, ""));
        match at {
            Some(at) => *at = line,
            None => match lines.iter_mut().find(|it| says(it, "#")) {
                Some(at) => *at = line,
                None => lines.push(line),
            },
        }
    }
    lines.push(String::new());
    let text = lines.join("\n");
    let read: InstallArguments = toml::from_str(&text).ok()?;
    let settings = read.settings(&mut Checker::default());
    let unchanged = read.given(&settings).in_words();
    let is_there = |it: &Difference| {
        let said = unchanged.iter().find(|said| said.key == it.key);
        said.is_some_and(|said| said.said.as_ref() == Some(&it.given))
    };
    differences.iter().all(is_there).then_some(text)
}

impl InstallArguments {
    /// Fills what is not given from these settings.
    pub fn over_settings(self, settings: &HostSettings) -> Self {
        let below =
            toml::from_str(&settings.as_config_file(None)).expect("it reads what it writes");
        self.over(below)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::SettingArguments;

    #[test]
    fn a_host_reads_its_own_config_file_back_and_takes_a_change_of_it() {
        let arguments = SettingArguments {
            host_ip: Some("10.0.0.7".into()),
            availability_zone: Some("z".into()),
            capacity: Some("9000".into()),
            allocator_tags: Some("rack:7,disk:ssd".into()),
            external_hostname: vec!["a.example".into()],
            metrics_listen: Some("127.0.0.1:9".into()),
            ..Default::default()
        };
        let settings = arguments.read(&mut Checker::default());
        let text = settings.as_config_file(Some(20_489));
        let read: InstallArguments = toml::from_str(&text).expect("TOML");
        let same = read.settings(&mut Checker::default());
        assert_eq!(same, settings);
        assert!(!text.contains("20489"), "it says another capacity: {text}");
        let unsaid = HostSettings { capacity_mb: None, ..settings.clone() };
        assert!(unsaid.as_config_file(Some(20_489)).contains("\n# capacity = \"20489\"\n"));
        let with_capacity = |mb: &str| InstallArguments {
            settings: SettingArguments { capacity: Some(mb.into()), ..Default::default() },
            ..Default::default()
        };
        let changed = with_capacity("10000");
        let after = settings.overlaid_with(&changed).expect("valid");
        assert_eq!(after, HostSettings { capacity_mb: Some(10_000), ..settings.clone() });
        let bad = with_capacity("1");
        assert_eq!(settings.overlaid_with(&bad).expect_err("too little")[0].flag, "--capacity");
    }

    #[test]
    fn whatever_a_setting_holds_its_file_can_be_read() {
        for odd in ["7\u{7f}", "a\"b\\", "a\nb", "it's", "\u{202e}"] {
            let text = format!("allocator-tags = {}\n", quoted(odd));
            let read: InstallArguments = toml::from_str(&text).expect("TOML");
            assert_eq!(read.settings.allocator_tags.as_deref(), Some(odd));
        }
    }

    #[test]
    fn what_was_given_takes_the_place_of_what_a_config_file_says() {
        let difference =
            |key, given: &str| Difference { key, in_force: String::new(), given: given.to_owned() };
        let differences = [
            difference("availability-zone", "b"),
            difference("capacity", "10000"),
            difference("allocator-tags", "rack:7"),
            difference("external-hostname", "a.example,b.example"),
        ];
        let text = "# kept\navailability-zone = \"a\"\n# capacity = \"12398\"\nroles = 'proxy'";
        let text = edited(text, &differences).expect("it can be changed");
        let expected = "# kept\navailability-zone = \"b\"\ncapacity = \"10000\"\nroles = 'proxy'\nallocator-tags = \"rack:7\"\nexternal-hostname = [\"a.example\", \"b.example\"]\n";
        assert_eq!(text, expected);
        let by_hand = "external-hostname = [\n  'a.example',\n]\n";
        assert_eq!(edited(by_hand, &differences), None);
    }
}
