//! How well something is of which so many are expected.

use axum::http::StatusCode;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::http::error::ApiError;

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct HealthParameters {
    /// `green`, `yellow` or `red`: a worse health is a 417.
    expect_status: Option<String>,
}

/// How well something is, the best last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Health {
    Red,
    Yellow,
    Green,
}

impl Health {
    /// Of so many proxies, where so many are expected.
    pub fn of(observed: usize, expected: i32) -> Self {
        let expected = usize::try_from(expected).unwrap_or_default();
        match observed {
            0 if expected > 0 => Self::Red,
            observed if observed < expected => Self::Yellow,
            _ => Self::Green,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Red => "Red",
            Self::Yellow => "Yellow",
            Self::Green => "Green",
        }
    }
}

impl HealthParameters {
    /// The status of a reply that shows this health.
    pub fn status(&self, health: Health) -> Result<StatusCode, ApiError> {
        let expected = match self.expect_status.as_deref().map(str::to_ascii_lowercase).as_deref() {
            None | Some("") => return Ok(StatusCode::OK),
            Some("green") => Health::Green,
            Some("yellow") => Health::Yellow,
            Some("red") => Health::Red,
            Some(_) => {
                let reason = "it is green, yellow or red";
                return Err(ApiError::invalid_parameter("expect_status", reason));
            }
        };
        Ok(if health < expected { StatusCode::EXPECTATION_FAILED } else { StatusCode::OK })
    }
}
