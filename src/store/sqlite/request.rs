//! What the writer is asked for, and what those hear whom it could not do it for.

use tokio::sync::oneshot;

use crate::store::{CommitError, Lease, LeaseId, Op, Room, StoreError};

pub(super) enum Request {
    Commit {
        room: Room,
        ops: Vec<Op>,
        reply: oneshot::Sender<Result<u64, CommitError>>,
    },
    OpenLease {
        reply: oneshot::Sender<Result<Lease, StoreError>>,
    },
    CloseLease {
        lease: LeaseId,
        reply: oneshot::Sender<Result<(), StoreError>>,
    },
    /// Nothing is written after it.
    Close,
}

/// What may use the reserve; the others hear that the disk is full.
pub(super) fn without_ordinary(batch: Vec<Request>) -> Vec<Request> {
    let (urgent, ordinary): (Vec<_>, Vec<_>) = batch.into_iter().partition(is_urgent);
    refuse(ordinary, &StoreError::Full);
    urgent
}

pub(super) fn is_urgent(request: &Request) -> bool {
    matches!(request, Request::Commit { room: Room::Reserve, .. })
}

/// The disk failed, and may have taken the batch before.
pub(super) fn leave_open(batch: Vec<Request>, error: &StoreError) {
    let mut others = Vec::new();
    for request in batch {
        match request {
            Request::Commit { reply, .. } => {
                let _ = reply.send(Err(CommitError::OutcomeUnknown));
            }
            other => others.push(other),
        }
    }
    refuse(others, error);
}

pub(super) fn refuse(batch: Vec<Request>, error: &StoreError) {
    for request in batch {
        match request {
            Request::Commit { reply, .. } => {
                let _ = reply.send(Err(error.clone().into()));
            }
            Request::OpenLease { reply } => {
                let _ = reply.send(Err(error.clone()));
            }
            Request::CloseLease { reply, .. } => {
                let _ = reply.send(Err(error.clone()));
            }
            Request::Close => {}
        }
    }
}
