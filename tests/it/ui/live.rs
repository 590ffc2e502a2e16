use std::{
    io::{BufRead, BufReader},
    process::Child,
    sync::mpsc,
    time::{Duration, Instant},
};

use serde_json::json;

use super::Browser;
use crate::support::Cluster;

/// The lines of a stream, as they come.
struct Lines {
    curl: Child,
    lines: mpsc::Receiver<(Instant, String)>,
}

impl Lines {
    fn of(browser: &Browser, path: &str) -> Self {
        let mut curl = browser.stream(path);
        let output = BufReader::new(curl.stdout.take().unwrap());
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                let _ = sender.send((Instant::now(), line));
            }
        });
        let stream = Self { curl, lines };
        stream.until(|line| line.starts_with("retry:"));
        stream
    }

    /// When a line like this came.
    #[track_caller]
    fn until(&self, wanted: impl Fn(&str) -> bool) -> Instant {
        let mut seen = Vec::new();
        let deadline = Instant::now() + Duration::from_secs(30);
        while let Ok((at, line)) =
            self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now()))
        {
            if wanted(&line) {
                return at;
            }
            seen.push(line);
        }
        panic!("it did not come: {seen:#?}");
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        let _ = self.curl.kill();
        let _ = self.curl.wait();
    }
}

#[test]
fn a_stream_tells_of_a_join_a_role_and_a_loss() {
    let cluster = Cluster::start();
    let admin = Browser::signed_in(&cluster, "admin");
    let stream = Lines::of(&admin, "/events");
    let mut second = cluster.joined(2, "allocator");
    let two = second.address.clone();
    let named = |line: &str| line.starts_with("data:") && line.contains(&two);
    stream.until(named);
    let path = format!("/platform/infrastructure/runners/{two}/roles");
    let roles = json!({ "roles": [{ "role_name": "proxy" }] });
    let before = Instant::now();
    cluster.api("PUT", &path, Some(roles)).expect(200);
    while stream.until(named) < before {}
    second.stop();
    stream.until(named);
}

#[test]
fn a_stream_goes_on_where_it_was_and_says_so_where_it_cannot() {
    let cluster = Cluster::start();
    let admin = Browser::signed_in(&cluster, "admin");
    let page = admin.get("/hosts").body;
    let (_, rest) = page.split_once("data-since=\"").expect("a revision");
    let since = rest.split('"').next().unwrap().to_owned();
    let second = cluster.joined(2, "allocator");
    let stream = Lines::of(&admin, &format!("/events?since={since}"));
    stream.until(|line| line.starts_with("data:") && line.contains(&second.address));
    for unknown in ["0", "99999999"] {
        let stream = Lines::of(&admin, &format!("/events?since={unknown}"));
        stream.until(|line| line == "event: reset");
    }
}

#[test]
fn a_stream_ends_with_the_session() {
    let cluster = Cluster::start();
    let admin = Browser::signed_in(&cluster, "admin");
    let stream = Lines::of(&admin, "/events");
    assert_eq!(admin.post("/sign-out", &[]).status, 303);
    stream.until(|line| line == "event: over");
    assert_eq!(admin.get("/events").status, 401);
}

#[test]
fn a_page_that_is_kept_current_shows_what_the_stream_told_of() {
    let cluster = Cluster::start();
    let admin = Browser::signed_in(&cluster, "admin");
    let stream = Lines::of(&admin, "/events");
    let mut second = cluster.host(2);
    cluster.install(&mut second, &cluster.token("allocator"), &[]);
    stream.until(|line| line.starts_with("data:") && line.contains(&second.address));
    let page = admin.asked(&["-H", "X-Live: 1"], "/hosts").body;
    assert!(page.contains(&format!("id=\"host-{}\"", second.address)), "{page}");
}
