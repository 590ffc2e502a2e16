use std::time::Duration;

use super::*;

fn party(last: u8) -> Party {
    Party::Address(Source::of([10, 0, 0, last].into()))
}

/// Whose turns it is, one after another, of those that wait.
async fn order(turns: &Arc<Turns>, mut waiting: Vec<(u8, oneshot::Receiver<Turn>)>) -> Vec<u8> {
    let mut order = Vec::new();
    while let Some(at) = waiting.iter_mut().position(|(_, turn)| !turn.is_empty()) {
        assert_eq!(turns.lock().running, 1);
        let (who, turn) = waiting.remove(at);
        drop(turn.await);
        order.push(who);
    }
    order
}

#[tokio::test]
async fn an_address_that_floods_does_not_hold_another_back() {
    let turns = Turns::new(1);
    let running = turns.queue(party(1), "admin").expect("a place").await.expect("a turn");
    let flood = (0..300).filter_map(|_| Some((1, turns.queue(party(1), "admin").ok()?)));
    let mut waiting: Vec<_> = flood.collect();
    assert_eq!(waiting.len(), MOST_WAITING, "the rest hears so at once");
    waiting.push((2, turns.queue(party(2), "admin").expect("a place")));
    drop(running);
    let order = order(&turns, waiting).await;
    assert_eq!(order, [2, 1, 1, 1, 1]);
    assert!(turns.lock().lines.is_empty());
}

#[tokio::test]
async fn one_address_has_one_slot_however_many_are_free() {
    let turns = Turns::new(3);
    let first = turns.queue(party(1), "admin").expect("a place").await.expect("a turn");
    let mut second = turns.queue(party(1), "admin").expect("a place");
    assert!(second.is_empty());
    let other = turns.queue(party(2), "admin").expect("a place").await.expect("a turn");
    drop(first);
    assert!(second.try_recv().is_ok());
    drop(other);
}

#[tokio::test]
async fn whoever_shares_an_address_with_a_guesser_of_another_name_gets_in_after_one_guess() {
    let turns = Turns::new(1);
    let running = turns.queue(party(1), "admin").expect("a place").await.expect("a turn");
    let guesses = (0..9).filter_map(|_| Some((1, turns.queue(party(1), "admin").ok()?)));
    let mut waiting: Vec<_> = guesses.collect();
    waiting.push((2, turns.queue(party(1), "readonly").expect("a place")));
    drop(running);
    assert_eq!(order(&turns, waiting).await[..2], [1, 2]);
}

#[tokio::test(start_paused = true)]
async fn after_some_failures_the_next_attempt_from_there_does_not_begin_before_its_wait_is_over() {
    let turns = Turns::new(1);
    let begun = Instant::now();
    let mut waits = Vec::new();
    for _ in 0..20 {
        let before = Instant::now();
        turns.queue(party(1), "admin").expect("a place").await.expect("a turn").end(false);
        waits.push(before.elapsed());
    }
    assert!(waits[..6].iter().all(Duration::is_zero), "{waits:?}");
    assert!(waits[6..].is_sorted() && !waits[6].is_zero(), "{waits:?}");
    assert_eq!(waits[19], Duration::from_secs(2));

    // Meanwhile nobody else waits, and what is right gets in after its wait.
    let right = turns.queue(party(1), "admin").expect("a place");
    let since = Instant::now();
    turns.queue(party(2), "admin").expect("a place").await.expect("a turn").end(true);
    assert!(since.elapsed().is_zero());
    right.await.expect("a turn").end(true);
    assert_eq!(since.elapsed(), Duration::from_secs(2));
    assert!(begun.elapsed() < Duration::from_secs(30));
}

#[tokio::test(start_paused = true)]
async fn whoever_has_gone_away_before_the_turn_is_skipped_and_holds_no_place() {
    let turns = Turns::new(1);
    let running = turns.queue(party(1), "admin").expect("a place").await.expect("a turn");
    let gone = turns.queue(party(2), "admin").expect("a place");
    for _ in 0..100 {
        drop(turns.queue(party(3), "admin").expect("a place"));
    }
    let last = turns.queue(party(3), "admin").expect("a place");
    drop(gone);
    drop(running);
    drop(last.await.expect("a turn"));
    assert!(turns.lock().lines.is_empty());
    assert_eq!(turns.lock().running, 0);

    // A turn that was given and not taken goes on to the next.
    let untaken = turns.queue(party(1), "admin").expect("a place");
    let next = turns.queue(party(2), "admin").expect("a place");
    drop(untaken);
    assert!(next.await.is_ok());
}

#[tokio::test]
async fn of_too_many_addresses_those_that_were_right_before_are_let_in_and_have_every_second_turn()
{
    let turns = Turns::new(1);
    turns.queue(party(1), "admin").expect("a place").await.expect("a turn").end(true);
    let running = turns.queue(party(9), "admin").expect("a place").await.expect("a turn");
    let stranger = |number: usize| {
        let address = [10, 1, (number >> 8) as u8, number as u8];
        turns.queue(Party::Address(Source::of(address.into())), "admin")
    };
    let mut waiting: Vec<_> =
        (0..MOST_PARTIES).filter_map(|number| Some((2, stranger(number).ok()?))).collect();
    assert!(stranger(MOST_PARTIES).is_err());
    assert_eq!(turns.lock().lines.len(), MOST_PARTIES);
    for _ in 0..2 {
        waiting.push((1, turns.queue(party(1), "admin").expect("a place")));
    }
    drop(running);
    let order = order(&turns, waiting).await;
    let turns_of_1: Vec<_> = (0..order.len()).filter(|at| order[*at] == 1).collect();
    assert!(turns_of_1.len() == 2 && turns_of_1[1] <= 3, "{turns_of_1:?}");
}
