use std::{net::IpAddr, time::Instant};

use serde_json::Value;
use uuid::Uuid;

use super::{
    metrics::committed,
    records::{self, Actor, AuditRecord},
};
use crate::{
    rt::Timestamp,
    store::{CommitError, Op, Store},
};

/// Who asks for something, from where, in which request.
#[derive(Debug, Clone)]
pub struct Origin {
    pub actor: Actor,
    pub address: IpAddr,
    pub request_id: Uuid,
}

/// A change to the cluster. It cannot be committed without its audit record.
pub struct Change {
    pub ops: Vec<Op>,
    /// What is done, as `subject.verb`.
    pub action: &'static str,
    pub subject: String,
    pub before: Value,
    pub after: Value,
}

impl Change {
    /// Commits the change and the record of it in one transaction; the revision.
    pub async fn commit(
        mut self,
        store: &dyn Store,
        origin: &Origin,
        now: Timestamp,
    ) -> Result<u64, CommitError> {
        let record = AuditRecord {
            at: now,
            actor: origin.actor.clone(),
            source_address: origin.address,
            request_id: origin.request_id,
            action: self.action.to_owned(),
            subject: self.subject,
            before: self.before,
            after: self.after,
        };
        self.ops.push(records::create(record.path(Uuid::now_v7()), &record));
        let started = Instant::now();
        let revision = store.commit(self.ops).await?;
        committed(started.elapsed());
        tracing::info!(
            action = self.action,
            subject = record.subject,
            actor = %record.actor,
            from = %record.source_address,
            request_id = %record.request_id,
            "changed"
        );
        Ok(revision)
    }
}
