use std::{collections::BTreeMap, sync::Arc};

use askama::Template;
use axum::extract::State;

use super::shown_host::{HostRow, may_change};
use crate::{
    cluster::{
        app::App,
        hosts_now::HostNow,
        member::Member,
        permissions::{ManageTokens, ReadHosts},
        shown::RunnerView,
    },
    http::{error::ApiError, extract::Path, hosts_and_tokens::no_such_runner},
    model::Role,
    ui::{
        Ui,
        error::{PageResult, rendered},
        forms::Asked,
        frame::{Frame, Section},
        session::SignedIn,
        text::{Moment, Shown, gigabytes},
    },
};

struct Fact {
    name: &'static str,
    value: Shown,
}

struct Tag {
    key: Shown,
    value: Shown,
}

struct PassageShown {
    at: Moment,
    came: bool,
}

struct Twin {
    address: String,
    seen: Moment,
}

#[derive(Template)]
#[template(path = "host.html")]
struct HostPage {
    frame: Frame,
    host: HostRow,
    facts: Vec<Fact>,
    tags: Vec<Tag>,
    joined: Moment,
    /// The token it came with, and whether that may be looked at.
    token: Option<String>,
    may_see_token: bool,
    overridden: Vec<Shown>,
    passages: Vec<PassageShown>,
    copies: Vec<Twin>,
    may_change: bool,
}

pub fn the_host(app: &App, id: &str) -> Result<Arc<Member>, ApiError> {
    app.member(id, None).ok_or_else(|| no_such_runner(id))
}

fn facts(host: &HostNow<'_>) -> Vec<Fact> {
    let member = &host.member;
    let fact = |name, value: &str| Fact { name, value: Shown::long(value) };
    let (capacity, _) = member.capacity_mb();
    let mut facts = vec![
        fact("Address", &member.facts.host_ip.to_string()),
        fact("Hostname", &member.facts.hostname),
        fact("Zone", member.facts.zone.as_str()),
        fact("Processors", &member.facts.cpus.to_string()),
        fact("Memory", &gigabytes(member.facts.memory_bytes >> 20)),
        fact("Storage", &gigabytes(member.facts.storage_bytes >> 20)),
        fact("Version of ece-agent", &member.facts.version),
        fact("Key", &member.key.to_string()),
    ];
    if member.has(Role::Allocator) {
        facts.insert(5, fact("Offered to instances", &gigabytes(capacity)));
    }
    if let Some(boot) = host.state().boot_id {
        facts.push(fact("Boot", &boot.to_string()));
    }
    facts
}

fn tags(tags: &BTreeMap<String, String>) -> Vec<Tag> {
    let tag = |(key, value): (&String, &String)| Tag {
        key: Shown::short(key),
        value: Shown::long(value),
    };
    tags.iter().map(tag).collect()
}

pub async fn show(
    by: SignedIn<ReadHosts>,
    State(ui): State<Arc<Ui>>,
    Path(id): Path<String>,
    Asked(asked): Asked,
) -> PageResult {
    let app = &ui.app;
    let since = app.liveness.news.revision();
    let host = app.now(the_host(app, &id)?);
    let joined = &host.member.joined;
    // What was before is another host's that had its name.
    let passages = app.liveness.passages.of(&host.member.runner_id).into_iter();
    let passages = passages.filter(|it| it.at >= joined.at).rev();
    let rivals = host.state().rivals.iter();
    Ok(rendered(&HostPage {
        frame: Frame::of(&by, Section::Hosts).saying(asked.one("done")).live(since),
        facts: facts(&host),
        tags: tags(&host.member.tags()),
        joined: joined.at.into(),
        token: joined.token.map(|token| token.to_string()),
        may_see_token: by.may::<ManageTokens>(),
        overridden: joined.overridden.iter().map(|code| Shown::short(code)).collect(),
        passages: passages
            .map(|it| PassageShown { at: it.at.into(), came: it.connected })
            .collect(),
        copies: rivals
            .map(|it| Twin { address: it.address.to_string(), seen: it.seen_at.into() })
            .collect(),
        may_change: may_change(&by),
        host: HostRow::of(&RunnerView(host)),
    }))
}
