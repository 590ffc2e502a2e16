use std::{collections::HashMap, process::Command};

use serde_json::Value;

/// An answer of the API.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: HashMap<String, String>,
    pub body: String,
}

impl Reply {
    /// Asks with curl, as users do.
    pub fn to(arguments: &[&str]) -> Self {
        let output = Command::new("curl")
            .args(["-s", "-k", "-i", "--max-time", "20"])
            .args(arguments)
            .output();
        let text = String::from_utf8(output.unwrap().stdout).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{arguments:?}"));
        let mut lines = head.lines();
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers = lines
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
            .collect();
        Self { status, headers, body: body.to_owned() }
    }

    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{self:#?}");
        assert_eq!(self.headers["content-type"], "application/json", "{self:#?}");
        self
    }

    /// Failed with this status and code, in the body and in the header.
    #[track_caller]
    pub fn failed(self, status: u16, code: &str) -> Value {
        let reply = self.expect(status);
        assert_eq!(reply.headers["x-cloud-error-codes"], code);
        let error = reply.json()["errors"][0].clone();
        assert_eq!(error["code"], code);
        assert!(!error["message"].as_str().unwrap().is_empty());
        error
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:#?}"))
    }
}
