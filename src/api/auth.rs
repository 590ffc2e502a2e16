use std::{marker::PhantomData, sync::Arc};

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, header, request::Parts},
};
use base64::{Engine, engine::general_purpose::STANDARD};

use crate::{
    cluster::{
        app::App,
        change::{Credential, Origin, Standing},
        counters::password_checked,
        operations::{api_keys::user_of_key, sessions::user_of_session},
        passwords::PasswordError,
        records::{Actor, UserRecord, UserRole},
    },
    http::{
        error::{Answer, ApiError},
        request_id::RequestId,
    },
    limits::{quiet::Quiet, source::Source},
    model::Secret,
    server::SharedContext,
};

/// What an operation needs. Each operation names one; a handler that compiles is authorised.
pub trait Permission: Send + Sync {
    fn allows(user: &UserRecord) -> bool;
}

macro_rules! permissions {
    ($($(#[$doc:meta])* $name:ident: $($role:ident)|+;)*) => {$(
        $(#[$doc])*
        pub struct $name;

        impl Permission for $name {
            fn allows(user: &UserRecord) -> bool {
                user.is_one_of(&[$(UserRole::$role),+])
            }
        }
    )*};
}

permissions! {
    /// Seeing hosts, their roles and their state.
    ReadHosts: PlatformAdmin | PlatformViewer;
    /// Changing hosts and their roles, and removing them.
    ChangeHosts: PlatformAdmin;
    /// Seeing deployments and what they can be made of.
    ReadDeployments: PlatformAdmin | PlatformViewer | DeploymentManager | DeploymentViewer;
    /// Making and changing deployments.
    ChangeDeployments: PlatformAdmin | DeploymentManager;
    /// Seeing and making roles tokens: whoever may, can add hosts.
    ManageTokens: PlatformAdmin;
    /// Seeing who else there is.
    ReadUsers: PlatformAdmin | PlatformViewer;
    /// Other people's accounts and keys.
    ManageUsers: PlatformAdmin;
    /// What was done, by whom.
    ReadAudit: PlatformAdmin;
}

/// One's own account, session and keys: of everybody who gets in.
pub struct OwnAccount;

impl Permission for OwnAccount {
    fn allows(_user: &UserRecord) -> bool {
        true
    }
}

/// Proof that the request's user has the permission `P`, and who it is.
pub struct Permit<P> {
    pub origin: Origin,
    pub user: Arc<UserRecord>,
    /// The bearer token that the request came with.
    pub bearer: Option<Secret>,
    permission: PhantomData<P>,
}

impl<P: Permission> FromRequestParts<Arc<App>> for Permit<P> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, ApiError> {
        let connection =
            parts.extensions.get::<SharedContext>().cloned().ok_or(Answer::Internal)?;
        let Known { user, credential } = match parts.extensions.get::<Known>() {
            Some(known) => known.clone(),
            None => match Credentials::of(&parts.headers) {
                Some(Credentials::Basic(name, password)) => {
                    let _queued = connection.admission.queue();
                    let from = Source::of(connection.address());
                    let user = check_password(app, &name, &password, from).await?;
                    Known { user, credential: Credential::Password }
                }
                Some(Credentials::Bearer(_) | Credentials::ApiKey(_)) | None => {
                    return Err(Answer::Unauthenticated.into());
                }
            },
        };
        connection.admission.belongs_to_user(&user.name);
        if !P::allows(&user) {
            return Err(Answer::Forbidden.into());
        }
        let RequestId(request_id) =
            RequestId::from_request_parts(parts, app).await.unwrap_or_else(|never| match never {});
        Ok(Self {
            origin: Origin {
                actor: Actor::User(user.name.clone()),
                address: connection.address(),
                request_id,
                standing: Some(Standing { user: user.clone(), allows: P::allows, credential }),
            },
            user,
            bearer: bearer(&parts.headers),
            permission: PhantomData,
        })
    }
}

impl<P> Permit<P> {
    /// Whether the request came with a key, which a program has, and not with a person's login.
    pub fn is_by_api_key(&self) -> bool {
        let standing = self.origin.standing.as_ref();
        standing.is_some_and(|standing| matches!(standing.credential, Credential::ApiKey(_)))
    }

    /// The origin of what needs another permission than the operation itself.
    pub fn origin_with<Q: Permission>(&self) -> Origin {
        let standing = self.origin.standing.clone();
        let standing = standing.map(|standing| Standing { allows: Q::allows, ..standing });
        Origin { standing, ..self.origin.clone() }
    }
}

/// What a request says of who sends it.
enum Credentials {
    Basic(String, Secret),
    Bearer(Secret),
    ApiKey(Secret),
}

impl Credentials {
    fn of(headers: &HeaderMap) -> Option<Self> {
        let header = headers.get(header::AUTHORIZATION)?.as_bytes();
        let secret =
            |text: &[u8]| std::str::from_utf8(text).ok().map(|text| Secret::new(text.trim()));
        if let Some((name, password)) = basic(header) {
            return Some(Self::Basic(name, password));
        }
        if let Some(text) = after_scheme(header, b"bearer ") {
            return secret(text).map(Self::Bearer);
        }
        secret(after_scheme(header, b"apikey ")?).map(Self::ApiKey)
    }
}

/// Whose a request is, if its credentials were found good without any work: a lookup, or a
/// password that was right a short while ago. Bearer tokens and keys are good only if they are here.
#[derive(Clone)]
pub struct Known {
    pub user: Arc<UserRecord>,
    pub credential: Credential,
}

impl Known {
    pub fn by(app: &App, headers: &HeaderMap, from: Source) -> Option<Self> {
        let (user, credential) = match Credentials::of(headers)? {
            Credentials::Basic(name, password) => {
                (remembered(app, &name, &password, from)?, Credential::Password)
            }
            Credentials::Bearer(text) => {
                let session = app.sessions.open_session(text.expose());
                (user_of_session(app, &text)?, Credential::Session(session))
            }
            Credentials::ApiKey(text) => {
                let (user, id) = user_of_key(app, text.expose())?;
                (user, Credential::ApiKey(id))
            }
        };
        Some(Self { user, credential })
    }
}

fn remembered(app: &App, name: &str, password: &Secret, from: Source) -> Option<Arc<UserRecord>> {
    let user = app.registry.view().enabled_user(name)?;
    app.passwords.remembers(from, &user, password).then_some(user)
}

/// The user with this name and password.
pub async fn check_password(
    app: &App,
    name: &str,
    password: &Secret,
    from: Source,
) -> Result<Arc<UserRecord>, ApiError> {
    if let Some(user) = remembered(app, name, password, from) {
        return Ok(user);
    }
    let user = app.registry.view().enabled_user(name);
    let is_known = user.is_some();
    let checked = app.passwords.check(from, name, user, password).await;
    password_checked(checked.as_ref().err());
    let checked = checked.inspect_err(|error| wrong(is_known.then_some(name), from, error))?;
    // Another password may have come while this one waited for its turn.
    let now = app.registry.view().enabled_user(name);
    let same = now.filter(|now| now.password_hash == checked.password_hash);
    same.ok_or(Answer::Unauthenticated.into())
}

/// Logs that somebody may be guessing. What was typed as a name may be a password, unless there is
/// such a user.
fn wrong(known: Option<&str>, from: Source, error: &PasswordError) {
    static SAID: Quiet = Quiet::new();
    if let Some(left_out) = SAID.may_tell(from.address()) {
        let whom =
            known.map_or("somebody who is no user".into(), |name| format!("the user {name}"));
        let more = match left_out {
            0 => String::new(),
            more => format!("; {more} lines like this were left out"),
        };
        tracing::warn!(%from, %error, left_out, "{whom} was not let in from {from}: {error}{more}");
    }
}

/// The bearer token of a request, whatever it is worth.
pub fn bearer(headers: &HeaderMap) -> Option<Secret> {
    match Credentials::of(headers)? {
        Credentials::Bearer(text) => Some(text),
        Credentials::Basic(..) | Credentials::ApiKey(_) => None,
    }
}

fn after_scheme<'a>(header: &'a [u8], scheme: &[u8]) -> Option<&'a [u8]> {
    let (given, rest) = header.split_at_checked(scheme.len())?;
    given.eq_ignore_ascii_case(scheme).then_some(rest)
}

/// RFC 7617.
fn basic(header: &[u8]) -> Option<(String, Secret)> {
    let credentials = after_scheme(header, b"basic ")?;
    let decoded = zeroize::Zeroizing::new(STANDARD.decode(credentials.trim_ascii()).ok()?);
    let text = std::str::from_utf8(&decoded).ok()?;
    let (name, password) = text.split_once(':')?;
    Some((name.to_owned(), Secret::new(password)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn basic_credentials_are_read_whatever_the_password_holds() {
        let header = format!("basic {}", STANDARD.encode("admin:a:b"));
        let (name, password) = basic(header.as_bytes()).expect("credentials");
        assert_eq!((name.as_str(), password.expose()), ("admin", "a:b"));
        for bad in ["", "Basic", "Basic !", "Bearer abc", "Basic YWRtaW4="] {
            assert!(basic(bad.as_bytes()).is_none(), "{bad}");
        }
    }

    #[tokio::test]
    async fn a_password_that_was_replaced_while_it_was_checked_lets_nobody_in() {
        use crate::cluster::{passwords::Passwords, testing::TestCluster};
        let (go_on, held) = std::sync::mpsc::channel::<()>();
        let held = std::sync::Mutex::new(held);
        let verify = move |_: &Secret, _: &str| {
            held.lock().expect("no panic").recv().expect("told");
            true
        };
        let passwords = Passwords::with(1, Box::new(verify));
        let store = Arc::new(crate::store::MemoryStore::new());
        let cluster = TestCluster::start_with(store, passwords).await;
        let (app, old) = (cluster.app.clone(), Secret::new("old"));
        let from = Source::of([10, 0, 0, 9].into());
        let checking =
            tokio::spawn(
                async move { check_password(&app, "admin", &old, from).await.map(|_| ()) },
            );
        tokio::task::yield_now().await;
        let app = &cluster.app;
        let path = UserRecord::path("admin");
        let record = app.store.get(&path).await.expect("read").expect("there");
        let user: UserRecord = crate::cluster::records::decode(&record).expect("readable");
        let after = UserRecord { password_hash: "another".into(), ..user };
        let put = crate::cluster::records::put(path, &after, record.version);
        app.registry.caught_up(app.store.commit(vec![put]).await.expect("committed")).await;
        go_on.send(()).expect("heard");
        let checked = checking.await.expect("no panic");
        assert!(checked.is_err_and(|error| error.is(Answer::Unauthenticated)));
    }

    proptest! {
        #[test]
        fn no_header_makes_the_reader_panic(header in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = basic(&header);
            let _ = basic(&[b"Basic ".as_slice(), &header].concat());
        }
    }
}
