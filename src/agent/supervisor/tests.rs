use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
};

use tokio::time::sleep_until;

use super::*;

fn roles(text: &str) -> RoleSet {
    text.parse().expect("roles")
}

/// A role that can be broken, and counts how often it was started.
#[derive(Default, Clone)]
struct Fragile {
    broken: Arc<AtomicBool>,
    starts: Arc<AtomicU32>,
}

impl RoleService for Fragile {
    fn role(&self) -> Role {
        Role::Proxy
    }

    fn start(&mut self) -> Result<(), Failure> {
        self.starts.fetch_add(1, Ordering::SeqCst);
        match self.broken.load(Ordering::SeqCst) {
            true => Err(Failure::new(Code::PreflightPort, "the port is taken")),
            false => Ok(()),
        }
    }

    fn stop(&mut self) {}

    fn health(&self) -> RoleHealth {
        match self.broken.load(Ordering::SeqCst) {
            true => RoleHealth::from(&Failure::new(Code::PreflightPort, "the port was lost")),
            false => RoleHealth::good("no routes"),
        }
    }
}

#[test]
fn the_plan_stops_what_is_not_wanted_and_starts_what_is_missing_or_failed() {
    let attempt = |started| {
        let backoff = Backoff::new(FIRST_RETRY, LONGEST_RETRY);
        Attempt { started, backoff, due: Instant::now() }
    };
    let running = BTreeMap::from([
        (Role::Allocator, attempt(Ok(()))),
        (Role::Proxy, attempt(Err(Failure::new(Code::PreflightPort, "port in use")))),
        (Role::Director, attempt(Ok(()))),
    ]);
    assert_eq!(
        plan(&running, &roles("allocator,proxy")),
        [Action::Stop(Role::Director), Action::Start(Role::Proxy)]
    );
    assert_eq!(plan(&BTreeMap::new(), &roles("")), []);
}

#[test]
fn a_role_that_this_host_cannot_run_is_unhealthy_and_has_a_code() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut supervisor = Supervisor::new([allocator_service(dir.path().join("instances"))]);
    supervisor.apply(&roles("allocator,director"));
    let health = supervisor.health();
    assert!(health[&Role::Allocator].healthy);
    assert!(!health[&Role::Director].healthy);
    assert_eq!(health[&Role::Director].code.as_deref(), Some("roles.not_here"));
    supervisor.apply(&roles(""));
    assert!(supervisor.health().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_role_that_failed_is_started_again_less_and_less_often_until_it_is_healthy() {
    let role = Fragile::default();
    role.broken.store(true, Ordering::SeqCst);
    let mut supervisor = Supervisor::new([Box::new(role.clone()) as Box<dyn RoleService>]);
    supervisor.apply(&roles("proxy"));
    let health = supervisor.health();
    assert_eq!(health[&Role::Proxy].code.as_deref(), Some("preflight.port_in_use"));
    let began = Instant::now();
    let mut pauses = Vec::new();
    for _ in 0..8 {
        let before = Instant::now();
        sleep_until(supervisor.next_look()).await;
        pauses.push(before.elapsed());
        supervisor.look();
    }
    assert_eq!(role.starts.load(Ordering::SeqCst), 9);
    assert!(pauses[0] <= FIRST_RETRY && pauses.iter().all(|it| *it <= LONGEST_RETRY));
    assert!(began.elapsed() > 8 * FIRST_RETRY, "{pauses:?}");

    role.broken.store(false, Ordering::SeqCst);
    sleep_until(supervisor.next_look()).await;
    supervisor.look();
    assert!(supervisor.health()[&Role::Proxy].healthy);
    let starts = role.starts.load(Ordering::SeqCst);
    // What is well is looked at, and left alone.
    for _ in 0..3 {
        sleep_until(supervisor.next_look()).await;
        supervisor.look();
    }
    assert_eq!(role.starts.load(Ordering::SeqCst), starts);
    // What breaks later is started again, soon.
    role.broken.store(true, Ordering::SeqCst);
    let broke = Instant::now();
    sleep_until(supervisor.next_look()).await;
    supervisor.look();
    assert_eq!(role.starts.load(Ordering::SeqCst), starts + 1);
    role.broken.store(false, Ordering::SeqCst);
    sleep_until(supervisor.next_look()).await;
    supervisor.look();
    assert!(supervisor.health()[&Role::Proxy].healthy);
    assert!(broke.elapsed() <= LOOK_INTERVAL + FIRST_RETRY);
}

#[test]
fn instances_without_a_directory_of_their_own_make_the_allocator_unhealthy() {
    let dir = tempfile::tempdir().expect("a directory");
    let instances = dir.path().join("instances");
    let mut supervisor = Supervisor::new([allocator_service(instances.clone())]);
    supervisor.apply(&roles("allocator"));
    fs::remove_dir(&instances).expect("removed");
    fs::write(&instances, "a file").expect("written");
    let health = supervisor.health()[&Role::Allocator].clone();
    assert_eq!(health.code.as_deref(), Some("state.not_writable"), "{health:?}");
    let failure = health.failure(Role::Allocator).expect("not healthy");
    assert!(failure.message.contains(&*instances.to_string_lossy()), "{failure}");
}
