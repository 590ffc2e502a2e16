//! What a flood costs everybody else.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use ece_agent::{agent::StatusBoard, rt::ShutdownTrigger};
use serde_json::json;

use super::{
    client::{log_in, url},
    coordinator::Coordinator,
    fleet::Fleet,
    flood_kinds::{self, BY_READONLY, KINDS},
    process::quantile,
    simulated,
};

/// How long each flood lasts, and the quiet after it.
const EACH: Duration = Duration::from_secs(5);
const QUIET: Duration = Duration::from_secs(2);

/// How long the coordinator remembers that a password was right, and a little more.
const REMEMBERED: Duration = Duration::from_secs(62);

/// Role changes and logins that take longer count as failed.
const PATIENCE: Duration = Duration::from_secs(10);

const HOSTS: usize = 1_000;

/// What others saw during a flood.
#[derive(Debug)]
pub struct FloodFigure {
    pub title: String,
    pub user_p50_ms: f64,
    pub user_p99_ms: f64,
    pub user_failed: usize,
    /// `None` if it did not work.
    pub login_ms: Option<f64>,
    pub stayed_connected: bool,
    pub role_ms: Option<f64>,
    pub disk_kib: f64,
    pub log_kib: f64,
    pub descriptors: usize,
}

/// Those who are disturbed: a user with a session, one who logs in, and a host.
struct Bystanders {
    client: reqwest::Client,
    admin: String,
    readonly: String,
    bearer: String,
    admin_checked: Instant,
    board: StatusBoard,
}

/// Floods an own coordinator with all kinds, one after the other.
pub fn measure(agent: &Path) -> Vec<FloodFigure> {
    let coordinator = Coordinator::start_with_log(agent, "info");
    coordinator.token_file();
    let hosts = std::env::var("BENCH_FLOOD_HOSTS").ok().and_then(|text| text.parse().ok());
    let mut fleet = Fleet::new(coordinator.dir.path());
    fleet.grow_to(hosts.unwrap_or(HOSTS));
    fleet.wait_connected();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (_stop, shutdown) = ShutdownTrigger::new();
        let (joined, _) = flood_kinds::member(0, coordinator.dir.path()).await;
        let board = simulated::connect(joined, &shutdown);
        board.follow().wait_for(|status| status.connected).await.unwrap();
        let mut bystanders = Bystanders::new(&coordinator, board).await;
        let mut figures = vec![bystanders.watch(&coordinator, ("", "no flood")).await];
        for kind in KINDS {
            eprintln!("{} …", kind.1);
            figures.push(bystanders.watch(&coordinator, kind).await);
            eprintln!("{:?}", figures.last());
        }
        figures
    })
}

fn milliseconds(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1000.0
}

/// Over a connection of its own.
async fn login(user: &str, password: &str) -> Option<String> {
    log_in(&flood_kinds::api(None), user, password).await
}

/// Bytes of the store's files, and of the log.
fn sizes(coordinator: &Coordinator) -> (u64, u64) {
    let size = |path: &Path| fs::metadata(path).map_or(0, |it| it.len());
    let store = coordinator.dir.path().join("state/coordinator");
    let files = fs::read_dir(store).unwrap().map(|entry| entry.unwrap().path());
    let is_store = |path: &std::path::PathBuf| {
        path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("store.db"))
    };
    let store = files.filter(is_store).map(|path| size(&path)).sum();
    (store, size(&coordinator.dir.path().join("log")))
}

fn descriptors(pid: u32) -> usize {
    fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, Iterator::count)
}

/// The process of a flood, once it has begun.
struct Flood(Child);

impl Flood {
    async fn start(kind: &str, coordinator: &Coordinator, readonly: &str) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["flood", kind]).arg(coordinator.dir.path()).env("BENCH_READONLY", readonly);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut begun = BufReader::new(child.stdout.take().unwrap());
        let read = move || begun.read_line(&mut String::new());
        tokio::task::spawn_blocking(read).await.unwrap().unwrap();
        Self(child)
    }
}

impl Drop for Flood {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Bystanders {
    async fn new(coordinator: &Coordinator, board: StatusBoard) -> Self {
        let secret = |user: &str| coordinator.secret(user);
        let (admin, readonly) =
            (secret("adminconsole_root_password"), secret("adminconsole_readonly_password"));
        let bearer = login("admin", &admin).await.unwrap();
        let (client, admin_checked) = (flood_kinds::api(None), Instant::now());
        Self { client, admin, readonly, bearer, admin_checked, board }
    }

    /// Sees to it that the next login is one whose password the coordinator has to check; who it is.
    async fn forget_password(&mut self, kind: &str) -> (&'static str, String) {
        if BY_READONLY.contains(&kind) {
            tokio::time::sleep(REMEMBERED.saturating_sub(self.admin_checked.elapsed())).await;
            self.admin_checked = Instant::now();
            return ("admin", self.admin.clone());
        }
        let next = uuid::Uuid::new_v4().to_string();
        let change = json!({ "security": { "password": next } });
        let change = self.client.patch(url("/user")).json(&change);
        let changed = change.basic_auth("readonly", Some(&self.readonly)).send().await.unwrap();
        assert!(changed.status().is_success(), "{changed:?}");
        self.readonly = next;
        ("readonly", self.readonly.clone())
    }

    async fn watch(
        &mut self,
        coordinator: &Coordinator,
        (kind, title): (&str, &str),
    ) -> FloodFigure {
        let (user, password) = self.forget_password(kind).await;
        let (disk, log) = sizes(coordinator);
        let flood = match kind {
            "" => None,
            kind => Some(Flood::start(kind, coordinator, &self.readonly).await),
        };
        let connected = Arc::new(AtomicBool::new(self.board.read().connected));
        let descriptors_seen = Arc::new(AtomicUsize::new(0));
        let watching = tokio::spawn(look(
            coordinator.pid(),
            self.board.clone(),
            connected.clone(),
            descriptors_seen.clone(),
        ));
        let (asked, login_ms, role_ms) =
            tokio::join!(self.ask(), self.log_in(user, &password), self.change_role());
        let (mut took, user_failed) = asked;
        watching.abort();
        drop(flood);
        tokio::time::sleep(QUIET).await;
        let (disk_after, log_after) = sizes(coordinator);
        let kib = |before: u64, after: u64| after.saturating_sub(before) as f64 / 1024.0;
        let part = |took: &mut Vec<f64>, part| match took.is_empty() {
            true => f64::INFINITY,
            false => quantile(took, part),
        };
        FloodFigure {
            title: title.to_owned(),
            user_p50_ms: part(&mut took, 0.5),
            user_p99_ms: part(&mut took, 0.99),
            user_failed,
            login_ms,
            stayed_connected: connected.load(Ordering::SeqCst),
            role_ms,
            disk_kib: kib(disk, disk_after),
            log_kib: kib(log, log_after),
            descriptors: descriptors_seen.load(Ordering::SeqCst),
        }
    }

    /// Asks who one is, for as long as the flood lasts; milliseconds, and how often that failed.
    async fn ask(&self) -> (Vec<f64>, usize) {
        let (until, mut took, mut failed) = (Instant::now() + EACH, Vec::new(), 0);
        while Instant::now() < until {
            let started = Instant::now();
            let sent = self.client.get(url("/user")).bearer_auth(&self.bearer).send().await;
            match sent.is_ok_and(|reply| reply.status().is_success()) {
                true => took.push(milliseconds(started)),
                false => failed += 1,
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        (took, failed)
    }

    async fn log_in(&self, user: &str, password: &str) -> Option<f64> {
        tokio::time::sleep(EACH / 5).await;
        let started = Instant::now();
        // People try again when they are told to.
        while started.elapsed() < PATIENCE {
            if login(user, password).await.is_some() {
                return Some(milliseconds(started));
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        None
    }

    /// Gives the host a role, or takes it; milliseconds from request to action.
    async fn change_role(&self) -> Option<f64> {
        tokio::time::sleep(EACH / 5).await;
        let (name, revision) = {
            let status = self.board.read();
            (status.name().to_owned(), status.desired_revision)
        };
        let mut roles = vec![json!({ "role_name": "allocator" })];
        if self.board.read().roles.len() < 2 {
            roles.push(json!({ "role_name": "proxy" }));
        }
        let path = url(&format!("/platform/infrastructure/runners/{name}/roles"));
        let put = self.client.put(path).bearer_auth(&self.bearer).json(&json!({ "roles": roles }));
        let started = Instant::now();
        let changed = async {
            put.send().await.ok().filter(|reply| reply.status().is_success())?;
            let mut followed = self.board.follow();
            followed.wait_for(|status| status.desired_revision > revision).await.ok()?;
            Some(milliseconds(started))
        };
        tokio::time::timeout(PATIENCE, changed).await.ok().flatten()
    }
}

/// Looks ten times a second whether the host is connected, and how many files are open.
async fn look(
    pid: u32,
    board: StatusBoard,
    connected: Arc<AtomicBool>,
    most_descriptors: Arc<AtomicUsize>,
) {
    loop {
        connected.fetch_and(board.read().connected, Ordering::SeqCst);
        most_descriptors.fetch_max(descriptors(pid), Ordering::SeqCst);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
