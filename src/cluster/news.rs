//! What has changed lately, for the pages that are open. Each reader reads at its own pace; one that
//! has fallen behind is told so, and reads everything anew.

use std::{
    collections::{BTreeSet, VecDeque},
    sync::{Arc, Mutex, MutexGuard},
};

use tokio::sync::watch;

use super::records::{
    MemberPart, OwnerRecord, TokenRecord, UseRecord, UserRecord, WebSessionRecord,
};
use crate::{
    model::{RunnerId, TokenId},
    store::StorePath,
};

/// Changes that a reader may lag behind.
const REMEMBERED: usize = 4096;

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum About {
    Host(RunnerId),
    Token(TokenId),
    /// Who may get in.
    Users,
}

impl About {
    /// What a record is about that lies there, if it is shown.
    pub fn at(path: &StorePath) -> Option<Self> {
        let below = |root| path.below(&root);
        let name = |rest: &'_ str| rest.split_once('/').map(|(_shard, name)| name.to_owned());
        if let Some((runner, _)) = MemberPart::at(path) {
            return Some(Self::Host(runner));
        }
        if let Some(rest) = below(OwnerRecord::root()) {
            return name(rest)?.parse().ok().map(Self::Host);
        }
        if let Some(rest) = below(TokenRecord::root()) {
            return name(rest)?.parse().ok().map(Self::Token);
        }
        if let Some(rest) = below(StorePath::root(UseRecord::ROOT)) {
            return rest.split('/').next()?.parse().ok().map(Self::Token);
        }
        let users = below(UserRecord::root()).or(below(WebSessionRecord::root()));
        users.map(|_| Self::Users)
    }
}

pub struct News {
    told: Mutex<Told>,
    /// The number of the last one.
    last: watch::Sender<u64>,
}

struct Told {
    /// Of the store, up to which is told.
    revision: u64,
    /// And from which on everything is.
    since: u64,
    /// The number of the latest; the first has 1.
    last: u64,
    latest: VecDeque<(u64, About)>,
}

impl Default for News {
    fn default() -> Self {
        let told = Told { revision: 0, since: 0, last: 0, latest: VecDeque::new() };
        Self { told: Mutex::new(told), last: watch::Sender::new(0) }
    }
}

impl News {
    /// Everything was read, as it was at this revision; what has changed before is not known.
    pub fn begin(&self, revision: u64) {
        let last = {
            let mut told = self.lock();
            // Of a number that nobody was told, so that all who read have missed it.
            let last = told.last + 1;
            *told = Told { revision, since: revision, last, latest: VecDeque::new() };
            last
        };
        self.last.send_replace(last);
    }

    pub fn tell(&self, revision: u64, about: BTreeSet<About>) {
        if about.is_empty() {
            return;
        }
        let last = {
            let mut told = self.lock();
            told.revision = told.revision.max(revision);
            for about in about {
                told.add(about);
            }
            told.last
        };
        self.last.send_replace(last);
    }

    /// The same of what is not in the store.
    pub fn tell_of(&self, runner: &RunnerId) {
        self.tell(0, BTreeSet::from([About::Host(runner.clone())]));
    }

    /// Up to which revision of the store is told.
    pub fn revision(&self) -> u64 {
        self.lock().revision
    }

    /// Reads what comes from now on, and before that what has changed since that revision.
    pub fn reader(self: &Arc<Self>, since: Option<u64>) -> NewsReader {
        let last = self.last.subscribe();
        let told = self.lock();
        let (read, missed) = match since {
            None => (told.last, false),
            Some(since) if since < told.since || since > told.revision => (told.last, true),
            Some(since) => {
                let later = told.latest.iter().rev().take_while(|(at, _)| *at >= since).count();
                (told.last - later as u64, false)
            }
        };
        drop(told);
        NewsReader { news: self.clone(), read, missed, last }
    }

    fn lock(&self) -> MutexGuard<'_, Told> {
        self.told.lock().expect("no panic while held")
    }
}

impl Told {
    fn add(&mut self, about: About) {
        if self.latest.len() == REMEMBERED
            && let Some((revision, _)) = self.latest.pop_front()
        {
            self.since = self.since.max(revision + 1);
        }
        self.latest.push_back((self.revision, about));
        self.last += 1;
    }
}

pub struct NewsReader {
    news: Arc<News>,
    /// The number of the last that was read.
    read: u64,
    missed: bool,
    last: watch::Receiver<u64>,
}

/// What a reader has not read yet.
#[derive(Debug, PartialEq, Eq)]
pub struct Unread {
    pub revision: u64,
    pub about: BTreeSet<About>,
    /// There was more, of which nothing is known any more.
    pub missed: bool,
}

impl NewsReader {
    /// Waits until there is something to read.
    pub async fn wait(&mut self) {
        if self.missed {
            return;
        }
        let read = self.read;
        // Who tells is never gone, as this holds it.
        let _there_is = self.last.wait_for(|last| *last > read).await;
    }

    pub fn read(&mut self) -> Unread {
        let told = self.news.lock();
        let unread = (told.last - self.read) as usize;
        let missed = std::mem::take(&mut self.missed) || unread > told.latest.len();
        let begin = told.latest.len().saturating_sub(unread);
        let about = told.latest.range(begin..).map(|(_, about)| about.clone()).collect();
        self.read = told.last;
        Unread { revision: told.revision, about, missed }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(number: usize) -> About {
        About::Host(format!("h{number}").parse().expect("an id"))
    }

    fn told(news: &News, revision: u64, number: usize) {
        news.tell(revision, BTreeSet::from([host(number)]));
    }

    #[test]
    fn a_reader_reads_on_from_where_it_was_and_hears_of_a_gap() {
        let news = Arc::<News>::default();
        news.begin(10);
        let mut reader = news.reader(None);
        told(&news, 11, 1);
        told(&news, 12, 2);
        let both = Unread { revision: 12, about: [host(1), host(2)].into(), missed: false };
        assert_eq!(reader.read(), both);
        assert!(reader.read().about.is_empty());
        assert_eq!(news.reader(Some(12)).read().about, [host(2)].into(), "perhaps twice");
        assert_eq!(news.reader(Some(10)).read(), both);
        for unknown in [9, 13] {
            assert!(news.reader(Some(unknown)).read().missed, "{unknown}");
        }
        for number in 0..REMEMBERED + 1 {
            told(&news, 13 + number as u64, number);
        }
        assert!(reader.read().missed);
        assert!(!reader.read().missed);
        assert!(news.reader(Some(12)).read().missed);
        news.begin(50_000);
        assert!(reader.read().missed, "read anew");
    }

    #[tokio::test]
    async fn a_reader_waits_for_what_it_has_not_read() {
        let news = Arc::<News>::default();
        let mut reader = news.reader(None);
        let waits = tokio::time::timeout(std::time::Duration::ZERO, reader.wait()).await;
        assert!(waits.is_err());
        news.tell_of(&"h1".parse().expect("an id"));
        reader.wait().await;
        assert_eq!(reader.read().about, [host(1)].into());
    }

    #[test]
    fn a_record_is_about_its_host_or_token() {
        let runner: RunnerId = "10.0.0.7".parse().expect("an id");
        let token = TokenId(uuid::Uuid::from_u128(7));
        for path in [MemberPart::Facts.path(&runner), OwnerRecord::path(&runner)] {
            assert_eq!(About::at(&path), Some(About::Host(runner.clone())));
        }
        for path in [TokenRecord::path(token), UseRecord::slot_path(token, 1)] {
            assert_eq!(About::at(&path), Some(About::Token(token)));
        }
        for path in [UserRecord::path("bob"), WebSessionRecord::path("ab")] {
            assert_eq!(About::at(&path), Some(About::Users));
        }
        assert_eq!(About::at(&StorePath::root("audit").child("x")), None);
    }
}
