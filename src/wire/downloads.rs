use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};

use crate::model::Fingerprint;

/// Where a coordinator says what it serves to new machines; beside it are `ece-agent` and its
/// checksum.
pub const DOWNLOADS_PATH: &str = "/downloads";
pub const JOIN_SCRIPT_PATH: &str = "/join.sh";

/// The program that a coordinator serves.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct DownloadInfo {
    pub version: String,
    /// As `uname -s` and `uname -m` say it, joined by `-`.
    pub platform: String,
    /// Of the binary, in hexadecimal digits.
    pub sha256: String,
    /// The coordinator's own key, as curl's `--pinnedpubkey` takes it.
    pub public_key_pin: String,
}

/// As curl's `--pinnedpubkey` takes it.
pub fn curl_pin(key: Fingerprint) -> String {
    format!("sha256//{}", STANDARD.encode(key.as_bytes()))
}
