//! Processes of simulated hosts, as the measuring process sees them.

use std::{
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use serde_json::Value;

use super::coordinator::ADDRESS;

/// Hosts in one process.
const MOST_IN_ONE: usize = 5_000;

/// One process of simulated hosts.
struct Part {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
}

/// All simulated hosts.
pub struct Fleet {
    parts: Vec<Part>,
    size: usize,
    dir: std::path::PathBuf,
}

impl Fleet {
    pub fn new(dir: &Path) -> Self {
        Self { parts: Vec::new(), size: 0, dir: dir.to_owned() }
    }

    /// Lets hosts join until there are `size`; joins a second.
    pub fn grow_to(&mut self, size: usize) -> f64 {
        let (mut joined, mut seconds) = (0, 0.0);
        while self.size < size {
            let count = (size - self.size).min(MOST_IN_ONE);
            let mut part = Part::start(self.size, count, &self.dir);
            seconds += part.read()["seconds"].as_f64().unwrap();
            joined += count;
            self.size += count;
            part.ask("connect");
            self.parts.push(part);
        }
        joined as f64 / seconds
    }

    /// Waits until every host is connected; how long half of them, 99 of 100, and all took in the
    /// slowest part, in seconds.
    pub fn wait_connected(&mut self) -> [f64; 3] {
        for part in &mut self.parts {
            part.write("wait");
        }
        let mut slowest = [0.0; 3];
        for part in &mut self.parts {
            let seconds = part.read()["seconds"].take();
            for (slowest, one) in slowest.iter_mut().zip(seconds.as_array().unwrap()) {
                *slowest = f64::max(*slowest, one.as_f64().unwrap());
            }
        }
        slowest
    }

    /// Changes roles of hosts one after the other; milliseconds until each acts.
    pub fn change_roles(&mut self, admin: &str, times: usize) -> Vec<f64> {
        let reply = self.parts[0].ask(&format!("roles {times} {admin}"));
        reply["ms"].as_array().unwrap().iter().map(|ms| ms.as_f64().unwrap()).collect()
    }
}

impl Part {
    fn start(first: usize, count: usize, dir: &Path) -> Self {
        // Hosts take nothing from the coordinator: they are machines of their own.
        let mut command = Command::new("nice");
        command.args(["-n", "19"]).arg(std::env::current_exe().unwrap());
        command.args(["fleet", ADDRESS, &first.to_string(), &count.to_string()]).arg(dir);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let to = child.stdin.take().unwrap();
        let from = BufReader::new(child.stdout.take().unwrap());
        Self { child, to, from }
    }

    fn write(&mut self, command: &str) {
        writeln!(self.to, "{command}").unwrap();
    }

    fn read(&mut self) -> Value {
        let mut line = String::new();
        self.from.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap()
    }

    fn ask(&mut self, command: &str) -> Value {
        self.write(command);
        self.read()
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
