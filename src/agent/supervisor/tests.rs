use std::{
    fs,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
};

use tokio::{sync::Notify, time::sleep};

use super::{
    task::{FIRST_RETRY, LONGEST_RETRY, LOOK_INTERVAL, PATIENCE},
    *,
};
use crate::wire::desired::DesiredAllocator;

fn roles(text: &str) -> DesiredState {
    DesiredState::of(&text.parse().expect("roles"))
}

fn with_payload(payload: RolePayload) -> DesiredState {
    DesiredState { payloads: [("proxy".into(), payload)].into(), ..roles("proxy") }
}

/// A role that can be broken, or made not to answer, and remembers when it was started.
#[derive(Default, Clone)]
struct Fragile {
    broken: Arc<AtomicBool>,
    silent: Arc<AtomicBool>,
    answers: Arc<Notify>,
    starts: Arc<Mutex<Vec<Instant>>>,
    /// What it was told, the last one last.
    told: Arc<Mutex<Vec<RolePayload>>>,
    ended: Arc<Notify>,
    /// It ends as soon as it runs.
    short_lived: Arc<AtomicBool>,
    is_over: bool,
    stops: Arc<AtomicU32>,
}

impl Fragile {
    fn starts(&self) -> Vec<Instant> {
        self.starts.lock().expect("no panic while held").clone()
    }

    fn supervised(&self) -> Supervisor {
        Supervisor::new([Box::new(self.clone()) as Box<dyn RoleService>])
    }
}

#[async_trait::async_trait]
impl RoleService for Fragile {
    fn role(&self) -> Role {
        Role::Proxy
    }

    async fn apply(&mut self, wanted: &RolePayload) -> Result<(), Failure> {
        self.is_over = false;
        self.told.lock().expect("no panic while held").push(wanted.clone());
        self.starts.lock().expect("no panic while held").push(Instant::now());
        match self.broken.load(Ordering::SeqCst) {
            true => Err(Failure::new(Code::PreflightPort, "the port is taken")),
            false => Ok(()),
        }
    }

    async fn stop(&mut self) {
        self.stops.fetch_add(1, Ordering::SeqCst);
    }

    async fn health(&mut self) -> Result<String, Failure> {
        if self.silent.load(Ordering::SeqCst) {
            self.answers.notified().await;
        }
        match self.broken.load(Ordering::SeqCst) || self.is_over {
            true => Err(Failure::new(Code::PreflightPort, "the port was lost")),
            false => Ok("no routes".into()),
        }
    }

    async fn ended(&mut self) {
        if !self.short_lived.load(Ordering::SeqCst) {
            return self.ended.notified().await;
        }
        self.is_over = true;
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_wanted_is_started_and_what_is_not_is_stopped() {
    let role = Fragile::default();
    let mut supervisor = role.supervised();
    supervisor.apply(&roles("proxy"));
    supervisor.settled().await;
    assert!(supervisor.health()[&Role::Proxy].healthy);
    supervisor.apply(&roles("proxy"));
    sleep(FIRST_RETRY).await;
    assert_eq!((role.starts().len(), role.stops.load(Ordering::SeqCst)), (1, 0));
    supervisor.apply(&roles(""));
    assert!(supervisor.health().is_empty());
    sleep(FIRST_RETRY).await;
    assert_eq!((role.starts().len(), role.stops.load(Ordering::SeqCst)), (1, 1));
    supervisor.apply(&roles("proxy"));
    supervisor.settled().await;
    assert!(supervisor.health()[&Role::Proxy].healthy);
    assert_eq!(role.starts().len(), 2);
}

/// Waits until a role is doing otherwise.
async fn change(supervisor: &mut Supervisor) {
    timeout(3 * LOOK_INTERVAL, supervisor.changed()).await.expect("in time");
}

/// With its state directory and its storage path in one place.
fn allocator(dir: &std::path::Path) -> Box<dyn RoleService> {
    allocator_service(&crate::config::StateDir::new(dir.to_owned()), dir)
}

#[tokio::test]
async fn a_role_that_this_host_cannot_run_is_unhealthy_and_has_a_code() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut supervisor = Supervisor::new([allocator(dir.path())]);
    supervisor.apply(&roles("allocator,director"));
    supervisor.settled().await;
    let health = supervisor.health();
    assert!(health[&Role::Allocator].healthy);
    assert!(!health[&Role::Director].healthy);
    assert_eq!(health[&Role::Director].code.as_deref(), Some("roles.not_here"));
    supervisor.apply(&roles(""));
    assert!(supervisor.health().is_empty());
}

#[tokio::test]
async fn a_role_of_a_newer_version_is_told_of_and_a_name_that_is_no_role_is_not() {
    let mut supervisor = Fragile::default().supervised();
    let mut given = with_payload(RolePayload::default());
    given.roles.extend(["orchestrator".into(), "services-forwarder".into()]);
    for name in ["orchestrator", "taken-away"] {
        given.payloads.insert(name.into(), RolePayload::default());
    }
    supervisor.apply(&given);
    let failure = supervisor.unknown_roles().expect("it is told of");
    assert!(failure.is(Code::RolesNotHere), "{failure}");
    assert_eq!(failure.message, "this version does not know the role orchestrator");
    supervisor.apply(&roles("proxy"));
    assert_eq!(supervisor.unknown_roles(), None);
}

#[tokio::test(start_paused = true)]
async fn a_role_that_failed_is_started_again_less_and_less_often_until_it_is_healthy() {
    let role = Fragile::default();
    role.broken.store(true, Ordering::SeqCst);
    let mut supervisor = role.supervised();
    supervisor.apply(&roles("proxy"));
    supervisor.settled().await;
    let health = supervisor.health();
    assert_eq!(health[&Role::Proxy].code.as_deref(), Some("preflight.port_in_use"));
    sleep(8 * LONGEST_RETRY).await;
    let starts = role.starts();
    let pauses: Vec<Duration> = starts.windows(2).map(|two| two[1] - two[0]).collect();
    assert!((9..40).contains(&starts.len()), "{pauses:?}");
    assert!(pauses[0] <= FIRST_RETRY && pauses.iter().all(|it| *it <= LONGEST_RETRY));
    assert!(pauses[6] >= LONGEST_RETRY / 4, "{pauses:?}");

    role.broken.store(false, Ordering::SeqCst);
    supervisor.changed().await;
    assert!(supervisor.health()[&Role::Proxy].healthy);
    let starts = role.starts().len();
    // What is well is looked at, and left alone.
    sleep(3 * LOOK_INTERVAL).await;
    assert_eq!(role.starts().len(), starts);
    // What breaks later is started again, soon.
    role.broken.store(true, Ordering::SeqCst);
    let broke = Instant::now();
    supervisor.changed().await;
    sleep(Duration::from_millis(1)).await;
    assert_eq!(role.starts().len(), starts + 1);
    role.broken.store(false, Ordering::SeqCst);
    while !supervisor.health()[&Role::Proxy].healthy {
        supervisor.changed().await;
    }
    assert!(broke.elapsed() <= LOOK_INTERVAL + 2 * FIRST_RETRY);
}

#[tokio::test(start_paused = true)]
async fn a_role_that_does_not_answer_says_so_and_holds_nothing_up() {
    let role = Fragile::default();
    let mut supervisor = role.supervised();
    supervisor.apply(&roles("proxy"));
    supervisor.settled().await;
    role.silent.store(true, Ordering::SeqCst);
    let silent = Instant::now();
    supervisor.changed().await;
    assert_eq!(supervisor.health()[&Role::Proxy].code.as_deref(), Some("roles.silent"));
    assert!(silent.elapsed() <= LOOK_INTERVAL + PATIENCE + Duration::from_millis(1));
    // It is not asked a second time, and can be taken away meanwhile.
    sleep(10 * LONGEST_RETRY).await;
    assert_eq!(role.starts().len(), 1);
    supervisor.apply(&roles(""));
    assert!(supervisor.health().is_empty());
    // However the answer is, what is not wanted any more is not started again for it.
    role.broken.store(true, Ordering::SeqCst);
    role.silent.store(false, Ordering::SeqCst);
    role.answers.notify_one();
    sleep(Duration::from_millis(1)).await;
    assert_eq!((role.starts().len(), role.stops.load(Ordering::SeqCst)), (1, 1));
}

#[tokio::test(start_paused = true)]
#[should_panic(expected = "a defect")]
async fn a_role_whose_task_dies_is_not_taken_for_a_healthy_one() {
    struct Defect;

    #[async_trait::async_trait]
    impl RoleService for Defect {
        fn role(&self) -> Role {
            Role::Proxy
        }

        async fn apply(&mut self, _wanted: &RolePayload) -> Result<(), Failure> {
            panic!("a defect")
        }

        async fn stop(&mut self) {}

        async fn health(&mut self) -> Result<String, Failure> {
            Ok(String::new())
        }
    }

    let mut supervisor = Supervisor::new([Box::new(Defect) as Box<dyn RoleService>]);
    supervisor.apply(&roles("proxy"));
    supervisor.changed().await;
}

#[tokio::test]
async fn instances_without_a_directory_of_their_own_make_the_allocator_unhealthy() {
    let dir = tempfile::tempdir().expect("a directory");
    let instances = dir.path().join("instances");
    let mut service = allocator(dir.path());
    service.apply(&RolePayload::default()).await.expect("started");
    assert_eq!(service.health().await.as_deref(), Ok("0 instances"));
    fs::remove_dir_all(&instances).expect("removed");
    fs::write(&instances, "a file").expect("written");
    let failure = service.health().await.expect_err("not healthy");
    assert!(failure.is(Code::StateNotWritable), "{failure}");
    assert!(failure.message.contains(&*instances.to_string_lossy()), "{failure}");
}

#[tokio::test]
async fn an_allocator_is_what_its_payload_says_and_keeps_to_it_when_it_cannot_read_another() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut supervisor = Supervisor::new([allocator(dir.path())]);
    let with = |payload: &RolePayload| DesiredState {
        payloads: [("allocator".into(), payload.clone())].into(),
        ..roles("allocator")
    };
    let full = DesiredAllocator { maintenance: true, capacity_mb: Some(9000) };
    let full = RolePayload::new(&full);
    supervisor.apply(&with(&full));
    supervisor.settled().await;
    let health = supervisor.health()[&Role::Allocator].clone();
    assert_eq!(health.detail, "0 instances, 9000 MB by the API's settings, nothing new is placed");
    assert_eq!(health.applied.as_ref(), Some(&full.version));

    let strange = serde_json::json!({ "capacity_mb": "a lot" });
    supervisor.apply(&with(&RolePayload::new(&strange)));
    change(&mut supervisor).await;
    let health = supervisor.health()[&Role::Allocator].clone();
    assert_eq!(health.code.as_deref(), Some("roles.payload_unreadable"), "{health:?}");
    assert_eq!(health.applied, Some(full.version), "what it was before");
}

#[tokio::test(start_paused = true)]
async fn a_role_goes_over_to_another_payload_at_once_and_says_which_it_has_carried_out() {
    let role = Fragile::default();
    let mut supervisor = role.supervised();
    let payload = |text: &str| RolePayload::new(&serde_json::json!({ "routes": text }));
    let applied = |supervisor: &Supervisor| supervisor.health()[&Role::Proxy].applied.clone();
    let told = || role.told.lock().expect("no panic while held").clone();
    supervisor.apply(&with_payload(payload("one")));
    supervisor.settled().await;
    assert_eq!(applied(&supervisor), Some(payload("one").version));
    let began = Instant::now();
    supervisor.apply(&with_payload(payload("two")));
    change(&mut supervisor).await;
    assert_eq!(began.elapsed(), Duration::ZERO);
    assert_eq!(applied(&supervisor), Some(payload("two").version));
    assert_eq!(told(), [payload("one"), payload("two")]);
    // It is the same service all the time.
    assert_eq!(role.stops.load(Ordering::SeqCst), 0);

    // What cannot be carried out is tried again, and another one at once.
    sleep(LOOK_INTERVAL * 3).await;
    role.broken.store(true, Ordering::SeqCst);
    supervisor.apply(&with_payload(payload("three")));
    change(&mut supervisor).await;
    sleep(LONGEST_RETRY * 4).await;
    assert_eq!(applied(&supervisor), Some(payload("two").version));
    role.broken.store(false, Ordering::SeqCst);
    let began = Instant::now();
    supervisor.apply(&with_payload(payload("four")));
    change(&mut supervisor).await;
    assert_eq!(
        (began.elapsed(), applied(&supervisor)),
        (Duration::ZERO, Some(payload("four").version))
    );
    // A role that is taken away and given back has carried out nothing.
    supervisor.apply(&roles(""));
    sleep(FIRST_RETRY).await;
    role.broken.store(true, Ordering::SeqCst);
    supervisor.apply(&with_payload(payload("five")));
    supervisor.settled().await;
    assert_eq!(applied(&supervisor), None);
}

#[tokio::test(start_paused = true)]
async fn a_service_that_can_go_on_no_longer_is_begun_again_without_waiting_for_a_look() {
    let role = Fragile::default();
    let mut supervisor = role.supervised();
    supervisor.apply(&roles("proxy"));
    supervisor.settled().await;
    for looks in [0, 3] {
        sleep(LOOK_INTERVAL * looks + FIRST_RETRY).await;
        let starts = role.starts().len();
        role.broken.store(true, Ordering::SeqCst);
        let died = Instant::now();
        role.ended.notify_one();
        change(&mut supervisor).await;
        assert_eq!(died.elapsed(), Duration::ZERO);
        role.broken.store(false, Ordering::SeqCst);
        while !supervisor.health()[&Role::Proxy].healthy {
            change(&mut supervisor).await;
        }
        assert!(died.elapsed() <= 2 * FIRST_RETRY, "{:?}", died.elapsed());
        assert!(role.starts().len() > starts);
    }
}

#[tokio::test(start_paused = true)]
async fn a_service_that_ends_as_soon_as_it_runs_is_begun_again_less_and_less_often() {
    let role = Fragile::default();
    role.short_lived.store(true, Ordering::SeqCst);
    let mut supervisor = role.supervised();
    supervisor.apply(&roles("proxy"));
    sleep(8 * LONGEST_RETRY).await;
    assert!(!supervisor.health()[&Role::Proxy].healthy);
    let starts = role.starts().len();
    assert!((9..40).contains(&starts), "{starts}");
    // Another payload does not wait for that.
    let payload = RolePayload::new(&"another");
    supervisor.apply(&with_payload(payload.clone()));
    sleep(Duration::from_millis(1)).await;
    assert_eq!(role.told.lock().expect("no panic while held").last(), Some(&payload));
}

#[tokio::test(start_paused = true)]
async fn at_the_end_roles_are_stopped_and_those_that_do_not_answer_are_not_waited_for() {
    let role = Fragile::default();
    let mut supervisor = role.supervised();
    supervisor.apply(&roles("proxy"));
    supervisor.settled().await;
    supervisor.end().await;
    assert_eq!(role.stops.load(Ordering::SeqCst), 1);

    let mut supervisor = role.supervised();
    supervisor.apply(&roles("proxy"));
    supervisor.settled().await;
    role.silent.store(true, Ordering::SeqCst);
    change(&mut supervisor).await;
    let began = Instant::now();
    supervisor.end().await;
    assert_eq!((began.elapsed(), role.stops.load(Ordering::SeqCst)), (Duration::ZERO, 1));
}
