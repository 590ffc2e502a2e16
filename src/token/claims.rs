use serde::{Deserialize, Deserializer, Serialize};

use crate::{
    model::{CoordinatorAddress, Fingerprint, Role, RoleSet, TokenId},
    rt::Timestamp,
};

/// What a roles token says.
///
/// `ca`, `hosts` and `max_uses` are private claims that readers made for ECE ignore.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claims {
    pub id: TokenId,
    /// Names, since a newer cluster may know roles that this version does not.
    pub roles: Vec<String>,
    /// The name of the key that signed it.
    pub issuer: String,
    /// Whole seconds; `None` for a persistent token.
    pub expires_at: Option<Timestamp>,
    /// Whether the token says so itself; older persistent tokens merely have no expiry.
    pub marked_persistent: bool,
    /// The cluster CAs that a coordinator's certificate may come from.
    pub pins: Vec<Fingerprint>,
    /// Where coordinators listen for hosts.
    pub coordinators: Vec<CoordinatorAddress>,
    pub max_uses: Option<u32>,
}

impl Claims {
    pub fn is_persistent(&self) -> bool {
        self.marked_persistent || self.expires_at.is_none()
    }

    /// The roles as this version knows them, or the name of one it does not.
    pub fn known_roles(&self) -> Result<RoleSet, &str> {
        self.roles.iter().map(|name| name.parse::<Role>().map_err(|_| name.as_str())).collect()
    }
}

/// The claims as they stand in the token's JSON. A name that occurs twice is an error, and so
/// is a number that is not a whole, non-negative one.
#[derive(Serialize, Deserialize)]
pub(super) struct RawClaims {
    sub: String,
    #[serde(default, deserialize_with = "null_is_empty")]
    roles: Vec<String>,
    iss: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    exp: Option<u64>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    persistent: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    ca: Vec<Fingerprint>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    hosts: Vec<CoordinatorAddress>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    max_uses: Option<u32>,
}

fn null_is_empty<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// The last second of the year 9999; a later expiry is no date.
const LAST_SECOND: u64 = 253_402_300_799;

impl TryFrom<RawClaims> for Claims {
    type Error = &'static str;

    fn try_from(raw: RawClaims) -> Result<Self, &'static str> {
        let id = raw.sub.parse().map_err(|_| "'sub' is not a UUID")?;
        let expires_at = match raw.exp {
            None => None,
            Some(seconds) if seconds <= LAST_SECOND => {
                Some(Timestamp::from_unix_seconds(seconds as i64))
            }
            Some(_) => return Err("'exp' is beyond the year 9999"),
        };
        Ok(Self {
            id,
            roles: raw.roles,
            issuer: raw.iss,
            expires_at,
            marked_persistent: raw.persistent,
            pins: raw.ca,
            coordinators: raw.hosts,
            max_uses: raw.max_uses,
        })
    }
}

impl From<&Claims> for RawClaims {
    fn from(claims: &Claims) -> Self {
        Self {
            sub: claims.id.to_string(),
            roles: claims.roles.clone(),
            iss: claims.issuer.clone(),
            exp: claims.expires_at.map(|at| at.unix_seconds().max(0) as u64),
            persistent: claims.marked_persistent,
            ca: claims.pins.clone(),
            hosts: claims.coordinators.clone(),
            max_uses: claims.max_uses,
        }
    }
}
