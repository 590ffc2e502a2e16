use std::time::Duration;

use super::*;
use crate::cluster::passwords::failures::FREE;

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

/// One of many addresses, each in a network of its own.
fn stranger(number: usize) -> Party {
    Party::Address(Source::of([10, (number >> 8) as u8, number as u8, 1].into()))
}

#[tokio::test]
async fn of_too_many_addresses_those_that_were_right_before_are_let_in_and_have_every_second_turn()
{
    let turns = Turns::new(1);
    turns.queue(party(1), "admin").expect("a place").await.expect("a turn").end(true);
    let running = turns.queue(party(9), "admin").expect("a place").await.expect("a turn");
    let mut waiting: Vec<_> = (1..=MOST_PARTIES)
        .map(|number| (2, turns.queue(stranger(number), "admin").expect("a place")))
        .collect();
    let one_more = turns.queue(stranger(MOST_PARTIES + 1), "admin").expect("a place");
    assert!(one_more.await.is_err(), "it hears at once that there are too many");
    assert_eq!(turns.lock().lines.len(), MOST_PARTIES + 1);
    for _ in 0..2 {
        waiting.push((1, turns.queue(party(1), "admin").expect("a place")));
    }
    drop(running);
    let order = order(&turns, waiting).await;
    assert_eq!(order.len(), MOST_PARTIES + 2);
    let turns_of_1: Vec<_> = (0..order.len()).filter(|at| order[*at] == 1).collect();
    assert!(turns_of_1.len() == 2 && turns_of_1[1] <= 3, "{turns_of_1:?}");
}

#[tokio::test(start_paused = true)]
async fn an_address_that_comes_for_the_first_time_goes_before_all_that_have_guessed() {
    let turns = Turns::new(1);
    for number in 1..=600 {
        let turn = turns.queue(stranger(number), "admin").expect("a place");
        turn.await.expect("a turn").end(false);
    }
    let running = turns.queue(party(9), "admin").expect("a place").await.expect("a turn");
    let guesses = (1..=600).map(|number| (2, turns.queue(stranger(number), "admin").expect("it")));
    let mut waiting: Vec<_> = guesses.collect();
    waiting.push((1, turns.queue(party(1), "admin").expect("a place")));
    assert_eq!(turns.lock().lines.len(), MOST_PARTIES + 1, "the others have been turned away");
    drop(running);
    assert_eq!(order(&turns, waiting).await[0], 1);
}

#[tokio::test(start_paused = true)]
async fn an_address_beside_one_that_guesses_goes_before_it_and_after_others() {
    let turns = Turns::new(1);
    let [guesser, beside, elsewhere] = [[10, 0, 0, 1], [10, 0, 0, 2], [10, 0, 1, 1]]
        .map(|address| Party::Address(Source::of(address.into())));
    turns.queue(guesser.clone(), "a").expect("a place").await.expect("a turn").end(false);
    let running = turns.queue(party(9), "admin").expect("a place").await.expect("a turn");
    let waiting = [(3, guesser), (2, beside), (1, elsewhere)]
        .map(|(number, party)| (number, turns.queue(party, "a").expect("a place")));
    drop(running);
    assert_eq!(order(&turns, waiting.into()).await, [1, 2, 3]);
}

#[tokio::test(start_paused = true)]
async fn of_those_who_have_to_wait_for_guessing_no_more_than_some_do() {
    let turns = Turns::new(1);
    let known = stranger(1_000);
    turns.queue(known.clone(), "admin").expect("a place").await.expect("a turn").end(true);
    let guesses = |party: Party| {
        for _ in 0..=FREE {
            turns.lock().failed(&party);
        }
        turns.queue(party, "admin").expect("a place")
    };
    let asked: Vec<_> = (1..=2 * MOST_RESTING).map(|number| guesses(stranger(number))).collect();
    assert_eq!(turns.lock().resting, MOST_RESTING);
    let known = guesses(known);
    assert_eq!(turns.lock().resting, MOST_RESTING + 1, "who was right before has a place too");
    drop(asked);
    drop(known.await.expect("a turn, once its wait is over"));
    tokio::time::sleep(Duration::from_secs(3)).await;
    let state = turns.lock();
    assert_eq!((state.resting, state.lines.len()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn whoever_comes_again_and_again_when_there_is_no_place_goes_after_who_comes_once() {
    let turns = Turns::new(1);
    let running = turns.queue(party(9), "admin").expect("a place").await.expect("a turn");
    let mut waiting: Vec<_> = (1..=3 * MOST_PARTIES)
        .map(|number| (2, turns.queue(stranger(number), "admin").expect("a place")))
        .collect();
    waiting.truncate(MOST_PARTIES / 2);
    let again = MOST_PARTIES + 1..=3 * MOST_PARTIES;
    waiting
        .extend(again.map(|number| (2, turns.queue(stranger(number), "admin").expect("a place"))));
    let last = turns.queue(stranger(1000), "admin").expect("a place");
    waiting.push((1, last));
    drop(running);
    let order = order(&turns, waiting).await;
    assert!(order[..MOST_PARTIES / 2 + 1].contains(&1), "{order:?}");
}

#[tokio::test(start_paused = true)]
async fn whoever_comes_again_as_told_gets_in_however_many_come_for_the_first_time() {
    let turns = Turns::new(1);
    let first = turns.queue(stranger(60_000), "admin").expect("a place");
    let mut running = first.await.expect("a turn");
    let mut come = 0;
    let mut first_timers = Vec::new();
    for tries in 1.. {
        assert!(tries < 5, "turned away again and again");
        for _ in 0..2 * MOST_PARTIES {
            come += 1;
            first_timers.push(turns.queue(stranger(come), "admin").expect("a place"));
        }
        let mut patient = turns.queue(party(1), "admin").expect("a place");
        // Ten turns a second.
        for _ in 0..10 {
            running.end(false);
            if patient.try_recv().is_ok() {
                assert!(tries > 1, "there was room for everybody");
                return;
            }
            let turn = first_timers.iter_mut().find_map(|it| it.try_recv().ok());
            running = turn.expect("somebody's turn");
        }
        tokio::time::advance(Duration::from_secs(1)).await;
    }
}
