use std::{collections::BTreeMap, sync::Arc};

use askama::Template;
use axum::extract::State;

use super::{
    hosts_found::{Column, From, Place, Sort, find},
    shown_host::HostRow,
};
use crate::{
    cluster::{
        hosts_now::HostNow,
        lists::ListError,
        permissions::{ManageTokens, ReadHosts},
        shown::{RUNNER_FIELDS, RunnerView},
    },
    http::error::{Answer, ApiError},
    model::Role,
    search::{Query, query_from_text},
    ui::{
        Ui,
        error::{PageResult, rendered},
        forms::{Asked, Fields, query},
        frame::{Frame, Section},
        session::SignedIn,
        text::{Shown, counted},
    },
};

/// What it takes to show and sort a host, in values that are looked at.
const SHOWN: usize = 12;

/// Zones that are named beside the list.
const MOST_ZONES: usize = 12;

/// What the page's address says.
struct View {
    q: String,
    sort: Sort,
    from: From,
}

/// A column's heading, which sorts by it.
struct Heading {
    title: &'static str,
    href: String,
    /// As `aria-sort` has it.
    sorted: &'static str,
}

/// A link to some of the hosts.
struct Facet {
    name: Shown,
    count: usize,
    href: String,
    is_chosen: bool,
}

struct Facets {
    title: &'static str,
    all: Vec<Facet>,
}

#[derive(Template)]
#[template(path = "hosts.html")]
struct HostsPage {
    frame: Frame,
    q: String,
    sort: String,
    not_understood: Option<Shown>,
    headings: Vec<Heading>,
    rows: Vec<HostRow>,
    summary: String,
    previous: Option<String>,
    next: Option<String>,
    facets: Vec<Facets>,
    fields: &'static [&'static str],
    may_add: bool,
    /// No host but the first has joined yet.
    is_new: bool,
}

impl View {
    fn asked(asked: &Fields) -> Self {
        let place = |name| Place::parse(asked.one(name));
        let from = match (place("after"), place("before")) {
            (Some(place), _) => From::After(place),
            (None, Some(place)) => From::Before(place),
            (None, None) => From::Start,
        };
        let q: String = asked.one("q").chars().take(2_000).collect();
        Self { q, sort: Sort::named(asked.one("sort")), from }
    }

    /// The address of the list as it is here, but for the order and the place.
    fn href(&self, sort: Sort, place: &[(&str, &str)]) -> String {
        let first = Sort::named("");
        let sort = if sort == first { String::new() } else { sort.name() };
        let mut pairs = vec![("q", self.q.as_str()), ("sort", sort.as_str())];
        pairs.extend(place);
        link(&query(&pairs))
    }

    fn headings(&self) -> Vec<Heading> {
        Column::ALL.into_iter().map(|column| self.heading(column)).collect()
    }

    fn heading(&self, column: Column) -> Heading {
        let title = match column {
            Column::Host => "Host",
            Column::Address => "Address",
            Column::Zone => "Zone",
            Column::State => "State",
            Column::Memory => "Memory",
        };
        let is_sorted = self.sort.column == column;
        let sorted = match (is_sorted, self.sort.down) {
            (false, _) => "none",
            (true, false) => "ascending",
            (true, true) => "descending",
        };
        let other = Sort { column, down: is_sorted && !self.sort.down };
        Heading { title, href: self.href(other, &[]), sorted }
    }
}

fn link(query: &str) -> String {
    match query {
        "" => "/hosts".to_owned(),
        query => format!("/hosts?{query}"),
    }
}

fn facets(hosts: &[RunnerView<'_>], q: &str) -> Vec<Facets> {
    let facet = |name: &str, chosen: &str, count| Facet {
        name: Shown::short(name),
        count,
        href: link(&query(&[("q", if q == chosen { "" } else { chosen })])),
        is_chosen: q == chosen,
    };
    let many = |is: &dyn Fn(&HostNow<'_>) -> bool| hosts.iter().filter(|host| is(&host.0)).count();
    let has_roles =
        |it: &HostNow<'_>| !it.member.roles.is_empty() || !it.member.other_roles.is_empty();
    let states = vec![
        facet("Connected", "connected:true", many(&|it| it.state().connected)),
        facet("Not connected", "connected:false", many(&|it| !it.state().connected)),
        facet("Not healthy", "healthy:false", many(&|it| !it.state().is_healthy(None))),
        facet(
            "In maintenance",
            "maintenance_mode:true",
            many(&|it| it.member.allocator.maintenance_since.is_some()),
        ),
    ];
    let mut roles: Vec<Facet> = Role::ALL
        .iter()
        .map(|role| facet(role.name(), &format!("roles:{role}"), many(&|it| it.member.has(*role))))
        .collect();
    roles.push(facet("no roles", "NOT _exists_:roles", many(&|it| !has_roles(it))));
    let mut zones = BTreeMap::<&str, usize>::new();
    for RunnerView(host) in hosts {
        *zones.entry(host.member.facts.zone.as_str()).or_default() += 1;
    }
    let zones = zones.into_iter().take(MOST_ZONES);
    let zones = zones.map(|(zone, count)| facet(zone, &format!("zone:\"{zone}\""), count));
    vec![
        Facets { title: "State", all: states },
        Facets { title: "Role", all: roles },
        Facets { title: "Zone", all: zones.collect() },
    ]
}

/// What the page shows of the hosts as they are.
struct Listed {
    rows: Vec<HostRow>,
    facets: Vec<Facets>,
    summary: String,
    previous: Option<String>,
    next: Option<String>,
    is_new: bool,
}

fn listed(hosts: &[RunnerView<'_>], view: &View, query: &Query) -> Option<Listed> {
    let found = find(hosts, query, view.sort, &view.from)?;
    let rows: Vec<HostRow> = found.hosts.iter().map(|host| HostRow::of(host)).collect();
    let summary = match (found.all, rows.len()) {
        (0, _) => format!("None of {}", counted(hosts.len(), "host")),
        (all, shown) if all == shown => counted(all, "host"),
        (all, shown) => {
            format!("{}–{} of {}", found.before + 1, found.before + shown, counted(all, "host"))
        }
    };
    let at =
        |name, place: Option<Place>| place.map(|it| view.href(view.sort, &[(name, &it.text())]));
    Some(Listed {
        facets: facets(hosts, &view.q),
        summary,
        previous: at("before", found.first),
        next: at("after", found.last),
        is_new: hosts.iter().all(|host| host.0.member.joined.token.is_none()),
        rows,
    })
}

fn too_many_lists(error: ListError) -> ApiError {
    match error {
        ListError::Busy => Answer::TooOften.saying("too many lists are being made"),
        ListError::Failed => Answer::Internal.into(),
    }
}

pub async fn list(
    by: SignedIn<ReadHosts>,
    State(ui): State<Arc<Ui>>,
    Asked(asked): Asked,
) -> PageResult {
    let view = View::asked(&asked);
    let read = query_from_text(&view.q, false).and_then(|it| it.of_known_fields(&RUNNER_FIELDS));
    let (query, mut not_understood) = match read {
        Ok(query) => (query, None),
        Err(error) => (Query::None, Some(Shown::long(&error.to_string()))),
    };
    let since = ui.app.liveness.news.revision();
    let looks = ui.app.registry.count_hosts() * (query.clauses() + SHOWN);
    let (app, user) = (ui.app.clone(), by.session.user.name.clone());
    let work = move || {
        let hosts: Vec<_> = app.hosts_now().all().map(RunnerView).collect();
        let found = listed(&hosts, &view, &query);
        let too_much = found.is_none();
        let found = found.or_else(|| listed(&hosts, &view, &Query::None));
        (view, found, too_much)
    };
    let (view, found, too_much) =
        ui.app.lists.make(&user, looks, work).await.map_err(too_many_lists)?;
    let found = found.ok_or(Answer::Internal)?;
    if too_much {
        let says = "It compares too much; ask for single fields, and with fewer wildcards.";
        not_understood = Some(Shown::long(says));
    }
    let frame = Frame::of(&by, Section::Hosts).saying(asked.one("done")).live(since);
    Ok(rendered(&HostsPage {
        frame,
        sort: if view.sort == Sort::named("") { String::new() } else { view.sort.name() },
        headings: view.headings(),
        q: view.q,
        not_understood,
        rows: found.rows,
        summary: found.summary,
        previous: found.previous,
        next: found.next,
        facets: found.facets,
        fields: RUNNER_FIELDS.names,
        may_add: by.may::<ManageTokens>(),
        is_new: found.is_new,
    }))
}
