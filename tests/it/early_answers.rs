//! Answers that are given before the request has ended: the client gets to read them.

use std::{io::Read, thread, time::Duration};

use ece_agent::tls::PrivateKey;

use crate::support::{Caller, Cluster, Raw, answer, request};

const DOORS: [(u16, &str, &str); 5] = [
    (12443, "POST /api/v1/nothing", "http/1.1 404"),
    (12443, "POST /api/v1/users/auth/keys", "http/1.1 401"),
    (12443, "POST /api/v1/users/auth/_login", "http/1.1 413"),
    (12343, "POST /agent/v1/nothing", "http/1.1 404"),
    (12400, "POST /somewhere", "http/1.1 308"),
];

fn caller(cluster: &Cluster) -> Caller {
    Caller::new(cluster, Some(&PrivateKey::generate().unwrap()))
}

/// Sends all of its request before it looks for an answer, and gives up at the first error.
fn told(stream: &mut dyn Raw, text: &str, pieces: usize) -> std::io::Result<String> {
    for piece in text.as_bytes().chunks(text.len().div_ceil(pieces)) {
        stream.write_all(piece)?;
        stream.flush()?;
        if pieces > 1 {
            thread::sleep(Duration::from_millis(2));
        }
    }
    answer(stream).map(|(head, _)| head)
}

#[test]
fn an_answer_that_does_not_wait_for_the_body_reaches_the_client_each_time() {
    let cluster = Cluster::start();
    let body = "x".repeat(100_000);
    thread::scope(|scope| {
        for (port, line, expected) in DOORS {
            let (cluster, body) = (&cluster, &body);
            scope.spawn(move || {
                let text = request(line, "Content-Type: application/json\r\n", body);
                for pieces in [1, 10] {
                    for time in 0..50 {
                        // One key may not ask so often.
                        let caller = caller(cluster);
                        let head = told(&mut *caller.connect(port), &text, pieces)
                            .unwrap_or_else(|error| panic!("{line}, {pieces}, {time}: {error}"));
                        assert!(head.starts_with(expected), "{line}: {head}");
                    }
                }
            });
        }
    });
}

#[test]
fn a_connection_goes_on_after_an_early_answer_to_a_request_that_ended() {
    let cluster = Cluster::start();
    let mut stream = caller(&cluster).connect(12443);
    for _ in 0..2 {
        let text = request("POST /api/v1/nothing", "", &"x".repeat(100_000));
        let head = told(&mut *stream, &text, 10).unwrap();
        assert!(!head.contains("connection: close"), "{head}");
    }
}

#[test]
fn a_body_that_does_not_end_is_answered_and_said_to_be_the_last() {
    let cluster = Cluster::start();
    let caller = caller(&cluster);
    for (port, line, expected) in DOORS.iter().filter(|(.., expected)| !expected.ends_with("413")) {
        let mut stream = caller.connect(*port);
        let text = format!("{line} HTTP/1.1\r\nHost: a\r\nContent-Length: 10000000\r\n\r\nabc");
        let head = told(&mut *stream, &text, 1).unwrap();
        assert!(head.starts_with(expected), "{head}");
        assert!(head.contains("connection: close"), "{head}");
        assert_eq!(stream.read(&mut [0; 100]).unwrap(), 0, "it goes on");
    }
}

#[test]
fn whoever_waits_to_be_asked_for_a_body_is_not_asked_in_vain() {
    let cluster = Cluster::start();
    let caller = caller(&cluster);
    let expecting = |line: &str| {
        format!(
            "{line} HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\
             Content-Type: application/json\r\nContent-Length: 2\r\n\r\n"
        )
    };
    for (port, line, expected) in DOORS.iter().filter(|(.., expected)| !expected.ends_with("413")) {
        let mut stream = caller.connect(*port);
        let head = told(&mut *stream, &expecting(line), 1).unwrap();
        assert!(head.starts_with(expected), "{head}");
        assert!(head.contains("connection: close"), "{head}");
    }
    let mut stream = caller.connect(12443);
    let head = told(&mut *stream, &expecting("POST /api/v1/users/auth/_login"), 1).unwrap();
    assert!(head.starts_with("http/1.1 100"), "{head}");
    let head = told(&mut *stream, "{}", 1).unwrap();
    assert!(head.starts_with("http/1.1 400"), "{head}");
    assert!(!head.contains("connection: close"), "{head}");
}

#[test]
fn a_body_in_chunks_without_end_is_answered_and_said_to_be_the_last() {
    let cluster = Cluster::start();
    let mut stream = caller(&cluster).connect(12400);
    let text = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n";
    let head = told(&mut *stream, text, 1).unwrap();
    assert!(head.starts_with("http/1.1 308") && head.contains("connection: close"), "{head}");
    assert_eq!(stream.read(&mut [0; 100]).unwrap(), 0, "it goes on");
}

#[test]
fn heads_that_are_too_large_are_told_so_each_time() {
    let cluster = Cluster::start();
    let caller = caller(&cluster);
    let large = format!("X-Large: {}\r\n", "x".repeat(100_000));
    let many = "X-Many: x\r\n".repeat(500);
    for headers in [large, many] {
        let text = request("GET /", &headers, "");
        for port in [12400, 12443, 12343] {
            for time in 0..20 {
                let head = told(&mut *caller.connect(port), &text, 10)
                    .unwrap_or_else(|error| panic!("{port}, {time}: {error}"));
                assert!(head.starts_with("http/1.1 431"), "{head}");
                assert!(head.contains("connection: close"), "{head}");
            }
        }
    }
}
