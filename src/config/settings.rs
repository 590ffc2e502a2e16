//! The settings of a host: what it keeps of its flags for as long as it is installed. All that is to
//! be said of one stands in its entry here.

use std::{
    net::{IpAddr, SocketAddr},
    path::PathBuf,
};

use clap::Args;
use serde::{Deserialize, Serialize};

use super::{
    Difference, InstallArguments,
    flags::{FlagValue, flags},
    kept::{Kept, Setting, capacity, names, parsed, path, tags, zone},
    mistake::Checker,
};
use crate::model::{StorageLayout, Tags, Zone};

/// A setting by its key, with what it says as a flag takes it, and as TOML.
pub(super) struct InWords {
    pub key: &'static str,
    pub said: Option<String>,
    /// What stands in a comment of a config file that does not say it, if it is to be there.
    pub example: Option<&'static str>,
    pub toml: fn(&str) -> String,
}

macro_rules! settings {
    ($(
        $key:literal {
            $(#[$about_flag:meta])*
            flag $flag:ident: $text:ty, read by $read:path;
            $(#[$about:meta])*
            kept $setting:ident: $kept:ty, said as $said:ty, for example $example:expr;
        }
    )+) => {
        flags! {
            /// The flags of these settings.
            #[derive(Args, Deserialize, Default, Clone)]
            #[serde(rename_all = "kebab-case", default)]
            pub struct SettingArguments {
                $($(#[$about_flag])* pub $flag: $text,)+
            }
        }

        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
        pub struct HostSettings {
            $($(#[$about])* pub $setting: $kept,)+
        }

        /// What was given by a flag, a variable or the config file; what is absent stays as it is.
        #[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
        pub struct GivenSettings {
            $(pub $setting: Option<$said>,)+
        }

        impl SettingArguments {
            pub(super) fn read(&self, check: &mut Checker) -> HostSettings {
                HostSettings { $($setting: $read(concat!("--", $key), &self.$flag, check),)+ }
            }

            /// Which of these settings were given.
            fn given(&self, whole: &HostSettings) -> GivenSettings {
                GivenSettings {
                    $($setting: whole.$setting.said().filter(|_| self.$flag.is_given()),)+
                }
            }
        }

        impl HostSettings {
            fn said(&self) -> GivenSettings {
                GivenSettings { $($setting: self.$setting.said(),)+ }
            }

            fn taking(&self, given: GivenSettings) -> Self {
                Self { $($setting: self.$setting.taking(given.$setting),)+ }
            }
        }

        impl GivenSettings {
            /// Each setting, in the order of the config file.
            pub(super) fn in_words(&self) -> Vec<InWords> {
                vec![$(InWords {
                    key: $key,
                    said: self.$setting.as_ref().map(Setting::in_words),
                    example: $example,
                    toml: <$said>::toml,
                },)+]
            }
        }
    };
}

settings! {
    "host-ip" {
        /// The host's IP address [default: the one that routes to the coordinator]
        #[arg(long, env = "ECE_AGENT_HOST_IP", value_name = "IP", help_heading = "Host")]
        flag host_ip: Option<String>, read by parsed;
        /// `None`: the address that routes to the coordinator.
        kept host_ip: Option<IpAddr>, said as IpAddr, for example Some("192.168.40.79");
    }
    "availability-zone" {
        /// The availability zone [default: ece-zone-1]
        #[arg(long, env = "ECE_AGENT_AVAILABILITY_ZONE", value_name = "ZONE", help_heading = "Host")]
        flag availability_zone: Option<String>, read by zone;
        kept zone: Zone, said as Zone, for example None;
    }
    "host-storage-path" {
        /// Where data, logs and secrets go [default: /mnt/data/elastic]
        #[arg(long, env = "ECE_AGENT_HOST_STORAGE_PATH", value_name = "DIR", help_heading = "Host")]
        flag host_storage_path: Option<PathBuf>, read by path;
        kept storage_path: PathBuf, said as PathBuf, for example None;
    }
    "capacity" {
        /// Memory that the allocator offers, in MB, at least 8192 [default: by ECE's rule]
        #[arg(long, env = "ECE_AGENT_CAPACITY", value_name = "MB", help_heading = "Host")]
        flag capacity: Option<String>, read by capacity;
        kept capacity_mb: Option<u64>, said as u64, for example Some("12398");
    }
    "allocator-tags" {
        /// Labels of the allocator
        #[arg(
            long,
            env = "ECE_AGENT_ALLOCATOR_TAGS",
            value_name = "KEY:VALUE,…",
            help_heading = "Host"
        )]
        flag allocator_tags: Option<String>, read by tags;
        kept allocator_tags: Tags, said as Tags, for example Some("rack:7");
    }
    "proxy-tags" {
        /// Labels of the proxy
        #[arg(long, env = "ECE_AGENT_PROXY_TAGS", value_name = "KEY:VALUE,…", help_heading = "Host")]
        flag proxy_tags: Option<String>, read by tags;
        kept proxy_tags: Tags, said as Tags, for example Some("rack:7");
    }
    "external-hostname" {
        /// A further name under which others reach this coordinator
        #[arg(
            long,
            env = "ECE_AGENT_EXTERNAL_HOSTNAME",
            value_delimiter = ',',
            value_name = "NAME",
            help_heading = "Host"
        )]
        flag external_hostname: Vec<String>, read by names;
        kept external_hostnames: Vec<String>, said as Vec<String>, for example None;
    }
    "metrics-listen" {
        /// Where a coordinator serves its metrics [default: 127.0.0.1:12346]
        #[arg(
            long,
            env = "ECE_AGENT_METRICS_LISTEN",
            value_name = "IP:PORT",
            help_heading = "Host"
        )]
        flag metrics_listen: Option<String>, read by parsed;
        /// Where a coordinator serves its metrics; `None`: on a loopback address.
        #[serde(default)]
        kept metrics_listen: Option<SocketAddr>, said as SocketAddr, for example None;
    }
}

impl InstallArguments {
    /// Which of these settings were given; `whole` has all of them.
    pub(super) fn given(&self, whole: &HostSettings) -> GivenSettings {
        self.settings.given(whole)
    }
}

impl GivenSettings {
    /// Those that a member takes on: its data stays where it is, and so does the address that a
    /// cluster was set up with.
    pub fn for_member(&self, first_host: bool) -> Self {
        let host_ip = self.host_ip.filter(|_| !first_host);
        Self { storage_path: None, host_ip, ..self.clone() }
    }

    /// What differs from `settings`, of a host that goes by `host_ip`.
    pub fn differences(&self, settings: &HostSettings, host_ip: IpAddr) -> Vec<Difference> {
        let mut in_force = settings.said();
        in_force.host_ip.get_or_insert(host_ip);
        let both = self.in_words().into_iter().zip(in_force.in_words());
        both.filter_map(|(InWords { key, said, .. }, in_force)| {
            let (given, in_force) = (said?, in_force.said.unwrap_or_default());
            (given != in_force).then_some(Difference { key, in_force, given })
        })
        .collect()
    }
}

impl HostSettings {
    /// What stands where in the storage path.
    pub fn storage(&self) -> StorageLayout<'_> {
        StorageLayout::of(&self.storage_path)
    }

    /// These settings, with what was given. The storage path stays: data is there.
    pub fn with(&self, given: &GivenSettings) -> Self {
        Self { storage_path: self.storage_path.clone(), ..self.taking(given.clone()) }
    }

    /// Each setting that is not as if nobody had said it, in the order of the config file.
    pub(super) fn in_words(&self) -> Vec<InWords> {
        let mut words = self.said().in_words();
        words.iter_mut().for_each(|it| it.said = it.said.take().filter(|said| !said.is_empty()));
        words
    }
}
