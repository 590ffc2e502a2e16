//! Work on everything there is: lists, searches, sums. It gets a thread that answers nobody else,
//! one at a time; users take turns, and whoever asks for more of it than is waited for hears so at once.

mod line;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use line::Line;

/// Requests that may wait, of one user and of all.
const MOST_OF_ONE: usize = 8;
const MOST: usize = 48;

/// Looks at values that take less time than going to another thread and back.
const LITTLE: usize = 2_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ListError {
    #[error("too many lists are being made")]
    Busy,
    #[error("the list could not be made")]
    Failed,
}

#[derive(Default)]
pub struct Lists {
    line: Arc<Line>,
    waiting: Arc<Waiting>,
    unsent: Arc<Waiting>,
}

#[derive(Default)]
struct Waiting(Mutex<HashMap<String, usize>>);

/// One request's place among those that wait, or are being answered; dropping it gives it back.
pub struct Place {
    waiting: Arc<Waiting>,
    user: String,
}

impl Waiting {
    fn place(self: &Arc<Self>, user: &str) -> Option<Place> {
        let mut users = self.0.lock().expect("no panic while held");
        let all: usize = users.values().sum();
        let of_user = users.get(user).copied().unwrap_or_default();
        if all >= MOST || of_user >= MOST_OF_ONE {
            return None;
        }
        users.insert(user.to_owned(), of_user + 1);
        Some(Place { waiting: self.clone(), user: user.to_owned() })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut users = self.waiting.0.lock().expect("no panic while held");
        if let Some(count) = users.get_mut(&self.user) {
            *count -= 1;
            if *count == 0 {
                users.remove(&self.user);
            }
        }
    }
}

impl Lists {
    /// A place for a long list of `user`'s that is being sent.
    pub fn unsent(&self, user: &str) -> Option<Place> {
        self.unsent.place(user)
    }

    /// Does `work` for `user`, which looks at about `looks` values.
    pub async fn make<T: Send + 'static>(
        &self,
        user: &str,
        looks: usize,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, ListError> {
        if looks <= LITTLE {
            return Ok(work());
        }
        let place = self.waiting.place(user).ok_or(ListError::Busy)?;
        let turn = self.line.queue(user).await.map_err(|_| ListError::Failed)?;
        let task = tokio::task::spawn_blocking(move || {
            // Held until the work is done, even if whoever asked has gone.
            let _held = (place, turn);
            work()
        });
        task.await.map_err(|_| ListError::Failed)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    const MUCH: usize = LITTLE + 1;

    /// Takes its turn until the sender is dropped.
    fn held(lists: &Arc<Lists>, user: &'static str) -> mpsc::Sender<()> {
        let (release, released) = mpsc::channel::<()>();
        let lists = lists.clone();
        tokio::spawn(async move {
            lists
                .make(user, MUCH, move || {
                    let _ = released.recv();
                })
                .await
                .expect("made")
        });
        release
    }

    fn places(lists: &Lists, user: &str) -> usize {
        lists.waiting.0.lock().expect("free").get(user).copied().unwrap_or_default()
    }

    async fn until(reached: impl Fn() -> bool) {
        let reaching = async {
            while !reached() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(30), reaching).await.expect("reached");
    }

    #[tokio::test]
    async fn a_user_who_asks_for_much_is_told_so_and_others_get_their_turn() {
        let lists = Arc::new(Lists::default());
        let release: Vec<_> = (0..MOST_OF_ONE).map(|_| held(&lists, "greedy")).collect();
        until(|| places(&lists, "greedy") == MOST_OF_ONE).await;
        assert_eq!(lists.make("greedy", MUCH, || ()).await, Err(ListError::Busy));
        assert_eq!(lists.make("greedy", LITTLE, || 1).await, Ok(1), "little is done at once");
        let other = lists.clone();
        let other = tokio::spawn(async move { other.make("other", MUCH, || 2).await });
        until(|| places(&lists, "other") == 1).await;
        let mut release = release.into_iter();
        drop(release.next());
        assert_eq!(other.await.expect("no panic"), Ok(2), "the others are still to be made");
        drop(release);
        until(|| places(&lists, "greedy") == 0).await;
    }

    #[tokio::test]
    async fn all_users_together_wait_for_a_bounded_number_of_lists() {
        let lists = Arc::new(Lists::default());
        let users = ["a", "b", "c", "d", "e", "f"];
        let release: Vec<_> =
            users.into_iter().flat_map(|user| [user; 8]).map(|user| held(&lists, user)).collect();
        until(|| users.iter().map(|user| places(&lists, user)).sum::<usize>() == MOST).await;
        assert_eq!(lists.make("g", MUCH, || ()).await, Err(ListError::Busy));
        drop(release);
    }

    #[tokio::test]
    async fn one_is_made_at_a_time_also_when_whoever_asked_has_gone() {
        let lists = Arc::new(Lists::default());
        let (release, released) = mpsc::channel::<()>();
        let (started, has_started) = tokio::sync::oneshot::channel();
        let abandoned = {
            let lists = lists.clone();
            tokio::spawn(async move {
                let work = move || {
                    let _ = started.send(());
                    let _ = released.recv();
                };
                lists.make("gone", MUCH, work).await
            })
        };
        has_started.await.expect("it began");
        abandoned.abort();
        assert!(abandoned.await.expect_err("aborted").is_cancelled());
        assert!(!lists.line.is_free());
        drop(release);
        assert_eq!(lists.make("next", MUCH, || 3).await, Ok(3));
    }

    #[tokio::test]
    async fn a_list_that_panics_gives_its_place_back() {
        let lists = Lists::default();
        let failed = lists.make("one", MUCH, || panic!("as it may")).await;
        assert_eq!(failed, Err::<(), _>(ListError::Failed));
        assert_eq!((places(&lists, "one"), lists.line.is_free()), (0, true));
    }
}
