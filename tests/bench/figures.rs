//! The measuring itself.

use std::{
    net::TcpStream,
    path::Path,
    process::{Command, Stdio},
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use super::{
    api::{self, ApiFigure},
    client::{client, url},
    coordinator::{ADDRESS, Coordinator},
    fleet::Fleet,
    floods::{self, FloodFigure},
    process::{cpu_percent, memory_kib, own_memory_kib, quantile},
};

const COMMAND_RUNS: u8 = 50;
const ROLE_CHANGES: usize = 100;
const IDLE: Duration = Duration::from_secs(30);
const ASKED_EVERY: Duration = Duration::from_millis(50);

/// How long an idle agent is watched; `BENCH_IDLE_SECONDS` makes it shorter for a trial.
fn idle_agent_time() -> Duration {
    let given = std::env::var("BENCH_IDLE_SECONDS").ok().and_then(|text| text.parse().ok());
    Duration::from_secs(given.unwrap_or(600))
}

#[derive(Debug)]
pub struct Figures {
    pub join_p50: f64,
    pub join_p99: f64,
    pub join_flooded_p50: f64,
    pub binary_mib: f64,
    pub version_ms: f64,
    pub agent_mib: f64,
    pub agent_own_mib: f64,
    pub agent_cpu: f64,
    pub fleets: Vec<FleetFigures>,
    /// The API with the largest fleet.
    pub api: Vec<ApiFigure>,
    pub floods: Vec<FloodFigure>,
}

/// What was seen with so many hosts.
#[derive(Debug)]
pub struct FleetFigures {
    pub hosts: usize,
    pub joins_per_second: f64,
    pub kib_per_host: f64,
    pub cpu_percent: f64,
    pub role_p50_ms: f64,
    pub role_p99_ms: f64,
    pub back_seconds: f64,
    /// A request to the API with a connection of its own, while hosts come back.
    pub back_api_p99_ms: f64,
    pub shown_as_lost: usize,
    pub list_ms: f64,
}

pub fn measure(agent: &Path, sizes: Vec<usize>) -> Figures {
    let mut coordinator = Coordinator::start(agent);
    let token = coordinator.token_file();
    eprintln!("joins by command …");
    let mut joins: Vec<f64> =
        (0..COMMAND_RUNS).map(|number| join_by_command(agent, &coordinator, number)).collect();
    let mut flooded = joins_under_flood(agent, &coordinator);
    let mut versions: Vec<f64> = (0..COMMAND_RUNS).map(|_| version(agent)).collect();
    let binary_mib = std::fs::metadata(agent).unwrap().len() as f64 / f64::from(1 << 20);
    eprintln!("an idle agent for ten minutes …");
    let (agent_mib, agent_own_mib, agent_cpu) = idle_agent(agent, &coordinator);
    drop(token);

    // What the flood has left in its memory is not the fleet's.
    coordinator.crash_and_restart();
    let empty_kib = memory_kib(coordinator.pid());
    let mut fleet = Fleet::new(coordinator.dir.path());
    let mut fleets = Vec::new();
    let (steps, mut api) = (sizes.len(), Vec::new());
    for (index, hosts) in sizes.into_iter().enumerate() {
        eprintln!("{hosts} hosts …");
        let joins_per_second = fleet.grow_to(hosts);
        fleet.wait_connected();
        let grown_kib = memory_kib(coordinator.pid()).saturating_sub(empty_kib);
        let cpu = cpu_percent(coordinator.pid(), IDLE);
        let mut roles = fleet.change_roles(&coordinator.admin(), ROLE_CHANGES);
        let mut lists: Vec<f64> =
            (0..10).map(|_| coordinator.get_ms("/infrastructure/allocators?size=10000")).collect();
        if index + 1 == steps {
            eprintln!("the API …");
            api = api::measure(&coordinator.admin(), coordinator.pid());
        }
        coordinator.crash_and_restart();
        let shown_as_lost = lost(&coordinator);
        let ([.., back_seconds], back_api_p99_ms) = back(&coordinator, &mut fleet);
        let shown_as_lost = shown_as_lost.max(lost(&coordinator));
        fleets.push(FleetFigures {
            hosts,
            joins_per_second,
            kib_per_host: grown_kib as f64 / hosts as f64,
            cpu_percent: cpu,
            role_p50_ms: quantile(&mut roles, 0.5),
            role_p99_ms: quantile(&mut roles, 0.99),
            back_seconds,
            back_api_p99_ms,
            shown_as_lost,
            list_ms: quantile(&mut lists, 0.5),
        });
        eprintln!("{:?}", fleets.last());
    }
    drop((fleet, coordinator));
    let floods = floods::measure(agent);
    Figures {
        join_p50: quantile(&mut joins, 0.5),
        join_p99: quantile(&mut joins, 0.99),
        join_flooded_p50: quantile(&mut flooded, 0.5),
        binary_mib,
        version_ms: quantile(&mut versions, 0.5),
        agent_mib,
        agent_own_mib,
        agent_cpu,
        fleets,
        api,
        floods,
    }
}

fn install(agent: &Path, coordinator: &Coordinator, number: u8) -> std::path::PathBuf {
    let dir = coordinator.dir.path().join(format!("command-{number}"));
    let mut install = Command::new(agent);
    install.args(["install", "--force", "--roles", "allocator", "--coordinator-host", ADDRESS]);
    install.args(["--host-ip", &format!("127.98.1.{number}"), "--roles-token-file"]);
    install.arg(coordinator.dir.path().join("token"));
    install.arg("--state-dir").arg(dir.join("state"));
    install.arg("--host-storage-path").arg(dir.join("storage"));
    let done = install.stdin(Stdio::null()).output().unwrap();
    assert!(done.status.success(), "{done:?}");
    dir.join("state")
}

fn stop(agent: &Path, state: &Path) {
    Command::new(agent).args(["stop", "--state-dir"]).arg(state).output().unwrap();
}

/// Seconds from the start of the command to its end, when the host is connected.
fn join_by_command(agent: &Path, coordinator: &Coordinator, number: u8) -> f64 {
    let started = Instant::now();
    let state = install(agent, coordinator, number);
    let took = started.elapsed().as_secs_f64();
    stop(agent, &state);
    took
}

/// The same while strangers hold 2,000 connections and others try passwords without a pause.
fn joins_under_flood(agent: &Path, coordinator: &Coordinator) -> Vec<f64> {
    let _idle: Vec<TcpStream> = (0..2000)
        .map(|number| TcpStream::connect((ADDRESS, [12343, 12443][number % 2])).unwrap())
        .collect();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while !stop.load(Ordering::SeqCst) {
                    coordinator.try_password("wrong");
                }
            });
        }
        let joins = (0..20).map(|number| join_by_command(agent, coordinator, 100 + number));
        let joins = joins.collect();
        stop.store(true, Ordering::SeqCst);
        joins
    })
}

fn version(agent: &Path) -> f64 {
    let started = Instant::now();
    Command::new(agent).arg("--version").output().unwrap();
    started.elapsed().as_secs_f64() * 1000.0
}

/// Memory in MiB, the part that is its own, and share of a core in percent of one joined host that has nothing to do.
fn idle_agent(agent: &Path, coordinator: &Coordinator) -> (f64, f64, f64) {
    let state = install(agent, coordinator, 200);
    let mut status = Command::new(agent);
    status.args(["status", "--json", "--state-dir"]).arg(&state);
    let status: serde_json::Value =
        serde_json::from_slice(&status.output().unwrap().stdout).unwrap();
    let pid = status["pid"].as_u64().unwrap() as u32;
    let cpu = cpu_percent(pid, idle_agent_time());
    let (mib, own) = (memory_kib(pid) as f64 / 1024.0, own_memory_kib(pid) as f64 / 1024.0);
    stop(agent, &state);
    (mib, own, cpu)
}

/// Seconds until half of the hosts, 99 of 100, and all are back, and how long the API took
/// meanwhile.
pub fn back(coordinator: &Coordinator, fleet: &mut Fleet) -> ([f64; 3], f64) {
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let asking = scope.spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(asked_until(&stop, &coordinator.admin()))
        });
        let seconds = fleet.wait_connected();
        stop.store(true, Ordering::SeqCst);
        (seconds, quantile(&mut asking.join().unwrap(), 0.99))
    })
}

/// What a user who asks now and then, each time over a new connection, waits for an answer, in
/// milliseconds. It is asked from here: to start a program for each costs more than the answer.
async fn asked_until(stop: &AtomicBool, admin: &str) -> Vec<f64> {
    let (user, password) = admin.split_once(':').unwrap();
    let client = client().pool_max_idle_per_host(0).build().unwrap();
    let url = url("/platform/infrastructure/runners/10.0.0.1");
    let mut took = Vec::new();
    while took.is_empty() || !stop.load(Ordering::SeqCst) {
        let started = Instant::now();
        let reply = client.get(&url).basic_auth(user, Some(password)).send().await.unwrap();
        assert!(reply.status().is_success(), "{reply:?}");
        reply.bytes().await.unwrap();
        took.push(started.elapsed().as_secs_f64() * 1000.0);
        tokio::time::sleep(ASKED_EVERY).await;
    }
    took
}

/// Simulated hosts that the API shows as not connected.
fn lost(coordinator: &Coordinator) -> usize {
    let overview = coordinator.get("/infrastructure/runners");
    let runners = overview["runners"].as_array().unwrap();
    let simulated = |runner: &serde_json::Value| {
        runner["runner_id"].as_str().is_some_and(|id| id.starts_with("10."))
    };
    runners.iter().filter(|it| simulated(it) && it["connected"] == false).count()
}
