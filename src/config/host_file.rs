//! The settings of a host as a config file, and a config file's say in them.

use super::{
    Difference, HostSettings, InstallArguments, Mistake, given::tags_in_words, mistake::Checker,
};

/// A string as TOML writes it.
fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}

impl HostSettings {
    /// A config file that says the same; what is a default stands in a comment.
    pub fn as_config_file(&self) -> String {
        let mut lines = vec![
            "# Settings of this host. What stands here counts when 'ece-agent install' runs, and"
                .to_owned(),
            "# each time the service starts: systemctl restart ece-agent".to_owned(),
            String::new(),
        ];
        let mut line = |key: &str, value: Option<String>, example: &str| {
            lines.push(match value {
                Some(value) => format!("{key} = {}", quoted(&value)),
                None => format!("# {key} = {}", quoted(example)),
            });
        };
        line("host-ip", self.host_ip.map(|ip| ip.to_string()), "192.168.40.79");
        line("availability-zone", Some(self.zone.to_string()), "");
        line("host-storage-path", Some(self.storage_path.display().to_string()), "");
        line("capacity", self.capacity_mb.map(|mb| mb.to_string()), "12398");
        let tags = |tags| Some(tags_in_words(tags)).filter(|text| !text.is_empty());
        line("allocator-tags", tags(&self.allocator_tags), "rack:7");
        line("proxy-tags", tags(&self.proxy_tags), "rack:7");
        if !self.external_hostnames.is_empty() {
            let names: Vec<String> =
                self.external_hostnames.iter().map(|name| quoted(name)).collect();
            lines.push(format!("external-hostname = [{}]", names.join(", ")));
        }
        if let Some(address) = self.metrics_listen {
            lines.push(format!("metrics-listen = {}", quoted(&address.to_string())));
        }
        lines.push(String::new());
        lines.join("\n")
    }

    /// With what the config file says now. The storage path stays: data is there.
    pub fn overlaid_with(&self, file: &InstallArguments) -> Result<Self, Vec<Mistake>> {
        let mut check = Checker::default();
        match file.settings(&mut check) {
            Some(settings) if check.0.is_empty() => Ok(self.with(&file.given(&settings))),
            _ => Err(check.0),
        }
    }
}

/// A config file that says what was given, where that differs; `None` if the file is written in a
/// way that only a person can change.
pub fn edited(text: &str, differences: &[Difference]) -> Option<String> {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    for Difference { key, given, .. } in differences {
        let value = match *key {
            "external-hostname" => {
                let names: Vec<String> = given.split(',').map(quoted).collect();
                format!("[{}]", names.join(", "))
            }
            _ => quoted(given),
        };
        let line = format!("{key} = {value}");
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
    let settings = read.settings(&mut Checker::default())?;
    let unchanged = read.given(&settings).in_words();
    let is_there = |it: &Difference| {
        let said = unchanged.iter().find(|(key, _)| *key == it.key);
        said.is_some_and(|(_, value)| value.as_ref() == Some(&it.given))
    };
    differences.iter().all(is_there).then_some(text)
}

impl InstallArguments {
    /// Fills what is not given from these settings.
    pub fn over_settings(self, settings: &HostSettings) -> Self {
        let below = toml::from_str(&settings.as_config_file()).expect("it reads what it writes");
        self.over(below)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_reads_its_own_config_file_back_and_takes_a_change_of_it() {
        let arguments = InstallArguments {
            host_ip: Some("10.0.0.7".into()),
            availability_zone: Some("z".into()),
            capacity: Some("9000".into()),
            allocator_tags: Some("rack:7,disk:ssd".into()),
            external_hostname: vec!["a.example".into()],
            metrics_listen: Some("127.0.0.1:9".into()),
            ..Default::default()
        };
        let settings = arguments.settings(&mut Checker::default()).expect("valid");
        let text = settings.as_config_file();
        let read: InstallArguments = toml::from_str(&text).expect("TOML");
        let same = read.settings(&mut Checker::default()).expect("valid");
        assert_eq!(same, settings);
        let changed = InstallArguments { capacity: Some("10000".into()), ..Default::default() };
        let after = settings.overlaid_with(&changed).expect("valid");
        assert_eq!(after, HostSettings { capacity_mb: Some(10_000), ..settings.clone() });
        let bad = InstallArguments { capacity: Some("1".into()), ..Default::default() };
        assert_eq!(settings.overlaid_with(&bad).expect_err("too little")[0].flag, "--capacity");
    }

    #[test]
    fn whatever_a_setting_holds_its_file_can_be_read() {
        for odd in ["7\u{7f}", "a\"b\\", "a\nb", "it's", "\u{202e}"] {
            let text = format!("allocator-tags = {}\n", quoted(odd));
            let read: InstallArguments = toml::from_str(&text).expect("TOML");
            assert_eq!(read.allocator_tags.as_deref(), Some(odd));
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
