//! Changes of one host by several writers at once.

use super::{
    super::allocators::{Part, change_allocator},
    *,
};
use crate::cluster::{app::App, change::Origin, records::MemberPart, testing::facts};

/// What somebody changes of the host with number 7.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Writer {
    Facts,
    Roles,
    Maintenance,
    Metadata,
}

impl Writer {
    async fn write(self, app: &App, origin: &Origin, caller: super::super::Caller) {
        let runner = &runner(7);
        match self {
            Self::Facts => {
                let mut new = facts("10.0.0.7");
                new.cpus = 64;
                let hash = new.hash();
                update_facts(app, caller, runner, new, hash).await.expect("taken");
            }
            Self::Roles => {
                let wanted = WantedRoles::from_names(["allocator", "proxy"]).expect("roles");
                set_roles(app, origin, runner, wanted).await.expect("set");
            }
            Self::Maintenance => {
                change_allocator(app, origin, runner, (Part::Maintenance, None), |it, _, now| {
                    it.maintenance_since = Some(now);
                })
                .await
                .expect("set");
            }
            Self::Metadata => {
                change_allocator(app, origin, runner, (Part::Metadata, Some(0)), |it, _, _| {
                    it.metadata = Some([("rack".to_owned(), "7".to_owned())].into());
                })
                .await
                .expect("set");
            }
        }
    }

    fn has_written(self, host: &Member) -> bool {
        match self {
            Self::Facts => host.facts.cpus == 64,
            Self::Roles => host.roles.to_string() == "allocator,proxy",
            Self::Maintenance => host.allocator.maintenance_since.is_some(),
            Self::Metadata => host.metadata().contains_key("rack"),
        }
    }
}

#[tokio::test]
async fn facts_roles_and_settings_that_change_at_once_are_all_written_at_the_first_try() {
    use Writer::{Facts, Maintenance, Metadata, Roles};
    for (one, other) in [
        (Facts, Maintenance),
        (Maintenance, Facts),
        (Facts, Metadata),
        (Metadata, Facts),
        (Facts, Roles),
        (Roles, Facts),
        (Roles, Maintenance),
        (Maintenance, Roles),
        (Roles, Metadata),
        (Metadata, Roles),
    ] {
        let store = Arc::new(Interleaved::default());
        let cluster = TestCluster::start_on(store.clone()).await;
        let token = cluster.token("allocator", None, None).await;
        let before = join(&cluster, 7, "allocator", &token).await.expect("joined");
        let (app, origin, caller) = (cluster.app.clone(), cluster.origin(), cluster.caller(7));
        store.before_the_next_commit(async move { other.write(&app, &origin, caller).await });
        one.write(&cluster.app, &cluster.origin(), caller).await;
        assert_eq!(store.conflicts(), 0, "{one:?} and {other:?}");
        let host = cluster.app.member("10.0.0.7", None).expect("a member");
        assert!(one.has_written(&host) && other.has_written(&host), "{one:?} and {other:?}");
        let news = [one, other].iter().filter(|it| matches!(it, Roles | Maintenance)).count();
        assert_eq!(host.desired_revision(), before.desired_revision() + news as u64);
    }
}

#[tokio::test]
async fn two_who_set_something_at_once_for_the_first_time_both_have_set_it() {
    let store = Arc::new(Interleaved::default());
    let cluster = TestCluster::start_on(store.clone()).await;
    let token = cluster.token("allocator", None, None).await;
    join(&cluster, 7, "allocator", &token).await.expect("joined");
    let settings = MemberPart::Settings.path(&runner(7));
    assert_eq!(store.get(&settings).await.expect("read"), None, "nothing is set");
    let (app, origin, caller) = (cluster.app.clone(), cluster.origin(), cluster.caller(7));
    store.before_the_next_commit(async move {
        Writer::Maintenance.write(&app, &origin, caller).await;
    });
    Writer::Metadata.write(&cluster.app, &cluster.origin(), caller).await;
    assert_eq!(store.conflicts(), 1);
    let host = cluster.app.member("10.0.0.7", None).expect("a member");
    assert!(Writer::Maintenance.has_written(&host) && Writer::Metadata.has_written(&host));
}

#[tokio::test]
async fn nothing_is_left_of_a_host_on_which_something_is_set_while_it_is_removed() {
    let store = Arc::new(Interleaved::default());
    let cluster = TestCluster::start_on(store.clone()).await;
    let token = cluster.token("allocator", None, None).await;
    let before = store.list(&MemberPart::root()).await.expect("listed");
    join(&cluster, 7, "allocator", &token).await.expect("joined");
    let (app, origin, caller) = (cluster.app.clone(), cluster.origin(), cluster.caller(7));
    store.before_the_next_commit(async move {
        Writer::Maintenance.write(&app, &origin, caller).await;
    });
    remove_runner(&cluster.app, &cluster.origin(), &runner(7)).await.expect("removed");
    assert_eq!(store.conflicts(), 1);
    assert_eq!(store.list(&MemberPart::root()).await.expect("listed"), before);
    assert!(cluster.app.member("10.0.0.7", None).is_none());

    // Nor is anything set on one that is removed meanwhile, or on another that has its name then.
    join(&cluster, 8, "allocator", &token).await.expect("joined");
    let mut another = cluster.request(9, "allocator", &token);
    another.runner_id = runner(8);
    let (app, origin, caller) = (cluster.app.clone(), cluster.origin(), cluster.caller(9));
    store.before_the_next_commit(async move {
        remove_runner(&app, &origin, &runner(8)).await.expect("removed");
        enrol(&app, caller, another).await.expect("joined");
    });
    let mut new = facts("10.0.0.8");
    new.hostname = "the first one".into();
    let hash = new.hash();
    update_facts(&cluster.app, cluster.caller(8), &runner(8), new, hash).await.expect("told");
    let host = cluster.app.member("10.0.0.8", None).expect("a member");
    assert_eq!(host.facts.hostname, "host");
}
