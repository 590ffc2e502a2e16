//! Booted machines: systemd in containers, each with a network namespace and an address of its
//! own, behind one bridge.

use std::{
    fs::{self, File},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Mutex, OnceLock,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use serde_json::Value;
use tempfile::TempDir;

use super::{Finished, agent_path, within};

const BOOT_LIMIT: Duration = Duration::from_secs(90);

/// Where machines find the program of this build, and what is beside it.
pub const PROVIDED: &str = "/opt/provided";

static LABS: AtomicU32 = AtomicU32::new(1);

fn sh(command: &str) -> Finished {
    Finished::of(Command::new("bash").args(["-c", command]).stdin(Stdio::null()))
}

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// What all machines are made from: a root file system, and the program without its debug
/// information, with the scripts beside it.
struct Image {
    root: PathBuf,
    provided: PathBuf,
}

fn image() -> Result<&'static Image, String> {
    static IMAGE: OnceLock<Result<Image, String>> = OnceLock::new();
    IMAGE.get_or_init(make_image).as_ref().map_err(Clone::clone)
}

fn make_image() -> Result<Image, String> {
    if !ece_agent::host::process::is_root() {
        return Err("it needs root".into());
    }
    for tool in ["systemd-nspawn", "mmdebstrap", "ip", "nsenter", "dpkg-deb"] {
        if sh(&format!("command -v {tool}")).code != 0 {
            return Err(format!("it needs {tool}"));
        }
    }
    let target = repository().join("target/lab");
    let root = target.join("rootfs");
    let made = Finished::of(Command::new(repository().join("scripts/lab-image")).arg(&root));
    if made.code != 0 {
        return Err(format!("the root file system was not made: {}", made.stderr));
    }
    let provided = target.join("provided");
    fs::create_dir_all(&provided).unwrap();
    let binary = provided.join("ece-agent");
    let _ = fs::remove_file(&binary);
    sh(&format!("strip -o {} {}", binary.display(), agent_path().display())).expect(0);
    let script = provided.join("elastic-cloud-enterprise.sh");
    let _ = fs::remove_file(&script);
    fs::copy(repository().join("scripts/elastic-cloud-enterprise.sh"), script).unwrap();
    Ok(Image { root, provided })
}

/// A network of machines.
pub struct Lab {
    id: u32,
    bridge: String,
    pub dir: TempDir,
}

/// A machine, booted or not.
pub struct Machine {
    pub name: String,
    pub address: String,
    dir: PathBuf,
    running: Option<Running>,
    /// Further arguments of the container.
    pub arguments: Vec<String>,
}

struct Running {
    container: Child,
    leader: u32,
}

impl Lab {
    /// The reason, where this machine cannot boot others.
    pub fn build() -> Result<Self, String> {
        image()?;
        let id = std::process::id() * 16 % 100_000 + LABS.fetch_add(1, Ordering::Relaxed);
        let bridge = format!("lab{id}");
        sh(&format!(
            "set -e; ip netns add {bridge}; ip -n {bridge} link add br0 type bridge
             ip -n {bridge} link set br0 up; ip -n {bridge} link set lo up"
        ))
        .expect(0);
        // Not in memory: an overlay on a tmpfs cannot hold every kind of file.
        let dir = tempfile::Builder::new().prefix("lab").tempdir_in(repository().join("target"));
        Ok(Self { id, bridge, dir: dir.unwrap() })
    }

    /// A blank machine whose address ends with `number`; it is not booted yet.
    pub fn machine(&self, number: u8) -> Machine {
        let name = format!("m{}x{number}", self.id);
        let address = format!("10.77.0.{number}");
        let bridge = &self.bridge;
        sh(&format!(
            "set -e; ip netns add {name}; ip -n {name} link set lo up
             ip link add host0 netns {name} type veth peer name p{number} netns {bridge}
             ip -n {bridge} link set p{number} master br0 up
             ip -n {name} address add {address}/24 dev host0; ip -n {name} link set host0 up
             ip -n {name} route add default via 10.77.0.1"
        ))
        .expect(0);
        let dir = self.dir.path().join(&name);
        for part in ["upper", "work", "root"] {
            fs::create_dir_all(dir.join(part)).unwrap();
        }
        let hosts = format!("127.0.0.1 localhost\n{address} machine-{number} blank\n");
        let machine = Machine { name, address, dir, running: None, arguments: Vec::new() };
        machine.write("etc/hostname", "blank\n", 0o644);
        // The base system is the same for all; a machine id is not.
        machine.write(
            "etc/machine-id",
            &format!("{:032x}\n", 0xabcdef00 + self.id * 256 + u32::from(number)),
            0o644,
        );
        machine.write("etc/hosts", &hosts, 0o644);
        machine
    }

    /// A machine with a copy of another's disk, which is not running.
    pub fn copy(&self, of: &Machine, number: u8) -> Machine {
        let copy = self.machine(number);
        let (from, to) = (of.dir.join("upper"), copy.dir.join("upper"));
        sh(&format!("rm -rf {0} && cp -a {1} {0}", to.display(), from.display())).expect(0);
        copy
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        sh(&format!("ip netns del {}", self.bridge));
    }
}

impl Machine {
    /// Writes a file of a machine that is not running.
    pub fn write(&self, path: &str, content: &str, mode: u32) {
        use std::os::unix::fs::PermissionsExt;
        let path = self.dir.join("upper").join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    }

    /// What the machine has printed on its console.
    pub fn console(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.dir.join("console")).unwrap_or_default()).into()
    }

    /// Gives cloud-init its user data, at the next boot.
    pub fn seed(&self, user_data: &str) {
        let seed = "var/lib/cloud/seed/nocloud";
        self.write(&format!("{seed}/meta-data"), &format!("instance-id: {}\n", self.name), 0o600);
        self.write(&format!("{seed}/user-data"), user_data, 0o600);
        self.write(
            "etc/cloud/cloud.cfg.d/90-seed.cfg",
            "datasource_list: [NoCloud, None]\nlocale: false\n",
            0o644,
        );
    }

    /// Puts the program where a package does.
    pub fn install_program(&self, _lab: &Lab) {
        let target = self.dir.join("upper/usr/bin/ece-agent");
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        fs::copy(image().unwrap().provided.join("ece-agent"), target).unwrap();
    }

    /// Enables a unit of a machine that is not running.
    pub fn enable(&self, unit: &str) {
        let wants = self.dir.join("upper/etc/systemd/system/multi-user.target.wants");
        fs::create_dir_all(&wants).unwrap();
        let target = format!("/usr/lib/systemd/system/{unit}");
        std::os::unix::fs::symlink(target, wants.join(unit)).unwrap();
    }

    pub fn boot(&mut self) {
        self.boot_without_waiting();
        let up = within(BOOT_LIMIT, || {
            let state = self.run("systemctl is-system-running").stdout;
            matches!(state.trim(), "running" | "degraded")
        });
        assert!(up, "{} did not boot:\n{}", self.name, self.console());
    }

    fn mount(&self) -> PathBuf {
        let root = self.dir.join("root");
        sh(&format!(
            "mount -t overlay overlay -o lowerdir={},upperdir={1}/upper,workdir={1}/work {2}",
            image().unwrap().root.display(),
            self.dir.display(),
            root.display()
        ))
        .expect(0);
        root
    }

    fn nspawn(&self, root: &Path, flag: &str) -> Command {
        let mut nspawn = Command::new("systemd-nspawn");
        nspawn.args(["--register=no", "--keep-unit", flag, "--quiet", "-M", &self.name, "-D"]);
        nspawn.arg(root).arg(format!("--network-namespace-path=/run/netns/{}", self.name));
        nspawn.arg(format!("--bind-ro={}:{PROVIDED}", image().unwrap().provided.display()));
        nspawn.args(&self.arguments).stdin(Stdio::null());
        nspawn
    }

    /// Runs a command as root where no service manager is, as in a container; what it leaves behind
    /// ends with it.
    pub fn run_unbooted(&self, command: &str) -> Finished {
        let root = self.mount();
        let mut nspawn = self.nspawn(&root, "--as-pid2");
        nspawn.args(["--pipe", "--", "/usr/bin/env", "-i", "HOME=/root", "TERM=dumb"]);
        nspawn.arg("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
        let done = Finished::of(nspawn.args(["timeout", "240", "bash", "-c", command]));
        sh(&format!("umount -l {}", root.display()));
        done
    }

    pub fn boot_without_waiting(&mut self) {
        let root = self.mount();
        let console = File::create(self.dir.join("console")).unwrap();
        let mut nspawn = self.nspawn(&root, "--boot");
        nspawn.stdout(console.try_clone().unwrap()).stderr(console).process_group(0);
        // Containers that start at the same moment trip over each other's mounts.
        static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
        let guard = ONE_AT_A_TIME.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let container = nspawn.spawn().unwrap();
        let children = format!("/proc/{0}/task/{0}/children", container.id());
        let mut leader = 0;
        assert!(
            within(BOOT_LIMIT, || {
                let found = fs::read_to_string(&children).unwrap_or_default();
                leader = found.split_whitespace().next().map_or(0, |pid| pid.parse().unwrap());
                leader != 0
                    && fs::read_link(format!("/proc/{leader}/exe"))
                        .is_ok_and(|it| it.ends_with("systemd"))
            }),
            "{}",
            self.console()
        );
        self.running = Some(Running { container, leader });
        drop(guard);
    }

    /// Runs a command as root on the booted machine.
    pub fn run(&self, command: &str) -> Finished {
        Finished::of(&mut self.command(command))
    }

    pub fn run_with_input(&self, command: &str, input: &str) -> Finished {
        Finished::with_input(&mut self.command(command), input)
    }

    pub fn command(&self, command: &str) -> Command {
        let leader = self.running.as_ref().unwrap().leader.to_string();
        let mut enter = Command::new("nsenter");
        enter.args(["--target", &leader, "--mount", "--uts", "--ipc", "--net", "--pid", "--"]);
        enter.args(["/usr/bin/env", "-i", "HOME=/root", "TERM=dumb"]);
        enter.arg(format!("PATH={PROVIDED}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin"));
        enter.args(["timeout", "240", "bash", "-c", command]).stdin(Stdio::null());
        enter
    }

    /// The machine is gone from one moment to the next.
    pub fn crash(&mut self) {
        let Some(mut running) = self.running.take() else { return };
        sh(&format!("kill -KILL {}", running.leader));
        let ended =
            within(Duration::from_secs(20), || running.container.try_wait().unwrap().is_some());
        if !ended {
            running.container.kill().unwrap();
            running.container.wait().unwrap();
        }
        sh(&format!("umount -l {}", self.dir.join("root").display()));
    }

    pub fn reboot(&mut self) {
        self.crash();
        self.boot();
    }

    /// Writes a file of the booted machine.
    pub fn write_running(&self, path: &str, content: &[u8]) {
        use std::io::Write;
        let mut writing = self.command(&format!("cat > /{path}"));
        let mut writing = writing.stdin(Stdio::piped()).spawn().unwrap();
        writing.stdin.take().unwrap().write_all(content).unwrap();
        assert!(writing.wait().unwrap().success());
    }

    /// The machine gets another address.
    pub fn readdress(&mut self, address: &str) {
        let (name, old) = (&self.name, &self.address);
        sh(&format!(
            "set -e; ip -n {name} address del {old}/24 dev host0
             ip -n {name} address add {address}/24 dev host0
             ip -n {name} route replace default via 10.77.0.1"
        ))
        .expect(0);
        self.address = address.to_owned();
    }

    /// The machine's link to the others.
    pub fn link(&self, state: &str) {
        sh(&format!("ip -n {} link set host0 {state}", self.name)).expect(0);
        if state == "up" {
            sh(&format!("ip -n {} route replace default via 10.77.0.1", self.name));
        }
    }

    /// Sets up a first host on the booted machine.
    pub fn install_first_host(&self) {
        self.run("ece-agent install").expect(0);
    }

    pub fn admin(&self) -> String {
        let file = "/mnt/data/elastic/bootstrap-state/bootstrap-secrets.json";
        let secrets = self.run(&format!("cat {file}")).json();
        format!("admin:{}", secrets["adminconsole_root_password"].as_str().unwrap())
    }

    /// What the API of the first host on this machine says.
    pub fn api(&self, method: &str, path: &str, body: &str) -> Finished {
        let body = if body.is_empty() {
            String::new()
        } else {
            format!("-H 'Content-Type: application/json' -d '{body}'")
        };
        self.run(&format!(
            "curl -sk -X {method} -u '{}' {body} https://{}:12443/api/v1/platform{path}",
            self.admin(),
            self.address
        ))
    }

    pub fn runner(&self, id: &str) -> Value {
        self.api("GET", &format!("/infrastructure/runners/{id}"), "").json()
    }

    #[track_caller]
    pub fn sees_connected(&self, id: &str) {
        let seen = within(Duration::from_secs(60), || self.runner(id)["connected"] == true);
        assert!(seen, "{id}: {}", self.runner(id));
    }

    /// A new token's text.
    pub fn token(&self, flags: &str) -> String {
        let made = self.run(&format!("ece-agent token create --json {flags}")).expect(0).json();
        made["token"].as_str().unwrap().to_owned()
    }

    /// Joins the cluster of `first` from the booted machine, by hand.
    pub fn join(&self, first: &Machine, token: &str, flags: &str) -> Finished {
        let command = format!(
            "ece-agent install --coordinator-host {} --roles-token-file - {flags}",
            first.address
        );
        self.run_with_input(&command, token)
    }

    pub fn status(&self) -> Value {
        let told = self.run("ece-agent status --json");
        serde_json::from_str(told.stdout.lines().next().unwrap_or("null")).unwrap_or_default()
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        self.crash();
        sh(&format!("ip netns del {}", self.name));
    }
}
