//! What is counted where it happens, for Prometheus.

use std::{sync::OnceLock, time::Duration};

use metrics::{counter, histogram};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};

use super::passwords::PasswordError;

const JOINS: &str = "ece_agent_joins_total";
const PASSWORDS: &str = "ece_agent_password_checks_total";
const REQUESTS: &str = "ece_agent_http_request_seconds";
const COMMITS: &str = "ece_agent_store_commit_seconds";

/// Seconds: from what a lookup takes to what nobody waits for.
const BUCKETS: [f64; 12] =
    [0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 2.0, 10.0];

/// The one place of this process in which is counted.
fn recorder() -> &'static PrometheusHandle {
    static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();
    HANDLE.get_or_init(|| {
        let recorder = PrometheusBuilder::new()
            .set_buckets(&BUCKETS)
            .expect("there are buckets")
            .build_recorder();
        let handle = recorder.handle();
        // Whoever has set another one counts there.
        let _ = metrics::set_global_recorder(recorder);
        metrics::describe_counter!(JOINS, "Requests to join, by what they came to");
        metrics::describe_counter!(PASSWORDS, "Passwords that were checked, by what that came to");
        metrics::describe_histogram!(REQUESTS, "Answered requests of the API");
        metrics::describe_histogram!(COMMITS, "Commits, with the sync that they waited for");
        handle
    })
}

/// A host has asked to join: `ok`, or the code of the refusal.
pub fn joined(outcome: &str) {
    recorder();
    counter!(JOINS, "outcome" => outcome.to_owned()).increment(1);
}

/// A password has been checked, or could not be; one that was right a moment ago is not counted.
pub fn password_checked(error: Option<&PasswordError>) {
    recorder();
    let outcome = match error {
        None => "ok",
        Some(PasswordError::Wrong) => "wrong",
        Some(PasswordError::Busy) => "busy",
    };
    counter!(PASSWORDS, "outcome" => outcome).increment(1);
}

/// The API has answered a request.
pub fn answered(method: &str, status: u16, took: Duration) {
    recorder();
    // Methods come from outside; only the known ones may become labels.
    let method = ["GET", "POST", "PUT", "PATCH", "DELETE"].into_iter().find(|it| *it == method);
    let (method, status) = (method.unwrap_or("other"), status.to_string());
    histogram!(REQUESTS, "method" => method, "status" => status).record(took.as_secs_f64());
}

/// The store has acknowledged a commit.
pub fn committed(took: Duration) {
    recorder();
    histogram!(COMMITS).record(took.as_secs_f64());
}

/// Samples take up memory until they are counted, whether or not somebody asks for them.
pub fn count_samples() {
    recorder().run_upkeep();
}

/// All of it in Prometheus' text format.
pub fn counted() -> String {
    count_samples();
    recorder().render()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_from_outside_is_no_label() {
        joined("a-test");
        for method in ["GET", "BREW", "get"] {
            answered(method, 218, Duration::from_millis(3));
        }
        committed(Duration::from_millis(3));
        let counted = counted();
        for line in [
            r#"ece_agent_joins_total{outcome="a-test"} 1"#,
            r#"ece_agent_http_request_seconds_count{method="GET",status="218"} 1"#,
            r#"ece_agent_http_request_seconds_count{method="other",status="218"} 2"#,
            r#"ece_agent_http_request_seconds_bucket{method="GET",status="218",le="0.002"} 0"#,
            r#"ece_agent_http_request_seconds_bucket{method="GET",status="218",le="0.005"} 1"#,
            "# TYPE ece_agent_store_commit_seconds histogram",
        ] {
            assert!(counted.lines().any(|it| it == line), "{line}: {counted}");
        }
        assert!(!counted.contains("BREW"));
    }
}
