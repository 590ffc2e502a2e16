use std::sync::Barrier;

use tokio::time::advance;
use uuid::Uuid;

use super::{rivals::*, *};
use crate::rt::{ShutdownTrigger, Timestamp};

fn liveness() -> Liveness {
    Liveness::new(ShutdownTrigger::new().1)
}

fn runner() -> RunnerId {
    "10.0.0.1".parse().expect("an id")
}

fn session(number: u128) -> SessionId {
    SessionId(Uuid::from_u128(number))
}

fn key(number: u8) -> KeyId {
    KeyId::from_digest([number; 32])
}

fn ended(number: u128) -> Transition {
    Transition::Ended { runner: runner(), session: session(number) }
}

fn source(number: u128, connection: ConnectionId) -> Source {
    Source {
        session: session(number),
        connection,
        key: key(number as u8),
        address: [10, 0, 0, number as u8].into(),
        boot_id: Some(Uuid::from_u128(number)),
    }
}

#[tokio::test(start_paused = true)]
async fn a_silent_host_is_lost_after_three_holds_and_not_before() {
    let liveness = liveness();
    let poll = liveness.poll(&runner(), source(1, 1), BTreeMap::new());
    advance(SHORTEST_HOLD).await;
    liveness.answered(&runner(), &poll);
    advance(SHORTEST_HOLD * 3).await;
    liveness.sweep(Duration::ZERO);
    assert!(liveness.is_connected(&runner()));
    advance(Duration::from_millis(1)).await;
    liveness.sweep(Duration::ZERO);
    assert!(!liveness.is_connected(&runner()));
}

#[tokio::test]
async fn a_closed_connection_ends_its_own_session_only() {
    let liveness = liveness();
    let mut transitions = liveness.transitions();
    liveness.poll(&runner(), source(1, 1), BTreeMap::new());
    liveness.poll(&runner(), source(1, 2), BTreeMap::new());
    liveness.connection_closed(&runner(), 1);
    assert!(liveness.is_connected(&runner()));
    liveness.connection_closed(&runner(), 2);
    assert!(!liveness.is_connected(&runner()));
    let began = Transition::Began { runner: runner(), session: session(1) };
    assert_eq!(transitions.try_recv(), Ok(began));
    assert_eq!(transitions.try_recv(), Ok(ended(1)));
    assert!(transitions.try_recv().is_err());
}

#[tokio::test]
async fn a_goodbye_ends_the_session_that_says_it_and_no_other() {
    let liveness = liveness();
    liveness.poll(&runner(), source(1, 1), BTreeMap::new());
    liveness.poll(&runner(), source(2, 2), BTreeMap::new());
    liveness.said_goodbye(&runner(), session(1));
    assert!(liveness.is_connected(&runner()));
    liveness.said_goodbye(&runner(), session(2));
    assert!(!liveness.is_connected(&runner()));
}

#[tokio::test]
async fn the_end_of_a_removed_host_is_not_the_end_of_the_one_that_took_its_name() {
    let liveness = liveness();
    let mut transitions = liveness.transitions();
    let old = liveness.poll(&runner(), source(1, 1), BTreeMap::new());
    let new = liveness.poll(&runner(), source(2, 2), BTreeMap::new());
    transitions.try_recv().expect("the old one began");
    transitions.try_recv().expect("the new one began");
    liveness.refused(&runner(), &old);
    liveness.removed(&runner(), key(1));
    assert!(transitions.try_recv().is_err());
    liveness.removed(&runner(), key(2));
    liveness.refused(&runner(), &new);
    assert_eq!(transitions.try_recv(), Ok(ended(2)));
    assert!(transitions.try_recv().is_err());
}

#[test]
fn a_goodbye_that_comes_late_never_ends_the_session_that_has_just_begun() {
    const ROUNDS: u128 = 20_000;
    let liveness = liveness();
    let (start, end) = (Barrier::new(2), Barrier::new(2));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for round in 0..ROUNDS {
                start.wait();
                liveness.said_goodbye(&runner(), session(round));
                end.wait();
            }
        });
        let lost = (0..ROUNDS).filter(|round| {
            start.wait();
            liveness.poll(&runner(), source(round + 1, 1), BTreeMap::new());
            end.wait();
            !liveness.is_connected(&runner())
        });
        assert_eq!(lost.count(), 0);
    });
}

#[test]
fn what_is_said_of_a_host_is_in_the_order_in_which_it_came_about() {
    let liveness = liveness();
    let mut transitions = liveness.transitions();
    let comes_and_goes = || {
        for step in 0..20_000 {
            let number = step % 5;
            liveness.poll(&runner(), source(number, number as u64), BTreeMap::new());
            liveness.connection_closed(&runner(), number as u64);
            liveness.poll(&runner(), source(number, number as u64), BTreeMap::new());
            liveness.said_goodbye(&runner(), session(number));
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(comes_and_goes);
        }
    });
    let mut said = None;
    while let Ok(transition) = transitions.try_recv() {
        said = match transition {
            Transition::Began { session, .. } => Some(session),
            Transition::Ended { session, .. } => {
                assert_eq!(said, Some(session), "the end of a session that was not there");
                None
            }
        };
    }
    assert_eq!(said, liveness.lock().get(&runner()).map(|presence| presence.session));
}

#[tokio::test]
async fn a_newer_poll_ends_the_older_one() {
    let liveness = liveness();
    let older = liveness.poll(&runner(), source(1, 1), BTreeMap::new());
    let newer = liveness.poll(&runner(), source(1, 1), BTreeMap::new());
    older.news.notified().await;
    assert!(!liveness.is_current(&runner(), &older));
    assert!(liveness.is_current(&runner(), &newer));
}

#[tokio::test(start_paused = true)]
async fn a_host_that_was_connected_before_a_restart_gets_time_to_come_back() {
    let liveness = liveness();
    let mut transitions = liveness.transitions();
    liveness.expect_back(runner(), session(1));
    assert!(liveness.is_connected(&runner()));
    advance(SHORTEST_HOLD * 4).await;
    liveness.sweep(Duration::ZERO);
    assert!(!liveness.is_connected(&runner()));
    assert_eq!(transitions.try_recv(), Ok(ended(1)));
}

#[tokio::test(start_paused = true)]
async fn hosts_that_were_told_to_come_back_later_have_the_time_for_it() {
    let liveness = liveness();
    liveness.expect_back(runner(), session(1));
    advance(Duration::from_secs(60)).await;
    liveness.sweep(Duration::from_secs(50));
    assert!(liveness.is_connected(&runner()));
    advance(Duration::from_secs(3)).await;
    liveness.sweep(Duration::from_secs(50));
    assert!(!liveness.is_connected(&runner()));
}

#[test]
fn no_poll_is_held_longer_than_its_host_was_told() {
    let liveness = liveness();
    for number in 0..3_200 {
        let runner = format!("host-{number}").parse().expect("an id");
        liveness.poll(&runner, source(number, 1), BTreeMap::new());
    }
    assert_eq!(liveness.hold(), Duration::from_secs(8));
    assert_eq!(liveness.hold_at_most(SHORTEST_HOLD), SHORTEST_HOLD);
    assert_eq!(liveness.hold_at_most(Duration::from_secs(60)), Duration::from_secs(8));
}

#[test]
fn polls_of_a_large_fleet_stay_below_400_a_second() {
    assert_eq!(hold_for(3), SHORTEST_HOLD);
    assert_eq!(hold_for(1_600), SHORTEST_HOLD);
    assert_eq!(hold_for(12_000), Duration::from_secs(30));
}

const NOW: Timestamp = Timestamp::EPOCH;

#[tokio::test]
async fn a_newcomer_waits_while_the_first_is_challenged_and_is_a_rival_if_it_answers() {
    let liveness = liveness();
    assert!(matches!(liveness.challenge(&runner(), &source(1, 1), NOW), Challenge::NotNeeded));
    let held = liveness.poll(&runner(), source(1, 1), BTreeMap::new());
    let Challenge::Pending(decided) = liveness.challenge(&runner(), &source(2, 2), NOW) else {
        panic!("nobody asked the first");
    };
    held.news.notified().await;
    assert!(liveness.is_challenged(&runner(), &held));
    liveness.poll(&runner(), source(1, 1), BTreeMap::new());
    let holder = decided.await.expect("the first answered");
    assert_eq!(holder.address, IpAddr::from([10, 0, 0, 1]));
    let again = liveness.challenge(&runner(), &source(2, 3), NOW);
    assert!(matches!(again, Challenge::Rival(_)), "nothing is decided anew");
    let rivals = liveness.rivals(&runner(), NOW);
    assert_eq!(rivals.len(), 1);
    assert_eq!(rivals[0].address, IpAddr::from([10, 0, 0, 2]));
}

#[tokio::test]
async fn a_first_that_is_gone_makes_way_at_once() {
    let liveness = liveness();
    liveness.poll(&runner(), source(1, 1), BTreeMap::new());
    let Challenge::Pending(decided) = liveness.challenge(&runner(), &source(2, 2), NOW) else {
        panic!("nobody asked the first");
    };
    liveness.connection_closed(&runner(), 1);
    assert!(decided.await.is_err());
    assert!(matches!(liveness.challenge(&runner(), &source(2, 2), NOW), Challenge::NotNeeded));
}

#[tokio::test]
async fn a_rival_that_is_heard_of_no_more_is_forgotten() {
    let liveness = liveness();
    liveness.poll(&runner(), source(1, 1), BTreeMap::new());
    let _pending = liveness.challenge(&runner(), &source(2, 2), NOW);
    liveness.poll(&runner(), source(1, 1), BTreeMap::new());
    assert_eq!(liveness.rivals(&runner(), NOW).len(), 1);
    let later = NOW.plus(Duration::from_secs(180));
    assert!(liveness.rivals(&runner(), later).is_empty());
}

#[tokio::test]
async fn a_rival_is_remembered_for_two_minutes_after_it_was_heard_of() {
    let liveness = liveness();
    let held = liveness.poll(&runner(), source(1, 1), BTreeMap::new());
    assert!(!liveness.is_challenged(&runner(), &held));
    let _pending = liveness.challenge(&runner(), &source(2, 2), NOW);
    let held = liveness.poll(&runner(), source(1, 1), BTreeMap::new());
    assert!(!liveness.is_challenged(&runner(), &held), "it has answered");
    let minutes = |count: u64| NOW.plus(Duration::from_secs(60 * count));
    let again = liveness.challenge(&runner(), &source(2, 3), minutes(1));
    assert!(matches!(again, Challenge::Rival(_)));
    assert_eq!(liveness.rivals(&runner(), minutes(3)).len(), 1);
    let later = minutes(3).plus(Duration::from_millis(1));
    assert_eq!(liveness.rivals(&runner(), later), []);
}

#[tokio::test]
async fn a_host_has_sixteen_rivals_at_most() {
    let liveness = liveness();
    let held = liveness.poll(&runner(), source(1, 1), BTreeMap::new());
    let challenge = |number| liveness.challenge(&runner(), &source(number, 9), NOW);
    let waiting: Vec<_> = (2..18).map(challenge).collect();
    assert!(waiting.iter().all(|it| matches!(it, Challenge::Pending(_))));
    assert!(matches!(challenge(18), Challenge::Rival(_)), "one more is not asked for");
    assert!(liveness.is_challenged(&runner(), &held));
    liveness.poll(&runner(), source(1, 1), BTreeMap::new());
    let sessions = || {
        let rivals = liveness.rivals(&runner(), NOW);
        rivals.into_iter().map(|rival| rival.session).collect::<Vec<_>>()
    };
    assert_eq!(sessions(), (2..18).map(session).collect::<Vec<_>>());
    let _pending = challenge(19);
    liveness.poll(&runner(), source(1, 1), BTreeMap::new());
    let expected: Vec<_> = (3..18).chain([19]).map(session).collect();
    assert_eq!(sessions(), expected, "the oldest has made way");
}
