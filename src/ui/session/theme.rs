use axum::http::{HeaderMap, HeaderValue};

use super::cookie;

const COOKIE: &str = "__Host-ece-agent-theme";
const YEAR: u64 = 365 * 24 * 3600;

/// Light or dark, if somebody has chosen; else as the system wants it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Theme {
    #[default]
    System,
    Light,
    Dark,
}

impl Theme {
    pub const ALL: [Self; 3] = [Self::System, Self::Light, Self::Dark];

    pub fn named(name: &str) -> Self {
        match name {
            "light" => Self::Light,
            "dark" => Self::Dark,
            _ => Self::System,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::Light => "light",
            Self::Dark => "dark",
        }
    }

    pub fn of(headers: &HeaderMap) -> Self {
        cookie(headers, COOKIE).map_or(Self::System, Self::named)
    }

    pub fn set_cookie(self) -> Option<HeaderValue> {
        let name = self.name();
        let text =
            format!("{COOKIE}={name}; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age={YEAR}");
        HeaderValue::from_str(&text).ok()
    }
}
