use std::{collections::BTreeSet, net::IpAddr};

use crate::{cluster::member::Member, model::RunnerId};

/// Who says that they are at which address. One is kept as `Some`: `None` comes before all of them.
#[derive(Default)]
pub(super) struct Addresses(BTreeSet<(IpAddr, Option<RunnerId>)>);

fn entry(host: &Member) -> (IpAddr, Option<RunnerId>) {
    (host.facts.host_ip, Some(host.runner_id.clone()))
}

impl Addresses {
    pub(super) fn note(&mut self, host: &Member) {
        self.0.insert(entry(host));
    }

    pub(super) fn forget(&mut self, host: &Member) {
        self.0.remove(&entry(host));
    }

    /// The first other host at the address of this one.
    pub(super) fn other(&self, host: &Member) -> Option<&RunnerId> {
        let address = host.facts.host_ip;
        let known = self.0.range((address, None)..).take_while(|(at, _)| *at == address);
        known.filter_map(|(_, runner)| runner.as_ref()).find(|it| **it != host.runner_id)
    }
}
