use std::{
    fs::{self, File},
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU8, Ordering},
    time::Duration,
};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::{Finished, Reply, agent, within};

const TOKENS: &str = "/platform/configuration/security/enrollment-tokens";
const ALLOCATORS: &str = "/platform/infrastructure/allocators";
const RUNNERS: &str = "/platform/infrastructure/runners";

static CLUSTERS: AtomicU8 = AtomicU8::new(1);

/// A cluster on loopback addresses of its own, with its first host running.
pub struct Cluster {
    pub first: Host,
    network: (u8, u8),
    dir: TempDir,
}

/// A host on this machine: directories, an address, and perhaps a process.
pub struct Host {
    pub address: String,
    pub state: PathBuf,
    pub storage: PathBuf,
    child: Option<Child>,
}

impl Cluster {
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    pub fn start_with(flags: &[&str]) -> Self {
        let cluster = Self::prepare();
        cluster.boot(flags)
    }

    /// Directories and addresses, and no process yet.
    pub fn prepare() -> Self {
        let network =
            (16 + (std::process::id() % 200) as u8, CLUSTERS.fetch_add(1, Ordering::Relaxed));
        let dir = TempDir::new().unwrap();
        let first = Host::new(&dir, network, 1);
        Self { first, network, dir }
    }

    pub fn boot(mut self, flags: &[&str]) -> Self {
        self.first.install(flags);
        self.first.wait_connected();
        self
    }

    /// A host that is not installed yet; its address ends with `number`.
    pub fn host(&self, number: u8) -> Host {
        Host::new(&self.dir, self.network, number)
    }

    /// A host that has joined with a new token and these roles.
    pub fn joined(&self, number: u8, roles: &str) -> Host {
        let mut host = self.host(number);
        let token = self.token(roles);
        self.install(&mut host, &token, &["--roles", roles]);
        host.wait_connected();
        host
    }

    /// Starts `install --foreground` on the host.
    pub fn install(&self, host: &mut Host, token: &str, flags: &[&str]) {
        let mut all = vec!["--coordinator-host", &self.first.address, "--roles-token", token];
        all.extend(flags);
        host.install(&all);
    }

    /// Runs an install that is expected to end by itself.
    pub fn try_install(&self, host: &Host, token: &str, flags: &[&str]) -> Finished {
        let mut command = host.install_command(&[]);
        command.args(["--coordinator-host", &self.first.address, "--roles-token", token]);
        Finished::of(command.args(flags))
    }

    pub fn secrets_file(&self) -> PathBuf {
        self.first.storage.join("bootstrap-state/bootstrap-secrets.json")
    }

    pub fn secret(&self, name: &str) -> String {
        let secrets: Value =
            serde_json::from_slice(&fs::read(self.secrets_file()).unwrap()).unwrap();
        secrets[name].as_str().unwrap().to_owned()
    }

    pub fn admin(&self) -> String {
        format!("admin:{}", self.secret("adminconsole_root_password"))
    }

    pub fn readonly(&self) -> String {
        format!("readonly:{}", self.secret("adminconsole_readonly_password"))
    }

    pub fn url(&self, path: &str) -> String {
        format!("https://{}:12443/api/v1{path}", self.first.address)
    }

    /// Asks the API as the admin.
    pub fn api(&self, method: &str, path: &str, body: Option<Value>) -> Reply {
        self.api_as(&self.admin(), method, path, body)
    }

    pub fn api_as(&self, user: &str, method: &str, path: &str, body: Option<Value>) -> Reply {
        let (url, body) = (self.url(path), body.map(|body| body.to_string()));
        let mut arguments = vec!["-u", user, "-X", method, &url];
        if let Some(body) = &body {
            arguments.extend(["-H", "Content-Type: application/json", "-d", body]);
        }
        Reply::to(&arguments)
    }

    /// A new bearer token of the admin.
    pub fn login(&self) -> String {
        let password = self.secret("adminconsole_root_password");
        let body = json!({ "username": "admin", "password": password });
        let reply = self.api("POST", "/users/auth/_login", Some(body)).expect(200).json();
        reply["token"].as_str().unwrap().to_owned()
    }

    pub fn with_bearer(&self, bearer: &str, method: &str, path: &str) -> Reply {
        let (url, header) = (self.url(path), format!("Authorization: Bearer {bearer}"));
        Reply::to(&["-X", method, "-H", &header, &url])
    }

    pub fn create_token(&self, request: Value) -> Value {
        self.api("POST", TOKENS, Some(request)).expect(200).json()
    }

    /// A new persistent token's text.
    pub fn token(&self, roles: &str) -> String {
        let roles: Vec<&str> = roles.split(',').filter(|role| !role.is_empty()).collect();
        let reply = self.create_token(json!({ "persistent": true, "roles": roles }));
        reply["token"].as_str().unwrap().to_owned()
    }

    pub fn runner(&self, id: &str) -> Value {
        self.api("GET", &format!("{RUNNERS}/{id}"), None).expect(200).json()
    }

    pub fn is_connected(&self, id: &str) -> bool {
        self.runner(id)["connected"] == true
    }

    /// The allocators of all zones.
    pub fn allocators(&self) -> Vec<Value> {
        let overview = self.api("GET", ALLOCATORS, None).expect(200).json();
        let zones = overview["zones"].as_array().unwrap();
        zones.iter().flat_map(|zone| zone["allocators"].as_array().unwrap().clone()).collect()
    }

    pub fn allocator(&self, id: &str) -> Option<Value> {
        self.allocators().into_iter().find(|allocator| allocator["allocator_id"] == id)
    }
}

impl Host {
    fn new(dir: &TempDir, (high, low): (u8, u8), number: u8) -> Self {
        Self {
            address: format!("127.{high}.{low}.{number}"),
            state: dir.path().join(format!("state-{number}")),
            storage: dir.path().join(format!("storage-{number}")),
            child: None,
        }
    }

    /// An `install` for this host that leaves its daemon behind.
    pub fn install_command(&self, flags: &[&str]) -> Command {
        let mut command = agent(["install", "--host-ip", &self.address]);
        command.arg("--state-dir").arg(&self.state);
        command.arg("--host-storage-path").arg(&self.storage).args(flags);
        command
    }

    /// Starts `install --foreground`.
    pub fn install(&mut self, flags: &[&str]) {
        let mut command = self.install_command(&["--foreground"]);
        self.spawn(command.args(flags));
    }

    /// Starts `run`.
    pub fn run(&mut self) {
        self.run_with(&[]);
    }

    /// Starts `run` with these variables.
    pub fn run_with(&mut self, variables: &[(&str, &str)]) {
        let mut command = agent(["run", "--state-dir"]);
        self.spawn(command.arg(&self.state).envs(variables.iter().copied()));
    }

    /// Starts a command that is this host's daemon.
    pub fn spawn(&mut self, command: &mut Command) {
        assert!(self.child.is_none(), "it runs already");
        let log = File::options().create(true).append(true).open(self.log_file()).unwrap();
        command.stdout(log.try_clone().unwrap()).stderr(log).stdin(Stdio::null());
        self.child = Some(command.spawn().unwrap());
    }

    fn log_file(&self) -> PathBuf {
        self.state.with_extension("log")
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.log_file()).unwrap_or_default()
    }

    pub fn pid(&self) -> u32 {
        self.child.as_ref().unwrap().id()
    }

    /// Sends the process of this host a signal, by name.
    pub fn signal(&self, name: &str) {
        let pid = self.pid().to_string();
        assert!(Command::new("kill").args([&format!("-{name}"), &pid]).status().unwrap().success());
    }

    /// Waits for the process to end; its exit code.
    #[track_caller]
    pub fn wait(&mut self) -> Option<i32> {
        let mut child = self.child.take().unwrap();
        let mut status = None;
        let ended = within(Duration::from_secs(20), || {
            status = child.try_wait().unwrap();
            status.is_some()
        });
        if !ended {
            child.kill().unwrap();
            panic!("it did not end:\n{}", self.log());
        }
        status.unwrap().code()
    }

    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// Ends the process as an operator would; its exit code.
    pub fn stop(&mut self) -> Option<i32> {
        self.signal("TERM");
        self.wait()
    }

    #[track_caller]
    pub fn wait_connected(&self) {
        let waited = self.status(&["--wait", "--timeout", "30"]);
        assert_eq!(waited.code, 0, "{waited:#?}\n{}", self.log());
    }

    pub fn status(&self, flags: &[&str]) -> Finished {
        let mut command = agent(["status", "--state-dir"]);
        Finished::of(command.arg(&self.state).args(flags))
    }

    pub fn status_json(&self) -> Value {
        self.status(&["--json"]).json()
    }

    /// Stops a daemon that `install` left behind.
    pub fn stop_background(&self) {
        Finished::of(agent(["stop", "--state-dir"]).arg(&self.state)).expect(0);
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        if self.child.is_some() {
            self.kill();
        } else if self.state.join("agent.sock").exists() {
            let _ = agent(["stop", "--state-dir"]).arg(&self.state).output();
        }
    }
}
