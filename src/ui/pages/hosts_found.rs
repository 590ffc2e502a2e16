//! Which hosts a page of the list shows, in which order, and what stands before and after it.

use std::cmp::Ordering;

use super::shown_host::rank;
use crate::{
    cluster::{hosts_now::HostNow, shown::RunnerView},
    search::{Effort, Query},
};

pub const PAGE: usize = 50;

/// Columns that the list is sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Column {
    Host,
    Address,
    Zone,
    State,
    Memory,
}

impl Column {
    pub const ALL: [Self; 5] = [Self::Host, Self::Address, Self::Zone, Self::State, Self::Memory];

    /// As it stands in the page's address.
    pub fn name(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::Address => "address",
            Self::Zone => "zone",
            Self::State => "state",
            Self::Memory => "memory",
        }
    }

    fn key(self, host: &HostNow<'_>) -> String {
        let member = &host.member;
        match self {
            Self::Host => natural(member.runner_id.as_str()),
            Self::Address => natural(&member.facts.host_ip.to_string()),
            Self::Zone => natural(member.facts.zone.as_str()),
            Self::State => rank(host).to_string(),
            Self::Memory => natural(&(member.facts.memory_bytes >> 20).to_string()),
        }
    }
}

/// A text that is sorted as people count: 10.0.0.2 before 10.0.0.10.
fn natural(text: &str) -> String {
    let mut natural = String::with_capacity(text.len() * 2);
    let mut digits = String::new();
    for c in text.chars().chain(['\0']) {
        if c.is_ascii_digit() {
            digits.push(c);
            continue;
        }
        if !digits.is_empty() {
            natural.push_str(&format!("{digits:0>12}"));
            digits.clear();
        }
        if c != '\0' {
            natural.push(c);
        }
    }
    natural
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sort {
    pub column: Column,
    pub down: bool,
}

impl Sort {
    /// `zone`, `-zone`; anything else is by the hosts' names.
    pub fn named(text: &str) -> Self {
        let (name, down) = text.strip_prefix('-').map_or((text, false), |name| (name, true));
        let column = Column::ALL.into_iter().find(|column| column.name() == name);
        column.map_or(Self { column: Column::Host, down: false }, |column| Self { column, down })
    }

    pub fn name(self) -> String {
        format!("{}{}", if self.down { "-" } else { "" }, self.column.name())
    }

    fn compare(self, one: &Place, other: &Place) -> Ordering {
        let order = one.cmp(other);
        if self.down { order.reverse() } else { order }
    }
}

/// Where a host stands in a sorted list, whether it is still there or not.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    key: String,
    natural: String,
    id: String,
}

impl Place {
    fn of(host: &HostNow<'_>, column: Column) -> Self {
        let id = host.member.runner_id.as_str();
        Self { key: column.key(host), natural: natural(id), id: id.to_owned() }
    }

    /// As it stands in the page's address.
    pub fn parse(text: &str) -> Option<Self> {
        let (key, id) = text.rsplit_once('~')?;
        Some(Self { key: key.to_owned(), natural: natural(id), id: id.to_owned() })
    }

    pub fn text(&self) -> String {
        format!("{}~{}", self.key, self.id)
    }
}

/// From where on a page shows the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum From {
    Start,
    After(Place),
    Before(Place),
}

/// A page of the list.
pub struct Found<'a, 'b> {
    pub hosts: Vec<&'a RunnerView<'b>>,
    /// How many are found in all.
    pub all: usize,
    /// How many of them stand before this page.
    pub before: usize,
    pub first: Option<Place>,
    pub last: Option<Place>,
}

/// `None` if the search asks for too much.
pub fn find<'a, 'b>(
    hosts: &'a [RunnerView<'b>],
    query: &Query,
    sort: Sort,
    from: &From,
) -> Option<Found<'a, 'b>> {
    let effort = Effort::default();
    let found = hosts.iter().filter(|host| query.matches(*host, &effort));
    let mut found: Vec<(Place, &RunnerView<'_>)> =
        found.map(|host| (Place::of(&host.0, sort.column), host)).collect();
    if effort.is_used_up() {
        return None;
    }
    found.sort_by(|(one, _), (other, _)| sort.compare(one, other));
    let is_before = |place: &Place, or_at: bool| {
        found.partition_point(|(it, _)| match sort.compare(it, place) {
            Ordering::Less => true,
            Ordering::Equal => or_at,
            Ordering::Greater => false,
        })
    };
    let before = match from {
        From::Start => 0,
        From::After(place) => is_before(place, true),
        From::Before(place) => is_before(place, false).saturating_sub(PAGE),
    };
    let page = &found[before..found.len().min(before + PAGE)];
    let place = |(place, _): &(Place, &RunnerView<'_>)| place.clone();
    Some(Found {
        hosts: page.iter().map(|(_, host)| *host).collect(),
        all: found.len(),
        before,
        first: page.first().filter(|_| before > 0).map(place),
        last: page.last().filter(|_| before + page.len() < found.len()).map(place),
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::cluster::{
        member::Member,
        records::{FactsRecord, IdentityRecord, Joined},
        testing::{START, TestCluster, facts},
    };
    use crate::{model::Fingerprint, rt::Timestamp};

    fn host<'a>(cluster: &'a TestCluster, id: &str) -> RunnerView<'a> {
        let joined = Joined {
            at: Timestamp::from_unix_millis(START),
            roles: Default::default(),
            token: None,
            source_address: [10, 0, 0, 1].into(),
            overridden: Vec::new(),
            replaced: None,
        };
        let key = Fingerprint::from_digest([1; 32]);
        let runner_id = id.parse().expect("an id");
        let facts = facts("10.0.0.1");
        let facts = FactsRecord { facts_hash: facts.hash(), facts };
        let member = Member::joining(IdentityRecord { runner_id, key, joined }, facts);
        RunnerView(cluster.app.now(Arc::new(member)))
    }

    fn ids(found: &Found<'_, '_>) -> Vec<String> {
        found.hosts.iter().map(|host| host.0.member.runner_id.to_string()).collect()
    }

    #[tokio::test]
    async fn hosts_are_sorted_as_people_count() {
        let cluster = TestCluster::start().await;
        let hosts = ["h10", "h2", "10.0.0.10", "10.0.0.2"].map(|id| host(&cluster, id));
        let sorted =
            |name| ids(&find(&hosts, &Query::All, Sort::named(name), &From::Start).expect("found"));
        assert_eq!(sorted("host"), ["10.0.0.2", "10.0.0.10", "h2", "h10"]);
        assert_eq!(sorted("-host"), ["h10", "h2", "10.0.0.10", "10.0.0.2"]);
        assert_eq!(sorted("nothing"), sorted("host"));
        assert_eq!(sorted("zone"), sorted("host"), "of the same by their names");
    }

    #[tokio::test]
    async fn the_next_page_goes_on_after_the_last_host_also_when_that_one_is_gone() {
        let cluster = TestCluster::start().await;
        let named = |number: &usize| host(&cluster, &format!("h{number}"));
        let numbers: Vec<usize> = (0..120).collect();
        let all: Vec<_> = numbers.iter().map(named).collect();
        for name in ["host", "-host", "zone"] {
            let sort = Sort::named(name);
            let page = |hosts: &[RunnerView<'_>], from: &From| {
                let found = find(hosts, &Query::All, sort, from).expect("found");
                (ids(&found), found.first, found.last, found.before)
            };
            let (first, none, last, before) = page(&all, &From::Start);
            assert_eq!((first.len(), none, before), (PAGE, None, 0));
            let last = last.expect("more");
            assert_eq!(Place::parse(&last.text()).as_ref(), Some(&last));
            let (second, back, ..) = page(&all, &From::After(last.clone()));
            let is_last = |number: &&usize| first.last() == Some(&format!("h{number}"));
            let gone: Vec<_> = numbers.iter().filter(|it| !is_last(it)).map(named).collect();
            assert_eq!(page(&gone, &From::After(last)).0, second);
            assert_eq!(page(&all, &From::Before(back.expect("there is one before"))).0, first);
        }
    }
}
