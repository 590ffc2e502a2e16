use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard},
};

use tokio::sync::oneshot;

/// Who goes next: one at a time. Users take turns, so that each waits for one of another's at most,
/// however many there are.
#[derive(Default)]
pub(super) struct Line(Mutex<State>);

#[derive(Default)]
struct State {
    is_taken: bool,
    /// Whose turn it was last.
    last: String,
    users: VecDeque<(String, VecDeque<oneshot::Sender<Turn>>)>,
}

/// One turn, until it is dropped: it goes with the work, not with whoever waits for its result.
pub(super) struct Turn(Arc<Line>);

impl Line {
    /// Queues up. Whoever drops what this gives has left.
    pub fn queue(self: &Arc<Self>, user: &str) -> oneshot::Receiver<Turn> {
        let (waiting, turn) = oneshot::channel();
        self.lock().add(user, waiting);
        self.give();
        turn
    }

    fn give(self: &Arc<Self>) {
        let Some(next) = self.lock().next() else { return };
        // Whoever has just left drops the turn, which gives it to the next.
        let _ = next.send(Turn(self.clone()));
    }

    #[cfg(test)]
    pub fn is_free(&self) -> bool {
        !self.lock().is_taken
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("no panic while held")
    }
}

impl State {
    fn add(&mut self, user: &str, waiting: oneshot::Sender<Turn>) {
        match self.users.iter_mut().find(|(known, _)| known == user) {
            Some((_, line)) => line.push_back(waiting),
            None => self.users.push_back((user.to_owned(), [waiting].into())),
        }
    }

    /// Whose turn it is: the first in line, and not the same user twice while others wait.
    fn next(&mut self) -> Option<oneshot::Sender<Turn>> {
        if self.is_taken {
            return None;
        }
        self.forget_who_left();
        if self.users.front().is_some_and(|(user, _)| *user == self.last) {
            self.users.rotate_left(1);
        }
        let (user, mut line) = self.users.pop_front()?;
        let next = line.pop_front()?;
        self.last.clone_from(&user);
        if !line.is_empty() {
            self.users.push_back((user, line));
        }
        self.is_taken = true;
        Some(next)
    }

    fn forget_who_left(&mut self) {
        for (_, line) in &mut self.users {
            line.retain(|waiting| !waiting.is_closed());
        }
        self.users.retain(|(_, line)| !line.is_empty());
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.lock().is_taken = false;
        self.0.give();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The users whose turn it is, one after the other, by the letters of their names.
    fn in_turn(line: &Arc<Line>, mut waiting: Vec<(char, oneshot::Receiver<Turn>)>) -> String {
        let mut served = String::new();
        while !line.is_free() {
            let with_turn = waiting.iter_mut().position(|(_, turn)| turn.try_recv().is_ok());
            served.push(waiting.remove(with_turn.expect("somebody has the turn")).0);
        }
        served
    }

    fn queue(line: &Arc<Line>, users: &str) -> Vec<(char, oneshot::Receiver<Turn>)> {
        users.chars().map(|user| (user, line.queue(&user.to_string()))).collect()
    }

    #[test]
    fn users_take_turns_however_many_one_of_them_waits_for() {
        for (waiting, served) in
            [("aaaa", "aaaa"), ("aaaab", "abaaa"), ("aaabbc", "abcaba"), ("aab", "aba")]
        {
            let line = Arc::default();
            let waiting = queue(&line, waiting);
            assert_eq!(in_turn(&line, waiting), served);
        }
    }

    #[test]
    fn who_comes_again_waits_until_others_had_their_turn() {
        let line = Arc::default();
        let mut waiting = queue(&line, "aab");
        let first = waiting.remove(0).1.try_recv().expect("the first has the turn");
        waiting.extend(queue(&line, "ac"));
        drop(first);
        assert_eq!(in_turn(&line, waiting), "bcaa");
    }

    #[test]
    fn whoever_leaves_is_passed_by() {
        let line = Arc::default();
        let mut waiting = queue(&line, "abcb");
        drop(waiting.remove(1));
        drop(waiting.remove(1));
        assert_eq!(in_turn(&line, waiting), "ab");
        // With the turn in their hands, too.
        let mut waiting = queue(&line, "ab");
        drop(waiting.remove(0));
        assert_eq!(in_turn(&line, waiting), "b");
    }
}
