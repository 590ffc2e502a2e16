//! A first host, as a process.

use std::{
    fs::File,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::client::url;

pub const ADDRESS: &str = "127.98.0.1";

pub struct Coordinator {
    agent: PathBuf,
    pub dir: TempDir,
    child: Child,
    level: &'static str,
}

impl Coordinator {
    pub fn start(agent: &Path) -> Self {
        Self::start_with_log(agent, "warn")
    }

    pub fn start_with_log(agent: &Path, level: &'static str) -> Self {
        let dir = TempDir::new().unwrap();
        let state = dir.path().join("state");
        let mut install = Command::new(agent);
        install.args(["install", "--foreground", "--host-ip", ADDRESS, "--state-dir"]).arg(&state);
        install.arg("--host-storage-path").arg(dir.path().join("storage"));
        let child = Self::spawn(&dir, &mut install, level);
        let coordinator = Self { agent: agent.to_owned(), dir, child, level };
        coordinator.wait();
        coordinator
    }

    fn spawn(dir: &TempDir, command: &mut Command, level: &str) -> Child {
        let log = File::options().create(true).append(true).open(dir.path().join("log")).unwrap();
        command.env("ECE_AGENT_LOG", level).stdin(Stdio::null());
        command.stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap()
    }

    fn wait(&self) {
        let mut status = Command::new(&self.agent);
        status.args(["status", "--wait", "--state-dir"]).arg(self.dir.path().join("state"));
        assert!(status.stdout(Stdio::null()).status().unwrap().success());
    }

    /// Dies, and is started again.
    pub fn crash_and_restart(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        let mut run = Command::new(&self.agent);
        run.args(["run", "--state-dir"]).arg(self.dir.path().join("state"));
        self.child = Self::spawn(&self.dir, &mut run, self.level);
        self.wait();
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn admin(&self) -> String {
        format!("admin:{}", self.secret("adminconsole_root_password"))
    }

    pub fn secret(&self, name: &str) -> String {
        let file = self.dir.path().join("storage/bootstrap-state/bootstrap-secrets.json");
        let secrets: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
        secrets[name].as_str().unwrap().to_owned()
    }

    fn curl(&self, arguments: &[&str], path: &str) -> String {
        let url = url(&format!("/platform{path}"));
        let mut curl = Command::new("curl");
        curl.args(["-sk", "--max-time", "60", "-u", &self.admin()]).args(arguments).arg(url);
        String::from_utf8(curl.output().unwrap().stdout).unwrap()
    }

    pub fn try_password(&self, password: &str) {
        let url = url("/platform/infrastructure/runners");
        let user = format!("admin:{password}");
        let bad = ["-sk", "-o", "/dev/null", "--max-time", "10", "-u", &user, &url];
        Command::new("curl").args(bad).status().unwrap();
    }

    pub fn get(&self, path: &str) -> Value {
        serde_json::from_str(&self.curl(&[], path)).unwrap()
    }

    /// How long the answer to a GET takes, in milliseconds, with its connection.
    pub fn get_ms(&self, path: &str) -> f64 {
        let seconds = self.curl(&["-o", "/dev/null", "-w", "%{time_total}"], path);
        seconds.parse::<f64>().unwrap() * 1000.0
    }

    /// A file with a token for allocators and proxies.
    pub fn token_file(&self) -> PathBuf {
        let request = json!({ "persistent": true, "roles": ["allocator", "proxy"] }).to_string();
        let path = "/configuration/security/enrollment-tokens";
        let reply: Value = serde_json::from_str(
            &self.curl(&["-H", "Content-Type: application/json", "-d", &request], path),
        )
        .unwrap();
        let file = self.dir.path().join("token");
        std::fs::write(&file, reply["token"].as_str().unwrap()).unwrap();
        file
    }
}

impl Drop for Coordinator {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
