//! What is around every page.

use super::{
    assets::Assets,
    session::{SignedIn, Theme},
    text::Shown,
};
use crate::cluster::{
    permissions::{ManageTokens, Permission, ReadHosts},
    records::UserRecord,
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Section {
    Hosts,
    Tokens,
    None,
}

/// A place that the navigation leads to.
pub struct Place {
    pub name: &'static str,
    pub path: &'static str,
    pub is_here: bool,
}

pub struct Frame {
    pub assets: &'static Assets,
    pub theme: Theme,
    /// `None` where nobody is signed in.
    pub user: Option<Shown>,
    pub places: Vec<Place>,
    /// What a form shows to prove that a page of this session has sent it.
    pub form_token: String,
    /// What was done just now.
    pub done: Option<&'static str>,
    /// Of a page that is kept current, of which revision it is.
    pub since: Option<u64>,
}

/// What a page may be told to say, by the word in its address.
const DONE: &[(&str, &str)] = &[
    ("roles", "The roles were changed. A connected host takes them on at once."),
    ("same-roles", "The host has these roles already; nothing was changed."),
    ("deleted", "The host was removed."),
    ("revoked", "The token was revoked. It lets nobody in any more."),
    ("evicted", "The token was revoked, and the hosts that came with it were removed."),
    (
        "evicted-some",
        "The token was revoked, and many of the hosts that came with it were removed. Some are left: revoke and remove once more.",
    ),
    (
        "shown",
        "The token's text was shown already, or its time was over. It is not kept anywhere: revoke this token and generate another one.",
    ),
];

/// All that the navigation may show.
fn places(user: &UserRecord, here: Section) -> Vec<Place> {
    let all = [
        ("Hosts", "/hosts", Section::Hosts, ReadHosts::allows(user)),
        ("Roles tokens", "/tokens", Section::Tokens, ManageTokens::allows(user)),
    ];
    let shown = all.into_iter().filter(|(.., allowed)| *allowed);
    shown.map(|(name, path, section, _)| Place { name, path, is_here: section == here }).collect()
}

impl Frame {
    pub fn of_nobody(theme: Theme) -> Self {
        Self {
            assets: Assets::get(),
            theme,
            user: None,
            places: Vec::new(),
            form_token: String::new(),
            done: None,
            since: None,
        }
    }

    pub fn of<P>(by: &SignedIn<P>, here: Section) -> Self {
        Self::of_nobody(by.theme).of_user(&by.session.user, here, by.form_token.clone())
    }

    #[must_use]
    pub fn of_user(self, user: &UserRecord, here: Section, form_token: String) -> Self {
        let (user, places) = (Some(Shown::short(&user.name)), places(user, here));
        Self { user, places, form_token, ..self }
    }

    /// Each theme, and whether it is chosen.
    pub fn themes(&self) -> [(&'static str, bool); 3] {
        Theme::ALL.map(|theme| (theme.name(), theme == self.theme))
    }

    /// With what has changed from this revision on told to the page.
    #[must_use]
    pub fn live(self, since: u64) -> Self {
        Self { since: Some(since), ..self }
    }

    #[must_use]
    pub fn saying(self, word: &str) -> Self {
        let done = DONE.iter().find(|(known, _)| *known == word).map(|(_, says)| *says);
        Self { done, ..self }
    }
}
