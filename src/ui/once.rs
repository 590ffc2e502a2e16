//! What is done once, however often a form is sent, and what is shown once.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{sync::OnceCell, time::Instant};

use crate::model::{Secret, TokenId};

/// Forms that are remembered.
const MOST: usize = 4096;

type Key = (String, String);

/// Where each form has led that was sent lately, by its session and its nonce.
#[derive(Default)]
pub struct Once(Mutex<VecDeque<(Key, Arc<OnceCell<TokenId>>)>>);

impl Once {
    /// The place for what comes of a form. Whoever sends it again gets the same.
    pub fn cell(&self, session: &str, nonce: &str) -> Arc<OnceCell<TokenId>> {
        let key = (session.to_owned(), nonce.chars().take(64).collect::<String>());
        let mut known = self.0.lock().expect("no panic while held");
        if let Some((_, cell)) = known.iter().find(|(it, _)| *it == key) {
            return cell.clone();
        }
        if known.len() == MOST {
            known.pop_front();
        }
        let cell = Arc::<OnceCell<TokenId>>::default();
        known.push_back((key, cell.clone()));
        cell
    }
}

/// How long a token's text waits to be shown.
const KEPT: Duration = Duration::from_secs(120);

/// How long a form that comes again shows what it has made once more: a browser shows the answer to
/// the second of two clicks.
const AGAIN: Duration = Duration::from_secs(10);

/// Texts that wait.
const MOST_TEXTS: usize = 256;

struct Text {
    token: TokenId,
    session: String,
    text: Secret,
    made: Instant,
    /// How often it may still be shown.
    left: usize,
}

/// Texts of tokens, until whoever has made them has seen them.
#[derive(Default)]
pub struct Texts(Mutex<Vec<Text>>);

impl Texts {
    pub fn keep(&self, session: &str, token: TokenId, text: Secret) {
        let mut texts = self.swept();
        if texts.len() == MOST_TEXTS {
            texts.remove(0);
        }
        let session = session.to_owned();
        texts.push(Text { token, session, text, made: Instant::now(), left: 0 });
    }

    /// The form that has made the token came in, perhaps again: its answer shows the text.
    pub fn answered(&self, session: &str, token: TokenId) {
        let mut texts = self.swept();
        let theirs = texts.iter_mut().find(|it| it.token == token && it.session == session);
        if let Some(text) = theirs.filter(|it| it.made.elapsed() < AGAIN) {
            text.left += 1;
        }
    }

    /// The text, if it was not shown yet to whoever has made it.
    pub fn take(&self, session: &str, token: TokenId) -> Option<Secret> {
        let mut texts = self.swept();
        let theirs = texts.iter_mut().find(|it| it.token == token && it.session == session);
        let text = theirs.filter(|it| it.left > 0)?;
        text.left -= 1;
        Some(text.text.clone())
    }

    fn swept(&self) -> std::sync::MutexGuard<'_, Vec<Text>> {
        let mut texts = self.0.lock().expect("no panic while held");
        texts.retain(|text| {
            let longest = if text.left > 0 { KEPT } else { AGAIN };
            text.made.elapsed() < longest
        });
        texts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: TokenId = TokenId(uuid::Uuid::from_u128(1));

    #[test]
    fn the_same_form_of_the_same_session_is_the_same() {
        let once = Once::default();
        once.cell("a", "n").set(ONE).expect("nothing yet");
        assert_eq!(once.cell("a", "n").get(), Some(&ONE));
        assert_eq!(once.cell("b", "n").get(), None);
        assert_eq!(once.cell("a", "m").get(), None);
        for number in 0..MOST {
            once.cell("c", &number.to_string());
        }
        assert_eq!(once.cell("a", "n").get(), None, "forgotten");
    }

    #[tokio::test(start_paused = true)]
    async fn a_text_is_shown_once_and_again_only_for_a_second_click() {
        let texts = Texts::default();
        let shown = |session| texts.take(session, ONE).is_some();
        texts.keep("a", ONE, Secret::new("text"));
        assert!(!shown("a"), "no form was answered");
        texts.answered("a", ONE);
        assert!(!shown("b"), "somebody else");
        assert!(shown("a") && !shown("a"));
        texts.answered("a", ONE);
        assert!(shown("a") && !shown("a"), "a second click");
        tokio::time::advance(AGAIN).await;
        texts.answered("a", ONE);
        assert!(!shown("a"), "the form was sent again later");
    }

    #[tokio::test(start_paused = true)]
    async fn a_text_that_nobody_looks_at_is_forgotten() {
        let texts = Texts::default();
        texts.keep("a", ONE, Secret::new("text"));
        texts.answered("a", ONE);
        tokio::time::advance(KEPT).await;
        assert!(texts.take("a", ONE).is_none());
    }
}
