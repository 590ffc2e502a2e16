//! The API under load, asked from a process of its own.

use std::{
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use super::{
    client::{client, log_in, url},
    process::{cpu_seconds, quantile},
};

/// Connections that ask at a time, for what is asked often and for what is asked now and then.
const MANY: usize = 32;
const FEW: usize = 2;
const EACH: Duration = Duration::from_secs(3);

/// What was seen of one kind of request.
#[derive(Debug, Clone)]
pub struct ApiFigure {
    pub name: String,
    pub per_second: f64,
    pub p99_ms: f64,
    /// Of the coordinator, with what it did meanwhile for others.
    pub cpu_us: f64,
}

/// Starts the process that asks; what it saw.
pub fn measure(admin: &str, coordinator: u32) -> Vec<ApiFigure> {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["api", &coordinator.to_string()])
        .env("BENCH_ADMIN", admin)
        .stderr(Stdio::inherit());
    let output = command.output().unwrap();
    let figures: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    figures
        .iter()
        .map(|it| ApiFigure {
            name: it["name"].as_str().unwrap().to_owned(),
            per_second: it["per_second"].as_f64().unwrap(),
            p99_ms: it["p99_ms"].as_f64().unwrap(),
            cpu_us: it["cpu_us"].as_f64().unwrap(),
        })
        .collect()
}

pub fn run(coordinator: u32) {
    let admin = std::env::var("BENCH_ADMIN").unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    println!("{}", runtime.block_on(ask_all(&admin, coordinator)));
}

async fn ask_all(admin: &str, coordinator: u32) -> Value {
    let client = client().build().unwrap();
    let (user, password) = admin.split_once(':').unwrap();
    let bearer = log_in(&client, user, password).await.unwrap();
    let key = client
        .post(url("/users/auth/keys"))
        .basic_auth(user, Some(password))
        .json(&json!({ "description": "bench" }));
    let key = key.send().await.unwrap().json::<Value>().await.unwrap();
    let key = format!("ApiKey {}", key["key"].as_str().unwrap());

    let me = || client.get(url("/user"));
    let infra = |path: &str| url(&format!("/platform/infrastructure{path}"));
    let search = json!({ "size": 100, "query": { "bool": { "must": [
        { "term": { "status.connected": { "value": "true" } } },
        { "prefix": { "allocator_id": { "value": "10.0.1" } } },
    ] } } });
    let all = json!({ "size": 100, "query": { "bool": { "must": [
        { "term": { "status.connected": { "value": "true" } } },
        { "prefix": { "allocator_id": { "value": "none" } } },
    ] } } });
    let tokens = url("/platform/configuration/security/enrollment-tokens");
    let token = json!({ "persistent": false, "roles": ["allocator"] });
    let requests = [
        ("`GET /user`, Basic", MANY, me().basic_auth(user, Some(password))),
        ("`GET /user`, API key", MANY, me().header("authorization", &key)),
        ("`GET /user`, bearer", MANY, me().bearer_auth(&bearer)),
        (
            "`GET allocators?size=100`",
            FEW,
            client.get(infra("/allocators?size=100")).bearer_auth(&bearer),
        ),
        (
            "`POST allocators/_search`, 100 of them",
            FEW,
            client.post(infra("/allocators/_search")).bearer_auth(&bearer).json(&search),
        ),
        (
            "`POST allocators/_search`, none of all",
            FEW,
            client.post(infra("/allocators/_search")).bearer_auth(&bearer).json(&all),
        ),
        (
            "`GET allocators?size=100&sort=zone_id`",
            FEW,
            client.get(infra("/allocators?size=100&sort=zone_id")).bearer_auth(&bearer),
        ),
        ("token creation", MANY, client.post(tokens).bearer_auth(&bearer).json(&token)),
    ];
    let mut figures = Vec::new();
    for (name, clients, request) in requests {
        let cpu_before = cpu_seconds(coordinator);
        let mut figure = ask(name, clients, &request).await;
        let asked = figure["per_second"].as_f64().unwrap() * EACH.as_secs_f64();
        figure["cpu_us"] = ((cpu_seconds(coordinator) - cpu_before) * 1e6 / asked).into();
        figures.push(figure);
    }
    Value::Array(figures)
}

async fn ask(name: &str, clients: usize, request: &reqwest::RequestBuilder) -> Value {
    let until = Instant::now() + EACH;
    let mut asking = tokio::task::JoinSet::new();
    for _ in 0..clients {
        let request = request.try_clone().unwrap();
        asking.spawn(async move {
            let mut took = Vec::new();
            while Instant::now() < until {
                let started = Instant::now();
                let reply = request.try_clone().unwrap().send().await.unwrap();
                assert!(reply.status().is_success(), "{reply:?}");
                reply.bytes().await.unwrap();
                took.push(started.elapsed().as_secs_f64() * 1000.0);
            }
            took
        });
    }
    let mut all: Vec<f64> = asking.join_all().await.into_iter().flatten().collect();
    json!({
        "name": format!("{name}, {clients} clients"),
        "per_second": all.len() as f64 / EACH.as_secs_f64(),
        "p99_ms": quantile(&mut all, 0.99),
    })
}

/// Where the goals of this table are met.
pub fn goal(figure: &ApiFigure) -> (&'static str, bool) {
    if figure.name.starts_with("`GET /user`") {
        ("≥ 20,000/s", figure.per_second >= 20_000.0)
    } else if figure.name.contains("_search") {
        ("p99 ≤ 20 ms", figure.p99_ms <= 20.0)
    } else {
        ("", true)
    }
}
