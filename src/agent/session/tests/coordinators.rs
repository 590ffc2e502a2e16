//! Which coordinator a host turns to.

use super::*;

fn at(text: &str) -> CoordinatorAddress {
    text.parse().expect("an address")
}

fn known(address: &str) -> KnownCoordinator {
    let key = crate::model::Fingerprint::from_digest([7; 32]);
    KnownCoordinator { address: at(address), key }
}

impl Running {
    /// Waits until it is connected to this coordinator.
    pub(super) async fn connected_to(&self, address: &str) {
        let address = Some(at(address));
        let there = |status: &Status| status.connected && status.coordinator == address;
        self.board.follow().wait_for(there).await.expect("it runs");
    }
}

#[tokio::test(start_paused = true)]
async fn a_coordinator_that_is_new_is_turned_to_when_the_one_before_goes() {
    let running = start(0);
    *running.coordinator.known.lock().expect("free") = vec![known("10.0.0.1"), known("10.0.0.2")];
    running.connected_to("10.0.0.1").await;
    let reply_with_the_new_one = ASSUMED_HOLD * 2;
    sleep(reply_with_the_new_one).await;
    running.coordinator.gone_at.lock().expect("free").push(at("10.0.0.1"));
    running.connected_to("10.0.0.2").await;
}

#[tokio::test(start_paused = true)]
async fn a_host_is_refused_when_no_coordinator_knows_it_and_not_when_one_does_not() {
    let running = start(0);
    *running.coordinator.known.lock().expect("free") = vec![known("10.0.0.1"), known("10.0.0.2")];
    running.coordinator.unknown_at.lock().expect("free").push(at("10.0.0.1"));
    // It has not heard of the other one yet.
    running.board.follow().wait_for(|status| status.state == AgentState::Refused).await.expect("");
    running.coordinator.unknown_at.lock().expect("free").clear();
    running.connected_to("10.0.0.1").await;
    sleep(ASSUMED_HOLD * 2).await;
    running.coordinator.unknown_at.lock().expect("free").push(at("10.0.0.1"));
    let mut followed = running.board.follow();
    let refused = followed.wait_for(|status| status.state == AgentState::Refused);
    tokio::select! {
        biased;
        _ = refused => panic!("refused, though one coordinator knows it"),
        () = running.connected_to("10.0.0.2") => {}
    }
    running.coordinator.unknown_at.lock().expect("free").push(at("10.0.0.2"));
    running.board.follow().wait_for(|status| status.state == AgentState::Refused).await.expect("");
    assert!(running.board.read().roles.is_empty());
}

#[tokio::test(start_paused = true)]
async fn of_a_list_of_coordinators_only_so_much_is_taken_and_it_is_written_once_a_minute() {
    let mut running = start(0);
    let state = StateDir::new(running.dir.path().to_owned());
    let list = |from: usize| -> Vec<KnownCoordinator> {
        (from..from + 5_000).map(|it| known(&format!("c{it}.example"))).collect()
    };
    let kept = || {
        let identity = crate::agent::load_identity(&state).expect("readable").expect("written");
        (identity.known.len(), identity.known[0].address.to_string())
    };
    *running.coordinator.known.lock().expect("free") = list(0);
    while running.next().await.applied_revision != 3 {}
    sleep(ASSUMED_HOLD * 2).await;
    let first = kept();
    assert_eq!((first.0, first.1.starts_with("c0.")), (MOST_COORDINATORS, true));
    *running.coordinator.known.lock().expect("free") = list(9_000);
    sleep(ASSUMED_HOLD * 3).await;
    assert_eq!(kept(), first);
    sleep(SAVE_INTERVAL).await;
    assert!(kept().1.starts_with("c9000."), "{:?}", kept());
}
