use std::{ops::RangeInclusive, sync::Arc, time::Duration};

use serde_json::json;

use super::{Attempt, Unfinished, carry_out, stops_at_the_store};
use crate::{
    cluster::{
        app::App,
        change::{Change, Origin},
        records::{Actor, Revocation, TokenRecord, UseRecord, create, decode, put, readable},
        secrets::Cluster,
    },
    model::{CoordinatorAddress, Role, RoleSet, Secret, TokenId, printable::is_plain_text},
    rt::Timestamp,
    store::{Room, StoreError},
    token::{Claims, UnverifiedToken, text_digest},
    wire::tokens::EnrollmentTokenRequest,
};

const DEFAULT_VALIDITY_SECONDS: i64 = 3600;
const VALIDITY_SECONDS: RangeInclusive<i64> = 1..=365 * 24 * 3600;
const MAX_USES: RangeInclusive<i64> = 1..=10_000;
const MAX_DESCRIPTION: usize = 1024;

/// A token to be made, as it may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenOptions {
    pub roles: RoleSet,
    /// `None` for a persistent token.
    pub validity: Option<Duration>,
    pub max_uses: Option<u32>,
    pub description: Option<String>,
    /// A host that came with it may be replaced with it once it is gone.
    pub allow_replace: bool,
}

/// What is wrong with a request for a token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct InvalidTokenRequest {
    pub field: &'static str,
    pub message: String,
}

impl TryFrom<EnrollmentTokenRequest> for TokenOptions {
    type Error = InvalidTokenRequest;

    fn try_from(request: EnrollmentTokenRequest) -> Result<Self, InvalidTokenRequest> {
        let invalid = |field, message: String| InvalidTokenRequest { field, message };
        let roles = request
            .roles
            .unwrap_or_default()
            .iter()
            .map(|name| name.parse::<Role>())
            .collect::<Result<RoleSet, _>>()
            .map_err(|error| invalid("roles", error.to_string()))?;
        let validity = match (request.persistent, request.validity_in_seconds) {
            (true, None) => None,
            (true, Some(_)) => {
                let message = "a persistent token has no validity";
                return Err(invalid("validity_in_seconds", message.into()));
            }
            (false, seconds) => {
                let seconds = seconds.unwrap_or(DEFAULT_VALIDITY_SECONDS);
                if !VALIDITY_SECONDS.contains(&seconds) {
                    let message = format!("a validity is {} seconds", between(&VALIDITY_SECONDS));
                    return Err(invalid("validity_in_seconds", message));
                }
                Some(Duration::from_secs(seconds.unsigned_abs()))
            }
        };
        let max_uses = match request.max_uses {
            None => None,
            Some(uses) if MAX_USES.contains(&uses) => Some(uses as u32),
            Some(_) => {
                let message = format!("max_uses is {}", between(&MAX_USES));
                return Err(invalid("max_uses", message));
            }
        };
        let fits = |text: &String| text.len() <= MAX_DESCRIPTION && is_plain_text(text);
        if !request.description.as_ref().is_none_or(fits) {
            let message =
                format!("a description has at most {MAX_DESCRIPTION} bytes of plain text");
            return Err(invalid("description", message));
        }
        Ok(Self {
            roles,
            validity,
            max_uses,
            description: request.description,
            allow_replace: request.allow_replace,
        })
    }
}

fn between(range: &RangeInclusive<i64>) -> String {
    format!("from {} to {}", range.start(), range.end())
}

/// A token just made. Its text is nowhere else.
#[derive(Debug)]
pub struct NewToken {
    pub text: Secret,
    pub record: TokenRecord,
}

/// Makes a token and its record, without storing either; `None` if there is no key to sign with.
pub fn mint(
    cluster: &Cluster,
    coordinators: &[CoordinatorAddress],
    options: TokenOptions,
    (by, from): (Actor, std::net::IpAddr),
    now: Timestamp,
) -> Option<NewToken> {
    let key = cluster.signing_key()?;
    let id = TokenId(uuid::Uuid::new_v4());
    // The text has room for whole seconds only; the record, which decides, is exact.
    let expires_at = options
        .validity
        .map(|validity| Timestamp::from_unix_seconds(now.plus(validity).unix_seconds()));
    let text = key.sign(&Claims {
        id,
        roles: options.roles.iter().map(|role| role.name().to_owned()).collect(),
        issuer: key.name().to_owned(),
        expires_at,
        marked_persistent: expires_at.is_none(),
        pins: cluster.pins.clone(),
        coordinators: coordinators.to_vec(),
        max_uses: options.max_uses,
    });
    let record = TokenRecord {
        id,
        text_digest: text_digest(&text),
        roles: options.roles,
        expires_at: options.validity.map(|validity| now.plus(validity)),
        max_uses: options.max_uses,
        description: options.description,
        allow_replace: options.allow_replace,
        created_at: now,
        created_by: by,
        created_from: from,
        revoked: None,
    };
    Some(NewToken { text, record })
}

#[derive(Debug, thiserror::Error)]
pub enum CreateTokenError {
    #[error("the cluster has no key to sign tokens with")]
    NoSigningKey,
    #[error(transparent)]
    Unfinished(#[from] Unfinished),
}

stops_at_the_store!(CreateTokenError);

pub async fn create_token(
    app: &App,
    origin: &Origin,
    options: TokenOptions,
) -> Result<NewToken, CreateTokenError> {
    let options = &options;
    carry_out(app, origin, |now| {
        Box::pin(async move {
            let maker = (origin.actor.clone(), origin.address);
            let token = mint(&app.cluster, &app.addresses, options.clone(), maker, now)
                .ok_or(CreateTokenError::NoSigningKey)?;
            let change = Change {
                ops: vec![create(TokenRecord::path(token.record.id), &token.record)],
                action: "token.create",
                room: Room::Ordinary,
                subject: token.record.id.to_string(),
                before: json!(null),
                after: token_in_audit(&token.record),
            };
            Ok(Attempt::Commit(change, token))
        })
    })
    .await
}

#[derive(Debug, thiserror::Error)]
pub enum RevokeTokenError {
    #[error("there is no such token")]
    NotFound,
    #[error(transparent)]
    Unfinished(#[from] Unfinished),
}

stops_at_the_store!(RevokeTokenError);

/// Revokes the token with this id or text. When this returns, it lets nobody in any more.
pub async fn revoke_token(
    app: &App,
    origin: &Origin,
    id_or_text: &str,
) -> Result<(), RevokeTokenError> {
    let id = match id_or_text.parse::<TokenId>() {
        Ok(id) => id,
        Err(_) => {
            let token =
                UnverifiedToken::parse(id_or_text).map_err(|_| RevokeTokenError::NotFound)?;
            app.cluster.verify(&token).map_err(|_| RevokeTokenError::NotFound)?.claims.id
        }
    };
    let path = &TokenRecord::path(id);
    carry_out(app, origin, |now| {
        Box::pin(async move {
            let record = app.store.get(path).await?.ok_or(RevokeTokenError::NotFound)?;
            let before: TokenRecord = decode(&record)?;
            if before.revoked.is_some() {
                return Err(RevokeTokenError::NotFound);
            }
            let revoked = Some(Revocation { at: now, by: origin.actor.clone() });
            let after = TokenRecord { revoked, ..before.clone() };
            let change = Change {
                ops: vec![put(path.clone(), &after, record.version)],
                action: "token.revoke",
                room: Room::Reserve,
                subject: id.to_string(),
                before: token_in_audit(&before),
                after: token_in_audit(&after),
            };
            Ok(Attempt::Commit(change, ()))
        })
    })
    .await
}

/// The uses of a token so far.
pub async fn uses_of(app: &App, token: TokenId) -> Result<Vec<UseRecord>, StoreError> {
    let records = app.store.list(&UseRecord::root(token)).await?;
    records.iter().filter_map(|record| readable(record).transpose()).collect()
}

/// The tokens that a list shows: persistent ones that are still good.
pub fn list_tokens(app: &App) -> Vec<Arc<TokenRecord>> {
    let shown = |token: &Arc<TokenRecord>| token.is_persistent() && token.revoked.is_none();
    app.registry.tokens().into_iter().filter(shown).collect()
}

/// A token in the audit log: everything but what could identify its text.
fn token_in_audit(record: &TokenRecord) -> serde_json::Value {
    json!({
        "roles": record.roles,
        "expires_at": record.expires_at.map(Timestamp::rfc3339),
        "max_uses": record.max_uses,
        "description": record.description,
        "allow_replace": record.allow_replace,
        "revoked": record.revoked.is_some(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(json: &str) -> Result<TokenOptions, InvalidTokenRequest> {
        serde_json::from_str::<EnrollmentTokenRequest>(json).expect("of the right types").try_into()
    }

    #[test]
    fn an_ephemeral_token_lives_an_hour_unless_told_otherwise() {
        let options = request(r#"{"persistent":false,"roles":null}"#).expect("valid");
        assert_eq!(options.validity, Some(Duration::from_secs(3600)));
        assert!(options.roles.is_empty());
        let options = request(r#"{"persistent":true,"roles":["proxy"]}"#).expect("valid");
        assert_eq!(options.validity, None);
    }

    #[test]
    fn the_field_at_fault_is_named() {
        for (json, field) in [
            (r#"{"persistent":true,"roles":["king"]}"#, "roles"),
            (r#"{"persistent":true,"validity_in_seconds":60}"#, "validity_in_seconds"),
            (r#"{"persistent":false,"validity_in_seconds":0}"#, "validity_in_seconds"),
            (r#"{"persistent":false,"validity_in_seconds":31536001}"#, "validity_in_seconds"),
            (r#"{"persistent":false,"max_uses":0}"#, "max_uses"),
        ] {
            assert_eq!(request(json).expect_err(json).field, field, "{json}");
        }
        assert!(request(r#"{"persistent":false,"validity_in_seconds":31536000}"#).is_ok());
        assert!(request(r#"{"persistent":false,"validity_in_seconds":1}"#).is_ok());
    }
}
