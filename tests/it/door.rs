//! Strangers at the coordinator's door, while those who are known go about their business.

use std::{
    fs::File,
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use serde_json::json;

use crate::support::{
    Caller, Cluster, Finished, Raw, Reply, StopAtEnd, agent, answer, request, within,
};

const LONGEST_ANSWER: Duration = Duration::from_secs(20);

#[test]
fn two_thousand_idle_connections_and_a_flood_of_bad_passwords_keep_nobody_out() {
    ece_agent::host::process::raise_open_files();
    let cluster = Cluster::start();
    let known = cluster.joined(2, "allocator");
    let token = cluster.token("");
    let idle: Vec<TcpStream> = [12343, 12443]
        .into_iter()
        .flat_map(|port| {
            let address = SocketAddr::new(cluster.first.address.parse().unwrap(), port);
            (0..1000).map(move |_| TcpStream::connect_timeout(&address, LONGEST_ANSWER).unwrap())
        })
        .collect();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let _stop = StopAtEnd(&stop);
        for _ in 0..3 {
            scope.spawn(|| {
                while !stop.load(Ordering::SeqCst) {
                    let url = cluster.url("/platform/infrastructure/runners");
                    let limit = LONGEST_ANSWER.as_secs().to_string();
                    let bad = ["-sk", "-m", &limit, "-o", "/dev/null", "-u", "admin:wrong", &url];
                    Command::new("curl").args(bad).stdout(Stdio::null()).status().unwrap();
                }
            });
        }
        let mut host = cluster.host(3);
        cluster.install(&mut host, &token, &[]);
        host.wait_connected();
        // The admin waits in the queue like everybody, and gets in.
        let runner = || {
            let path = format!("/platform/infrastructure/runners/{}", host.address);
            cluster.api("GET", &path, None)
        };
        assert!(within(Duration::from_secs(10), || runner().status == 200));
        assert_eq!(known.status_json()["connected"], true);
        assert!(cluster.is_connected(&known.address));
    });
    drop(idle);
}

/// Somebody who tries one password after another over so many connections.
struct Guesser {
    child: Child,
    answers: PathBuf,
}

impl Guesser {
    fn start(cluster: &Cluster, address: &str, connections: usize) -> Self {
        Self::start_at(cluster, &[address.to_owned()], connections, "429 ")
    }

    /// From several addresses; when this returns, one has had this `answer`.
    fn start_at(cluster: &Cluster, addresses: &[String], connections: usize, answer: &str) -> Self {
        let file = cluster.first.state.with_extension(format!("guesses-{}", addresses[0]));
        let guess = |number: usize| {
            let address = &addresses[number % addresses.len()];
            format!(
                "url = {}\ninsecure\nsilent\noutput = /dev/null\ninterface = {address}\n\
                 user = \"admin:guess-{number}\"\nwrite-out = \"%{{http_code}} \"\n",
                cluster.url("/user")
            )
        };
        let guesses: Vec<String> = (0..50_000).map(guess).collect();
        std::fs::write(&file, guesses.join("next\n")).unwrap();
        let mut curl = Command::new("curl");
        curl.args(["--parallel", "--parallel-max", &connections.to_string(), "--config"]);
        let answers = file.with_extension(format!("answers-{}", addresses[0]));
        curl.arg(file).stdout(File::create(&answers).unwrap()).stderr(Stdio::null());
        let child = curl.spawn().unwrap();
        let guesses = || std::fs::read_to_string(&answers).unwrap().contains(answer);
        assert!(within(Duration::from_secs(60), guesses), "nobody guesses");
        Self { child, answers }
    }

    /// Passwords of theirs that were checked so far.
    fn checked(&self) -> usize {
        std::fs::read_to_string(&self.answers).unwrap().matches("401 ").count()
    }

    fn goes_on(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }
}

impl Drop for Guesser {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn an_admin_logs_in_at_the_first_try_while_somebody_guesses_over_300_connections() {
    let cluster = Cluster::start();
    let mut guesser = Guesser::start(&cluster, "127.0.0.9", 300);
    cluster.login();
    assert!(guesser.goes_on());
}

#[test]
fn whoever_comes_for_the_first_time_gets_in_before_most_of_600_addresses_that_guess() {
    let cluster = Cluster::start();
    let admin = cluster.admin();
    let addresses: Vec<String> =
        (0..600).map(|number| format!("127.{}.{}.1", 2 + number / 200, number % 200)).collect();
    let mut guessers: Vec<Guesser> =
        addresses.chunks(300).map(|part| Guesser::start_at(&cluster, part, 300, "401 ")).collect();
    let checked = || guessers.iter().map(Guesser::checked).sum::<usize>();
    let before = checked();
    // Whoever is turned away comes again after a second, as Retry-After asks for.
    let patient = ["-sk", "-o", "/dev/null", "--fail", "--retry", "20", "--retry-delay", "1"];
    let mut curl = Command::new("curl");
    curl.args(patient).args(["--interface", "127.9.1.1", "-u", &admin, &cluster.url("/user")]);
    assert_eq!(curl.status().unwrap().code(), Some(0));
    // However slow the machine is.
    let meanwhile = checked() - before;
    assert!(meanwhile < 200, "{meanwhile} guesses were checked first");
    assert!(guessers.iter_mut().all(Guesser::goes_on));
}

#[test]
fn whoever_shares_an_address_with_a_guesser_gets_in_by_another_name() {
    let cluster = Cluster::start();
    let mut guesser = Guesser::start(&cluster, "127.0.0.11", 30);
    let readonly = cluster.readonly();
    let arguments = ["--interface", "127.0.0.11", "-u", &readonly, &cluster.url("/user")];
    assert!(within(Duration::from_secs(15), || Reply::to(&arguments).status == 200));
    // From then on the password is remembered.
    Reply::to(&arguments).expect(200);
    assert!(guesser.goes_on());
}

#[test]
fn verbs_on_the_first_host_get_in_while_somebody_guesses_from_there() {
    let cluster = Cluster::start();
    let mut guesser = Guesser::start(&cluster, "127.0.0.1", 300);
    let state = cluster.first.state.to_str().unwrap();
    for _ in 0..3 {
        Finished::of(&mut agent(["token", "list", "--state-dir", state])).expect(0);
    }
    assert!(guesser.goes_on());
}

#[test]
fn a_client_that_does_not_finish_its_request_is_cut_off() {
    let cluster = Cluster::start();
    let started = Instant::now();
    let mut plain = TcpStream::connect((cluster.first.address.as_str(), 12400)).unwrap();
    plain.write_all(b"GET / HTTP/1.1\r\nHost: a\r\nX-Slow: ").unwrap();
    let mut silent = TcpStream::connect((cluster.first.address.as_str(), 12443)).unwrap();
    for (stream, limit) in [(&mut silent, 7), (&mut plain, 13)] {
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).unwrap();
        assert!(started.elapsed() < Duration::from_secs(limit), "{:?}", started.elapsed());
    }
}

#[test]
fn bodies_that_are_too_large_too_deep_or_no_json_are_refused() {
    let cluster = Cluster::start();
    let admin = cluster.admin();
    let url = cluster.url("/platform/configuration/security/enrollment-tokens");
    let post = |body: &str| {
        let file = cluster.first.state.with_extension("body");
        std::fs::write(&file, body).unwrap();
        Reply::to(&["-u", &admin, &url, "--data-binary", &format!("@{}", file.display())])
    };
    post(&"x".repeat(100_000)).failed(413, "root.body_too_large");
    let nested = format!("{}{}", "[".repeat(20_000), "]".repeat(20_000));
    for deep in [nested.clone(), format!("{{\"persistent\":true,\"roles\":{nested}}}")] {
        post(&deep).failed(400, "enrollment_tokens.invalid_token_request");
    }
    post("\u{0}\u{1}").failed(400, "enrollment_tokens.invalid_token_request");
    cluster.api("GET", "/platform/infrastructure/runners", None).expect(200);
}

/// What a stranger with an invented token sends.
fn bad_enrolment() -> String {
    let enrol = json!({
        "protocol": 1, "runner_id": "a", "roles": [], "token": "x", "facts_hash": "",
        "facts": {
            "host_ip": "10.0.0.1", "hostname": "h", "cpus": 1, "memory_bytes": 1,
            "memory_source": "physical", "capacity_flag_mb": null, "storage_bytes": 1,
            "zone": "z", "version": "0",
        },
    });
    let json = "Content-Type: application/json\r\n";
    request("POST /agent/v1/enrol", json, &enrol.to_string())
}

fn ask(stream: &mut dyn Raw, text: &str) -> std::io::Result<String> {
    stream.write_all(text.as_bytes())?;
    stream.flush()?;
    answer(stream).map(|(head, _)| head)
}

fn stranger(cluster: &Cluster) -> Caller {
    Caller::new(cluster, Some(&ece_agent::tls::PrivateKey::generate().unwrap()))
}

#[test]
fn refusals_that_a_stranger_causes_at_will_are_all_counted_and_few_are_logged() {
    let cluster = Cluster::start();
    let text = bad_enrolment();
    for _ in 0..20 {
        let mut stream = stranger(&cluster).connect(12343);
        for _ in 0..15 {
            let head = ask(&mut *stream, &text).unwrap();
            assert!(head.starts_with("http/1.1 403"), "{head}");
        }
    }
    let metrics = Reply::to(&[&format!("http://{}:12346/metrics", cluster.first.address)]).body;
    assert!(metrics.contains("ece_agent_joins_total{outcome=\"token.invalid\"} 300"), "{metrics}");
    let lines = cluster.first.log().matches("was not let in from").count();
    assert!((5..20).contains(&lines), "{lines} lines");
}

#[test]
fn a_key_that_asks_without_end_is_turned_away_and_a_host_at_its_address_joins() {
    let cluster = Cluster::start();
    for text in [bad_enrolment(), request("GET /agent/v1/hello", "", "")] {
        let mut stream = stranger(&cluster).connect(12343);
        let heads: Vec<String> = (0..100).map_while(|_| ask(&mut *stream, &text).ok()).collect();
        assert!((20..30).contains(&heads.len()), "{} answers", heads.len());
        let last = heads.last().unwrap();
        assert!(last.starts_with("http/1.1 429") && last.contains("retry-after: 1"), "{last}");
        assert!(last.contains("connection: close"), "{last}");
    }
    // More than is refused to one address, and on and on with new keys while the host joins: over
    // loopback all of them have one address.
    let (refused, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
    let so_far = || refused.load(Ordering::SeqCst);
    std::thread::scope(|scope| {
        let _stop = StopAtEnd(&stop);
        scope.spawn(|| {
            while !stop.load(Ordering::SeqCst) {
                let (mut stream, text) = (stranger(&cluster).connect(12343), bad_enrolment());
                let heads = std::iter::from_fn(|| ask(&mut *stream, &text).ok());
                let forbidden = heads.filter(|head| head.starts_with("http/1.1 403")).count();
                refused.fetch_add(forbidden, Ordering::SeqCst);
            }
        });
        assert!(within(Duration::from_secs(60), || so_far() >= 500), "{} refused", so_far());
        let before = so_far();
        cluster.joined(3, "allocator");
        assert!(within(Duration::from_secs(10), || so_far() > before), "the flood had ended");
    });
}

/// How many of the answers have this status, and the last one's head.
fn answers(stream: &mut dyn Raw, status: &str) -> (usize, usize, String) {
    let heads: Vec<String> = std::iter::from_fn(|| answer(stream).ok().map(|it| it.0)).collect();
    let these = heads.iter().filter(|head| head.starts_with(&format!("http/1.1 {status}"))).count();
    (heads.len(), these, heads.last().cloned().unwrap_or_default())
}

#[test]
fn many_requests_that_are_sent_at_once_are_answered_up_to_the_first_that_is_too_many() {
    let cluster = Cluster::start();
    let caller = Caller::new(&cluster, None);
    for (port, path, allowed) in [(12443, "/x", 500), (12443, "/hosts", 200), (12400, "/x", 0)] {
        let many = format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n").repeat(4_000);
        let mut stream = caller.connect(port);
        stream.write_all(many.as_bytes()).unwrap();
        stream.flush().unwrap();
        let status = if port == 12443 { "429" } else { "308" };
        let (all, last_ones, last) = answers(&mut *stream, status);
        assert_eq!(last_ones, 1, "{port}: of {all} answers");
        assert!(all > allowed && last.contains("connection: close"), "{port}: {all}, {last}");
        assert!(last.starts_with(&format!("http/1.1 {status}")), "{port}: {last}");
    }
}
