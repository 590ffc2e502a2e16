//! Hosts that are found by where they are, and those that a walk meets.

use std::cell::Cell;

use super::*;

/// A registry that has taken in all that its store was told.
struct Kept {
    store: SharedStore,
    registry: Registry,
    watch: Watch,
}

impl Kept {
    async fn of(members: &[Member]) -> Self {
        let store: SharedStore = Arc::new(MemoryStore::new());
        let liveness = Arc::new(Liveness::new(crate::rt::ShutdownTrigger::new().1));
        let registry = Registry::load(&store, liveness, Arc::default()).await.expect("loaded");
        let watch = store.watch();
        let mut kept = Self { store, registry, watch };
        for member in members {
            let [identity, facts, desired, _] = member.creations();
            kept.commit(vec![identity, facts, desired]).await;
        }
        kept
    }

    async fn commit(&mut self, ops: Vec<Op>) {
        self.store.commit(ops).await.expect("committed");
        let Some(WatchEvent::Committed(committed)) = self.watch.next().await else {
            panic!("no commit")
        };
        self.registry.apply(&committed).expect("applied");
    }

    async fn remove(&mut self, name: &str) {
        let runner: RunnerId = name.parse().expect("an id");
        let parts = [MemberPart::Facts, MemberPart::Desired, MemberPart::Identity];
        let deletions = parts.map(|it| Op::Delete { path: it.path(&runner), version: 1 });
        self.commit(deletions.into()).await;
    }

    /// Who else is where the hosts are that there are, in the order of their names.
    fn others(&self) -> Vec<(String, Option<String>)> {
        let hosts = self.registry.walk(|_| true);
        let other = |it: &Member| self.registry.another_at(it).map(|other| other.to_string());
        hosts.map(|it| (it.runner_id.to_string(), other(&it))).collect()
    }
}

fn told(pairs: &[(&str, Option<&str>)]) -> Vec<(String, Option<String>)> {
    pairs.iter().map(|(host, other)| ((*host).into(), other.map(str::to_owned))).collect()
}

#[tokio::test]
async fn another_host_at_an_address_is_known_for_as_long_as_it_is_there() {
    let at = |name, address| member(name, address);
    let mut kept = Kept::of(&[at("a", "10.0.0.7"), at("b", "10.0.0.8"), at("c", "10.0.0.8")]).await;
    assert_eq!(kept.others(), told(&[("a", None), ("b", Some("c")), ("c", Some("b"))]));

    let moved = MemberPart::Facts.path(&"b".parse().expect("an id"));
    let facts = at("b", "10.0.0.7").facts();
    kept.commit(vec![records::put(moved, &facts, 1)]).await;
    let together = told(&[("a", Some("b")), ("b", Some("a")), ("c", None)]);
    assert_eq!(kept.others(), together);
    // Neither what is not about its address nor another reading of everything changes that.
    let roles = MemberPart::Desired.path(&"b".parse().expect("an id"));
    let desired = at("b", "10.0.0.7").desired();
    kept.commit(vec![records::put(roles.clone(), &desired, 1)]).await;
    assert_eq!(kept.others(), together);
    kept.registry.reload(&kept.store).await.expect("read");
    assert_eq!(kept.others(), together);

    // Who is no member, as a record of it cannot be read, is nowhere.
    let damaged = |version| Op::Put { path: roles.clone(), value: b"{".to_vec(), version };
    kept.commit(vec![damaged(2)]).await;
    assert_eq!(kept.others(), told(&[("a", None), ("c", None)]));
    kept.commit(vec![records::put(roles.clone(), &desired, 3)]).await;
    assert_eq!(kept.others(), together);
    kept.remove("a").await;
    assert_eq!(kept.others(), told(&[("b", None), ("c", None)]));
}

#[tokio::test]
async fn a_walk_meets_all_that_are_meant_once_and_goes_no_further_than_it_is_followed() {
    let name = |number: usize| format!("host-{number:04}");
    let members: Vec<Member> = (0..600).map(|it| member(&name(it), "10.0.0.7")).collect();
    let kept = Kept::of(&members).await;
    let all = |kept: &Kept| -> Vec<String> {
        kept.registry.walk(|_| true).map(|it| it.runner_id.to_string()).collect()
    };
    assert_eq!(all(&kept), (0..600).map(name).collect::<Vec<_>>());
    // Many are passed before the first that is meant.
    let last = name(599);
    let meant: Vec<_> = kept.registry.walk(|it| it.runner_id.as_str() == last).collect();
    assert_eq!(meant.len(), 1);

    let passed = Cell::new(0);
    let counted = |_: &Member| passed.replace(passed.get() + 1) < usize::MAX;
    assert_eq!(kept.registry.walk(counted).take(100).count(), 100);
    assert!(passed.get() < 600, "{} were looked at", passed.get());

    // Nobody waits for a walk: the hosts change while it is under way.
    let registry = &kept.registry;
    let mut walk = registry.walk(|_| true);
    assert_eq!(walk.next().expect("the first").runner_id.as_str(), name(0));
    let write = || registry.view.try_write().map(|mut it| it.hosts.remove(&members[500].runner_id));
    assert!(write().expect("the lock is free").is_some());
    assert_eq!(walk.count(), 598);
}
