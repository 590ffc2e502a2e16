//! The settings of a host as a config file, and a config file's say in them.

use super::{HostSettings, InstallArguments, Mistake, mistake::Checker};

/// A string as TOML writes it; JSON's escapes are among TOML's.
fn quoted(text: &str) -> String {
    serde_json::to_string(text).expect("text is text")
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
        let tags = |tags: &crate::model::Tags| {
            let pairs: Vec<String> =
                tags.0.iter().map(|(key, value)| format!("{key}:{value}")).collect();
            (!pairs.is_empty()).then(|| pairs.join(","))
        };
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
        let given = file.settings(&mut check);
        match given {
            Some(given) if check.0.is_empty() => Ok(Self {
                host_ip: file.host_ip.as_ref().map_or(self.host_ip, |_| given.host_ip),
                zone: match file.availability_zone {
                    Some(_) => given.zone,
                    None => self.zone.clone(),
                },
                capacity_mb: file.capacity.as_ref().map_or(self.capacity_mb, |_| given.capacity_mb),
                storage_path: self.storage_path.clone(),
                allocator_tags: match file.allocator_tags {
                    Some(_) => given.allocator_tags,
                    None => self.allocator_tags.clone(),
                },
                proxy_tags: match file.proxy_tags {
                    Some(_) => given.proxy_tags,
                    None => self.proxy_tags.clone(),
                },
                metrics_listen: match file.metrics_listen {
                    Some(_) => given.metrics_listen,
                    None => self.metrics_listen,
                },
                external_hostnames: match file.external_hostname[..] {
                    [] => self.external_hostnames.clone(),
                    _ => given.external_hostnames,
                },
            }),
            _ => Err(check.0),
        }
    }
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
}
