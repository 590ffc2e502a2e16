//! The page for Prometheus: what was counted, and what is looked up when somebody asks.

use std::{collections::BTreeMap, fmt::Write, sync::Arc};

use axum::{
    Router,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use tower::util::BoxCloneSyncService;

use crate::{
    cluster::{app::App, counters::counted},
    host::process::own_process,
    model::Role,
    server::Service,
};

pub const METRICS_PORT: u16 = 12346;

/// The listener's paths: `/metrics`, `/livez`, `/readyz`.
pub fn metrics_router(app: Arc<App>) -> Service {
    let router = Router::new()
        .route("/metrics", get(metrics))
        .route("/livez", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .with_state(app);
    BoxCloneSyncService::new(router)
}

/// Ready is who serves, and is not about to stop.
async fn ready(State(app): State<Arc<App>>) -> Response {
    match app.shutdown.has_fired() {
        false => "ok\n".into_response(),
        true => (StatusCode::SERVICE_UNAVAILABLE, "stopping\n").into_response(),
    }
}

async fn metrics(State(app): State<Arc<App>>) -> Response {
    let looks = app.registry.count_hosts();
    let of = app.clone();
    // The coordinator's own place in the queue is named like no user.
    let Ok(text) = app.lists.make("", looks, move || page(&of)).await else {
        return (StatusCode::SERVICE_UNAVAILABLE, "busy\n").into_response();
    };
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response()
}

fn page(app: &App) -> String {
    let mut text = counted();
    looked_up(app, &mut text);
    text
}

/// A label's value as the text format wants it.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

fn looked_up(app: &App, text: &mut String) {
    let mut hosts: BTreeMap<(&str, String, bool), u64> = BTreeMap::new();
    let (mut connected_hosts, mut in_maintenance) = (0u64, 0u64);
    for now in app.hosts_now().all() {
        let (host, connected) = (&now.member, now.state().connected);
        connected_hosts += u64::from(connected);
        in_maintenance += u64::from(host.allocator.maintenance_since.is_some());
        let zone = host.facts.zone.to_string();
        let names: Vec<&str> = host.roles.iter().map(Role::name).collect();
        let names = if names.is_empty() { vec!["none"] } else { names };
        for name in names {
            *hosts.entry((name, zone.clone(), connected)).or_default() += 1;
        }
    }
    gauge(text, "ece_agent_hosts", "Hosts by role, zone and whether they are connected");
    for ((role, zone, connected), count) in hosts {
        let zone = escaped(&zone);
        line(
            text,
            &format!(
                "ece_agent_hosts{{role=\"{role}\",zone=\"{zone}\",connected=\"{connected}\"}} {count}"
            ),
        );
    }
    for (name, help, value) in [
        ("ece_agent_host_sessions", "Hosts that are connected", connected_hosts),
        ("ece_agent_allocators_in_maintenance", "Allocators in maintenance mode", in_maintenance),
        (
            "ece_agent_returns_per_second",
            "Hosts that can come back in a second, by what their handshakes cost",
            app.pace.rate() as u64,
        ),
        (
            "ece_agent_datastore_full",
            "Whether the disk that holds the datastore was full at the last change",
            u64::from(app.store.is_full()),
        ),
        ("ece_agent_user_sessions", "Bearer tokens that are good", app.sessions.count() as u64),
    ] {
        gauge(text, name, help);
        line(text, &format!("{name} {value}"));
    }
    if let Some(own) = own_process() {
        for (name, kind, help, value) in [
            (
                "process_resident_memory_bytes",
                "gauge",
                "Resident memory",
                own.resident_bytes as f64,
            ),
            ("process_cpu_seconds_total", "counter", "CPU time used", own.cpu_seconds),
            ("process_open_fds", "gauge", "Open files", own.open_files as f64),
        ] {
            line(text, &format!("# HELP {name} {help}.\n# TYPE {name} {kind}\n{name} {value}"));
        }
    }
}

fn gauge(text: &mut String, name: &str, help: &str) {
    line(text, &format!("# HELP {name} {help}.\n# TYPE {name} gauge"));
}

fn line(text: &mut String, line: &str) {
    writeln!(text, "{line}").expect("a text takes what is written");
}
