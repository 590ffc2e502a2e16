//! Setting up the first host. Killed anywhere and run again, it finishes the same cluster.
//!
//! Everything that is drawn at random is written to a plan first. Then the operator's secrets
//! file, then one transaction that makes the cluster, and then the plan is removed.

mod first_host;
mod plan;
mod secrets;

use std::{
    io,
    net::IpAddr,
    path::{Path, PathBuf},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::Serialize;
use serde_json::json;
use uuid::Uuid;
use zeroize::Zeroizing;

pub use self::first_host::{Asking, register_key};
use self::{
    first_host::{Recognised, recognise},
    plan::{Plan, PlanFile, PlannedToken},
};
use super::{
    change::{Change, ChangeError, Origin, Unfinished},
    earlier_records,
    member::Member,
    operations::tokens::{NewToken, TokenOptions, mint},
    passwords,
    records::{
        ADMIN, Actor, ClusterRecord, FactsRecord, IdentityRecord, Joined, KeyRecord, READONLY,
        TokenRecord, UserRecord, UserRole, create, decode,
    },
    seal::{MasterKey, SealError},
    secrets::{Cluster, ClusterError, seal_authority, seal_signing_key},
};
use crate::{
    model::{CoordinatorAddress, Fingerprint, KeyId, Role, RoleSet, RunnerId, Secret},
    rt::{Timestamp, files},
    store::{Room, Store, StoreError},
    tls::{CertificateDer, ClusterAuthority, KeyError, PrivateKey},
    token::SigningKey,
    wire::hosts::{Facts, SecretText},
};

const FIRST_SIGNING_KEY: &str = "bootstrap-initial";
const MAX_FILE: u64 = 1 << 20;

/// The host that a cluster begins with.
pub struct FirstHost {
    pub runner_id: RunnerId,
    /// Somebody has named it so; else it is what a host is called that nobody has named.
    pub runner_id_given: bool,
    pub key: KeyId,
    pub roles: RoleSet,
    pub facts: Facts,
    /// Where other hosts will reach it.
    pub addresses: Vec<CoordinatorAddress>,
    /// The coordinator's own directory.
    pub dir: PathBuf,
    /// Where the operator finds the secrets.
    pub secrets_file: PathBuf,
    /// The key that the plan is sealed with, where another than its writer can put one in its place.
    pub plan_key: Option<MasterKey>,
}

impl FirstHost {
    fn asking(&self) -> Asking {
        Asking {
            runner_id: self.runner_id.clone(),
            runner_id_given: self.runner_id_given,
            key: self.key,
            host_ip: self.facts.host_ip,
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum BootstrapError {
    #[error("{path}: {source}")]
    File { path: PathBuf, source: io::Error },
    #[error("{0} has the secrets of another cluster")]
    SecretsOfAnother(PathBuf),
    #[error("the first host of this cluster is {0}, and --runner-id names another")]
    FirstHostIs(RunnerId),
    #[error("host.key is the key of another host of this cluster, {0}")]
    KeyOfAnother(RunnerId),
    #[error("{0} is damaged; as the cluster is not made yet, it can be removed")]
    DamagedPlan(PathBuf),
    #[error(transparent)]
    Seal(#[from] SealError),
    #[error(transparent)]
    Key(#[from] KeyError),
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A cluster that is there.
#[derive(Debug, Clone)]
pub struct Bootstrapped {
    pub cluster_id: String,
    pub pins: Vec<Fingerprint>,
    /// The CA that signs for coordinators, as PEM.
    pub ca_certificate: String,
    pub made_now: bool,
    /// What the cluster knows its first host by, and what it is meant to run.
    pub runner_id: RunnerId,
    pub roles: RoleSet,
    /// It was known by another key until now.
    pub has_new_key: bool,
}

/// Makes the cluster, unless it is there already.
pub async fn bootstrap(
    store: &dyn Store,
    master: &MasterKey,
    host: &FirstHost,
    now: Timestamp,
) -> Result<Bootstrapped, BootstrapError> {
    let plan_file = PlanFile::of(host);
    if let Some(cluster) = existing(store, master).await? {
        plan_file.remove()?;
        earlier_records::bring_over(store).await?;
        let Recognised { runner_id, roles, has_new_key } =
            recognise(store, &host.asking(), now).await?;
        return Ok(bootstrapped(cluster, runner_id, roles, has_new_key));
    }
    let plan = match plan_file.read()? {
        Some(plan) => plan,
        None => {
            secrets::must_not_be_there(&host.secrets_file)?;
            let plan = draw(master, host, now)?;
            plan_file.write(&plan)?;
            plan
        }
    };
    secrets::write(&host.secrets_file, &plan)?;
    commit(store, master, host, &plan, now).await?;
    plan_file.remove()?;
    let made = existing(store, master).await?;
    let made =
        made.ok_or_else(|| StoreError::Failed("the cluster it has just made is gone".into()))?;
    let made = bootstrapped(made, host.runner_id.clone(), host.roles.clone(), false);
    Ok(Bootstrapped { made_now: true, ..made })
}

fn bootstrapped(
    Cluster { id, pins, ca_certificate, .. }: Cluster,
    runner_id: RunnerId,
    roles: RoleSet,
    has_new_key: bool,
) -> Bootstrapped {
    Bootstrapped {
        cluster_id: id,
        pins,
        ca_certificate,
        made_now: false,
        runner_id,
        roles,
        has_new_key,
    }
}

async fn existing(
    store: &dyn Store,
    master: &MasterKey,
) -> Result<Option<Cluster>, BootstrapError> {
    let Some(record) = store.get(&ClusterRecord::path()).await? else { return Ok(None) };
    let (cluster, _) = Cluster::open(&decode(&record)?, master)?;
    Ok(Some(cluster))
}

/// Whether there is a cluster in this store.
pub async fn is_there(store: &dyn Store) -> Result<bool, StoreError> {
    Ok(store.get(&ClusterRecord::path()).await?.is_some())
}

fn draw(master: &MasterKey, host: &FirstHost, now: Timestamp) -> Result<Plan, BootstrapError> {
    let cluster_id = Uuid::new_v4().to_string();
    let (certificate, authority_key) = ClusterAuthority::generate(&cluster_id, now)?;
    let signing_key = SigningKey::generate(FIRST_SIGNING_KEY);
    let record =
        cluster_record(master, &cluster_id, now, &certificate, &authority_key, &signing_key);
    let (cluster, _) = Cluster::open(&record, master)?;
    let token = |roles: &[Role], description: &str| {
        let options = TokenOptions {
            roles: roles.iter().copied().collect(),
            validity: None,
            max_uses: None,
            description: Some(description.to_owned()),
            allow_replace: false,
        };
        let maker = (Actor::Bootstrap, host.facts.host_ip);
        let NewToken { text, record } = mint(&cluster, &host.addresses, options, maker, now)
            .expect("the cluster has just got a signing key");
        PlannedToken { text: SecretText(text), record }
    };
    let tokens = vec![
        token(&[], "made with the first host: no roles"),
        token(&[Role::Allocator], "made with the first host: allocator"),
        token(
            &[Role::Coordinator, Role::Proxy, Role::Director],
            "made with the first host: emergency, all roles but allocator",
        ),
    ];
    Ok(Plan {
        authority_certificate: STANDARD.encode(&certificate),
        authority_key: SecretText(authority_key.to_pem()),
        signing_key: SecretText(Secret::new(hex::encode(signing_key.bytes()))),
        admin_password: SecretText(passwords::generate()),
        readonly_password: SecretText(passwords::generate()),
        tokens,
        cluster_id,
        created_at: now,
    })
}

fn cluster_record(
    master: &MasterKey,
    cluster_id: &str,
    created_at: Timestamp,
    certificate: &CertificateDer<'_>,
    authority_key: &PrivateKey,
    signing_key: &SigningKey,
) -> ClusterRecord {
    ClusterRecord {
        cluster_id: cluster_id.to_owned(),
        created_at,
        authorities: vec![seal_authority(master, certificate, authority_key)],
        signing_keys: vec![seal_signing_key(master, signing_key)],
    }
}

async fn commit(
    store: &dyn Store,
    master: &MasterKey,
    host: &FirstHost,
    plan: &Plan,
    now: Timestamp,
) -> Result<(), BootstrapError> {
    let damaged = || PlanFile::of(host).damaged();
    let certificate = STANDARD.decode(&plan.authority_certificate).map_err(|_| damaged())?;
    let authority_key =
        PrivateKey::from_pem(plan.authority_key.0.expose()).map_err(|_| damaged())?;
    let key = hex::decode(plan.signing_key.0.expose()).map_err(|_| damaged())?;
    let signing_key = SigningKey::from_bytes(FIRST_SIGNING_KEY, Zeroizing::new(key));
    let cluster = cluster_record(
        master,
        &plan.cluster_id,
        plan.created_at,
        &CertificateDer::from(certificate),
        &authority_key,
        &signing_key,
    );
    let joined = Joined {
        at: now,
        roles: host.roles.clone(),
        token: None,
        source_address: host.facts.host_ip,
        overridden: Vec::new(),
        replaced: None,
    };
    let member = Member::joining(
        IdentityRecord { runner_id: host.runner_id.clone(), key: host.key, joined },
        FactsRecord { facts: host.facts.clone(), facts_hash: host.facts.hash() },
    );
    let user = |name: &str, role, password: &SecretText| {
        UserRecord::new(name, [role], passwords::hash(&password.0))
    };
    let key = KeyRecord::Host { runner_id: host.runner_id.clone() };
    let mut ops = vec![
        create(ClusterRecord::path(), &cluster),
        create(KeyRecord::path(&host.key), &key),
        create(
            UserRecord::path(ADMIN),
            &user(ADMIN, UserRole::PlatformAdmin, &plan.admin_password),
        ),
        create(
            UserRecord::path(READONLY),
            &user(READONLY, UserRole::PlatformViewer, &plan.readonly_password),
        ),
    ];
    ops.extend(member.creations());
    ops.extend(
        plan.tokens.iter().map(|token| create(TokenRecord::path(token.record.id), &token.record)),
    );
    let change = Change {
        ops,
        action: "cluster.create",
        room: Room::Ordinary,
        subject: plan.cluster_id.clone(),
        before: json!(null),
        after: json!({
            "first_host": host.runner_id,
            "roles": host.roles,
            "tokens": plan.tokens.iter().map(|token| token.record.id).collect::<Vec<_>>(),
        }),
    };
    commit_here(store, change, Actor::Bootstrap, host.facts.host_ip, now).await?;
    Ok(())
}

/// Commits what the first host does without a coordinator.
async fn commit_here(
    store: &dyn Store,
    change: Change,
    actor: Actor,
    address: IpAddr,
    now: Timestamp,
) -> Result<(), StoreError> {
    let origin = Origin { actor, address, request_id: Uuid::new_v4(), standing: None };
    match change.commit(store, &origin, now).await {
        Ok(_) => Ok(()),
        Err(ChangeError::Unfinished(Unfinished::Store(error))) => Err(error),
        Err(error) => Err(StoreError::Failed(error.to_string())),
    }
}

fn to_line(value: &impl Serialize) -> Vec<u8> {
    let mut line = serde_json::to_vec(value).expect("plain data");
    line.push(b'\n');
    line
}

fn write(file: &Path, content: &[u8]) -> Result<(), BootstrapError> {
    files::write_private(file, content)
        .map_err(|source| BootstrapError::File { path: file.to_owned(), source })
}

#[cfg(test)]
mod tests;
