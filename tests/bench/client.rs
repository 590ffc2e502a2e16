//! The API, as those ask it who measure and those who flood.

use std::time::Duration;

use serde_json::{Value, json};

use super::coordinator::ADDRESS;

pub fn url(path: &str) -> String {
    format!("https://{ADDRESS}:12443/api/v1{path}")
}

/// Whether it is the right coordinator is not what is measured.
pub fn client() -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .tls_danger_accept_invalid_certs(true)
        .no_proxy()
        // The coordinator closes connections over which nothing is asked for ten seconds.
        .pool_idle_timeout(Duration::from_secs(5))
}

/// A new bearer token, if the API gives one.
pub async fn log_in(client: &reqwest::Client, user: &str, password: &str) -> Option<String> {
    let body = json!({ "username": user, "password": password });
    let sent = client.post(url("/users/auth/_login")).json(&body).send();
    let reply: Value = sent.await.ok()?.json().await.ok()?;
    Some(reply["token"].as_str()?.to_owned())
}
