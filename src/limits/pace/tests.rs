use std::{cell::Cell, sync::Arc};

use tokio::{task::JoinSet, time::timeout};

use super::*;
use crate::rt::ShutdownTrigger;

thread_local! {
    static CPU: Cell<Duration> = const { Cell::new(Duration::ZERO) };
}

fn here() -> Source {
    Source::of([10, 0, 0, 1].into())
}

fn key(number: usize) -> KeyId {
    let mut digest = [0; 32];
    digest[..8].copy_from_slice(&number.to_be_bytes());
    KeyId::from_digest(digest)
}

fn pace() -> Pace {
    Pace::with(2, || CPU.get())
}

/// So many come, each with a key of its own.
async fn handshakes(pace: &Pace, count: usize, each: Duration, succeed: bool, is_host: bool) {
    let keys = (0..count).map(key);
    handshakes_of(keys, pace, each, succeed, is_host).await;
}

async fn handshakes_of(
    keys: impl Iterator<Item = KeyId>,
    pace: &Pace,
    each: Duration,
    succeed: bool,
    is_host: bool,
) {
    for key in keys {
        let one = async {
            // Half of it after waiting for the other side.
            CPU.set(CPU.get() + each / 2);
            tokio::task::yield_now().await;
            CPU.set(CPU.get() + each / 2);
            if succeed { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
        };
        let _ = pace.handshake(here(), one, |()| is_host.then_some(key)).await;
    }
}

#[tokio::test]
async fn one_host_does_not_make_handshakes_look_dear_for_all() {
    let (pace, dear) = (pace(), Duration::from_millis(2));
    handshakes(&pace, 1_000, Duration::from_micros(200), true, true).await;
    let before = pace.return_window(15_000);
    for number in 0..100 {
        // In one go, and while others come and go too.
        handshakes_of([key(0); 100].into_iter(), &pace, dear, true, true).await;
        let others = (1..).map(|other| key(1_000 * number + other)).take(10);
        handshakes_of(others, &pace, Duration::from_micros(200), true, true).await;
    }
    let window = pace.return_window(15_000);
    assert!(window < before.mul_f64(1.1), "{window:?}, and it was {before:?}");
}

#[tokio::test]
async fn hosts_come_back_as_fast_as_their_handshakes_allow() {
    let pace = pace();
    let before = pace.return_window(15_000);
    assert_eq!(before, Duration::from_millis(18_750));
    handshakes(&pace, 1_000, Duration::from_micros(10), false, true).await;
    assert_eq!(pace.return_window(15_000), before, "of those that fail nothing is learnt");
    handshakes(&pace, 1_000, Duration::from_secs(1), true, false).await;
    assert_eq!(pace.return_window(15_000), before, "strangers choose what theirs cost");
    handshakes(&pace, 1_000, Duration::from_micros(200), true, true).await;
    let window = pace.return_window(15_000);
    assert!((7.4..7.6).contains(&window.as_secs_f64()), "{window:?}");
    handshakes(&pace, 3_000, Duration::from_secs(1), true, true).await;
    let window = pace.return_window(15_000);
    assert!((74.0..76.0).contains(&window.as_secs_f64()), "{window:?}");
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_for_a_turn_while_there_is_no_rush() {
    let pace = pace();
    pace.saw(LATE - Duration::from_millis(1));
    let start = Instant::now();
    for _ in 0..10_000 {
        pace.turn(here()).await.expect("a turn");
    }
    assert_eq!(start.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn when_the_machine_is_late_handshakes_take_turns_and_those_too_many_are_turned_away() {
    let pace = Arc::new(pace());
    let (_stop, shutdown) = ShutdownTrigger::new();
    let watching = pace.clone();
    tokio::spawn(async move { watching.watch(shutdown).await });
    tokio::task::yield_now().await;
    pace.saw(LATE);
    let (mut turns, mut turned_away) = (JoinSet::new(), 0);
    for _ in 0..2_000 {
        let pace = pace.clone();
        turns.spawn(async move { pace.turn(here()).await.map(|()| Instant::now()) });
    }
    let start = Instant::now();
    let mut latest = start;
    while let Some(turn) = turns.join_next().await {
        match turn.expect("no panic") {
            Ok(at) => latest = latest.max(at),
            Err(_) => turned_away += 1,
        }
    }
    assert_eq!(turned_away, 2_000 - MOST_WAITING);
    // 400 a second.
    let took = (latest - start).as_millis();
    assert!((450..600).contains(&took), "{took} ms");
    tokio::time::advance(REMEMBERED).await;
    let later = timeout(Duration::ZERO, pace.turn(here())).await;
    later.expect("at once: it is not late any more").expect("a turn");
}

#[tokio::test(start_paused = true)]
async fn who_shows_no_host_waits_for_those_who_do_and_a_turn_not_used_is_given_back() {
    let (pace, there) = (pace(), Source::of([10, 9, 9, 9].into()));
    for is_host in [true, false] {
        let from = if is_host { here() } else { there };
        let one = async {
            CPU.set(CPU.get() + Duration::from_millis(1));
            Ok(())
        };
        pace.handshake(from, one, |()| is_host.then(|| key(1))).await.expect("done");
    }
    pace.saw(LATE);
    let mut stranger = pin!(pace.turn(there));
    let mut host = pin!(pace.turn(here()));
    tokio::select! {
        biased;
        _ = &mut stranger => panic!("nobody has a turn"),
        _ = &mut host => panic!("nobody has a turn"),
        () = std::future::ready(()) => {}
    }
    let gone = async { Err::<(), _>(io::ErrorKind::UnexpectedEof.into()) };
    pace.handshake(there, gone, |()| Some(key(1))).await.expect_err("gone");
    pace.give();
    let first = tokio::select! {
        biased;
        _ = &mut stranger => "stranger",
        _ = &mut host => "host",
    };
    assert_eq!(first, "host");
}
