//! Settings that somebody has given, beside those that a host has.

use std::{
    net::{IpAddr, SocketAddr},
    path::PathBuf,
};

use serde::{Deserialize, Serialize};

use super::{HostSettings, InstallArguments};
use crate::model::{Tags, Zone};

/// What was given by a flag, a variable or the config file; what is absent stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GivenSettings {
    pub host_ip: Option<IpAddr>,
    pub zone: Option<Zone>,
    pub capacity_mb: Option<u64>,
    pub storage_path: Option<PathBuf>,
    pub allocator_tags: Option<Tags>,
    pub proxy_tags: Option<Tags>,
    pub external_hostnames: Option<Vec<String>>,
    pub metrics_listen: Option<SocketAddr>,
}

/// A setting that was given and is not the one in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The long name of its flag, which is its key in the config file.
    pub key: &'static str,
    pub in_force: String,
    pub given: String,
}

impl InstallArguments {
    /// Which of these settings were given; `whole` has all of them.
    pub(super) fn given(&self, whole: &HostSettings) -> GivenSettings {
        let names = &whole.external_hostnames;
        GivenSettings {
            host_ip: whole.host_ip,
            zone: self.availability_zone.is_some().then(|| whole.zone.clone()),
            capacity_mb: whole.capacity_mb,
            storage_path: self.host_storage_path.is_some().then(|| whole.storage_path.clone()),
            allocator_tags: self.allocator_tags.is_some().then(|| whole.allocator_tags.clone()),
            proxy_tags: self.proxy_tags.is_some().then(|| whole.proxy_tags.clone()),
            external_hostnames: (!names.is_empty()).then(|| names.clone()),
            metrics_listen: whole.metrics_listen,
        }
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
        let in_force = GivenSettings {
            host_ip: Some(settings.host_ip.unwrap_or(host_ip)),
            zone: Some(settings.zone.clone()),
            capacity_mb: settings.capacity_mb,
            storage_path: Some(settings.storage_path.clone()),
            allocator_tags: Some(settings.allocator_tags.clone()),
            proxy_tags: Some(settings.proxy_tags.clone()),
            external_hostnames: Some(settings.external_hostnames.clone()),
            metrics_listen: settings.metrics_listen,
        };
        let both = self.in_words().into_iter().zip(in_force.in_words());
        both.filter_map(|((key, given), (_, in_force))| {
            let (given, in_force) = (given?, in_force.unwrap_or_default());
            (given != in_force).then_some(Difference { key, in_force, given })
        })
        .collect()
    }

    /// Each setting by its key, as a flag takes it.
    pub(super) fn in_words(&self) -> [(&'static str, Option<String>); 8] {
        [
            ("host-ip", self.host_ip.map(|it| it.to_string())),
            ("availability-zone", self.zone.as_ref().map(ToString::to_string)),
            ("capacity", self.capacity_mb.map(|it| it.to_string())),
            ("host-storage-path", self.storage_path.as_ref().map(|it| it.display().to_string())),
            ("allocator-tags", self.allocator_tags.as_ref().map(tags_in_words)),
            ("proxy-tags", self.proxy_tags.as_ref().map(tags_in_words)),
            ("external-hostname", self.external_hostnames.as_ref().map(|it| it.join(","))),
            ("metrics-listen", self.metrics_listen.map(|it| it.to_string())),
        ]
    }
}

/// Tags as a flag takes them.
pub(super) fn tags_in_words(tags: &Tags) -> String {
    let pairs: Vec<String> = tags.0.iter().map(|(key, value)| format!("{key}:{value}")).collect();
    pairs.join(",")
}

impl HostSettings {
    /// These settings, with what was given. The storage path stays: data is there.
    pub fn with(&self, given: &GivenSettings) -> Self {
        let given = given.clone();
        Self {
            host_ip: given.host_ip.or(self.host_ip),
            zone: given.zone.unwrap_or_else(|| self.zone.clone()),
            capacity_mb: given.capacity_mb.or(self.capacity_mb),
            storage_path: self.storage_path.clone(),
            allocator_tags: given.allocator_tags.unwrap_or_else(|| self.allocator_tags.clone()),
            proxy_tags: given.proxy_tags.unwrap_or_else(|| self.proxy_tags.clone()),
            metrics_listen: given.metrics_listen.or(self.metrics_listen),
            external_hostnames: given
                .external_hostnames
                .unwrap_or_else(|| self.external_hostnames.clone()),
        }
    }
}
