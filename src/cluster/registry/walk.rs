use std::{
    iter,
    ops::Bound::{self, Excluded, Unbounded},
    sync::Arc,
};

use super::{Registry, View};
use crate::{cluster::member::Member, model::RunnerId};

/// Hosts that are passed before others get the lock.
const AT_A_TIME: usize = 256;

impl Registry {
    /// The hosts that are meant, in the order of their names, looked up as far as the walk goes. The
    /// lock is free now and then: who comes or goes meanwhile may be left out, and all others are met.
    pub fn walk(&self, are_meant: impl Fn(&Member) -> bool) -> impl Iterator<Item = Arc<Member>> {
        let mut from = Some(Unbounded);
        let some = move || {
            let (some, next) = self.view().some(from.take()?, &are_meant);
            from = next;
            Some(some)
        };
        iter::from_fn(some).flatten()
    }
}

impl View {
    /// Those of the next hosts that are meant, and where the ones after them begin, if there are any.
    fn some(
        &self,
        from: Bound<RunnerId>,
        are_meant: impl Fn(&Member) -> bool,
    ) -> (Vec<Arc<Member>>, Option<Bound<RunnerId>>) {
        let (mut some, mut last) = (Vec::new(), None);
        for (runner, host) in self.hosts.range((from, Unbounded)).take(AT_A_TIME) {
            last = Some(runner);
            some.extend(are_meant(host).then(|| host.clone()));
        }
        (some, last.cloned().map(Excluded))
    }
}
