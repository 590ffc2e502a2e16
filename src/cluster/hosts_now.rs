//! Hosts as they are now: what is asked of one is looked up when it is, and once.

use std::{cell::OnceCell, sync::Arc};

use super::{app::App, liveness::HostState, member::Member};
use crate::model::{Failure, Role};

/// All hosts, each as it is when it is come to. No lock is held while one is looked at.
#[derive(Clone, Copy)]
pub struct HostsNow<'a>(&'a App);

/// A host as it was when it was looked at.
pub struct HostNow<'a> {
    pub member: Arc<Member>,
    app: &'a App,
    state: OnceCell<HostState>,
}

impl App {
    pub fn hosts_now(&self) -> HostsNow<'_> {
        HostsNow(self)
    }

    pub fn now(&self, member: Arc<Member>) -> HostNow<'_> {
        HostNow { member, app: self, state: OnceCell::new() }
    }
}

impl<'a> HostsNow<'a> {
    /// All of them, in the order of their names.
    pub fn all(self) -> impl Iterator<Item = HostNow<'a>> {
        self.those(|_| true)
    }

    /// Those that have this role.
    pub fn with(self, role: Role) -> impl Iterator<Item = HostNow<'a>> {
        self.those(move |host| host.has(role))
    }

    fn those(self, are_meant: impl Fn(&Member) -> bool) -> impl Iterator<Item = HostNow<'a>> {
        let Self(app) = self;
        app.registry.walk(are_meant).map(move |member| app.now(member))
    }
}

impl HostNow<'_> {
    /// The same whenever it is asked for.
    pub fn state(&self) -> &HostState {
        let now = || self.app.liveness.state(&self.member, self.app.clock.now());
        self.state.get_or_init(now)
    }

    /// What is not as it should be with it.
    pub fn problems(&self) -> Vec<Failure> {
        self.app.problems(&self.member)
    }
}

#[cfg(test)]
mod tests {
    use crate::cluster::{
        operations::enrolment::enrol,
        testing::{TestCluster, polls_of},
    };

    #[tokio::test]
    async fn a_host_is_looked_at_when_it_is_asked_for_and_once() {
        let cluster = TestCluster::start().await;
        let token = cluster.token("", None, None).await;
        for number in [7, 8] {
            let request = cluster.request(number, "", &token);
            enrol(&cluster.app, cluster.caller(number), request).await.expect("joined");
        }
        let hosts: Vec<_> = cluster.app.hosts_now().all().collect();
        let [_, seven, eight] = &hosts[..] else { panic!("{} hosts", hosts.len()) };
        assert!(!seven.state().connected);
        for (number, host) in [(7, seven), (8, eight)] {
            let source = polls_of(cluster.caller(number));
            cluster.app.liveness.poll(&host.member.runner_id, source, Default::default());
        }
        assert!(!seven.state().connected, "what is said of it is of one moment");
        assert!(eight.state().connected);
    }
}
