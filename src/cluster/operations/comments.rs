//! What people say of hosts.

use serde_json::{Value, json};

use super::{Attempt, Unfinished, carry_out, forget, stops_at_the_store, stored::StoredMember};
use crate::{
    cluster::{
        app::App,
        change::{Change, Origin},
        records::{
            Comment, CommentedPart, CommentsRecord, MemberPart, create, decode, put, readable,
        },
    },
    model::{RunnerId, printable::are_plain_lines},
    store::{Op, Record, Room, SharedStore, StoreError},
};

/// Comments on one part of one host.
pub const MOST: usize = 100;

/// Bytes of a comment.
pub const LONGEST: usize = 2048;

#[derive(Debug, Clone, Copy)]
pub struct Commented<'a> {
    pub runner: &'a RunnerId,
    pub part: CommentedPart,
}

#[derive(Debug, thiserror::Error)]
pub enum CommentError {
    #[error("a comment has 1 to {LONGEST} bytes of plain text")]
    Text,
    #[error("there are {MOST} comments on it: delete some first")]
    TooMany,
    #[error("there is no such comment")]
    NotFound,
    #[error("the host is gone")]
    NoSuchHost,
    #[error("a comment is changed by the user who wrote it")]
    NotTheAuthor,
    #[error("the comment has changed since: its version is {0}")]
    Conflict(u64),
    #[error(transparent)]
    Unfinished(#[from] Unfinished),
}

stops_at_the_store!(CommentError);

pub async fn comments(app: &App, on: Commented<'_>) -> Result<Vec<Comment>, StoreError> {
    let record = app.store.get(&CommentsRecord::path(on.runner, on.part)).await?;
    let read = record.as_ref().map(decode::<CommentsRecord>).transpose()?;
    Ok(read.map(|read| read.comments).unwrap_or_default())
}

fn check_text(message: &str) -> Result<(), CommentError> {
    let good = (1..=LONGEST).contains(&message.len()) && are_plain_lines(message);
    if good { Ok(()) } else { Err(CommentError::Text) }
}

fn position(comments: &[Comment], id: &str, version: Option<u64>) -> Result<usize, CommentError> {
    let at = comments.iter().position(|it| it.id == id).ok_or(CommentError::NotFound)?;
    let current = comments[at].version;
    match version {
        Some(version) if version != current => Err(CommentError::Conflict(current)),
        _ => Ok(at),
    }
}

pub async fn create_comment(
    app: &App,
    origin: &Origin,
    on: Commented<'_>,
    user: &str,
    message: &str,
) -> Result<Comment, CommentError> {
    check_text(message)?;
    edit(app, origin, on, "comment.create", |comments, now| {
        if comments.len() >= MOST {
            return Err(CommentError::TooMany);
        }
        let comment = Comment {
            id: uuid::Uuid::new_v4().simple().to_string(),
            user: user.to_owned(),
            message: message.to_owned(),
            version: 1,
            created_at: now,
            modified_at: now,
        };
        comments.push(comment.clone());
        Ok(Edited { before: None, after: Some(comment.clone()), result: comment })
    })
    .await
}

pub async fn update_comment(
    app: &App,
    origin: &Origin,
    on: Commented<'_>,
    (id, version): (&str, Option<u64>),
    user: &str,
    message: &str,
) -> Result<Comment, CommentError> {
    check_text(message)?;
    edit(app, origin, on, "comment.update", |comments, now| {
        let at = position(comments, id, version)?;
        let before = comments[at].clone();
        if before.user != user {
            return Err(CommentError::NotTheAuthor);
        }
        let after = Comment {
            message: message.to_owned(),
            version: before.version + 1,
            modified_at: now,
            ..before.clone()
        };
        comments[at] = after.clone();
        Ok(Edited { before: Some(before), after: Some(after.clone()), result: after })
    })
    .await
}

pub async fn delete_comment(
    app: &App,
    origin: &Origin,
    on: Commented<'_>,
    id: &str,
    version: Option<u64>,
) -> Result<(), CommentError> {
    edit(app, origin, on, "comment.delete", |comments, _| {
        let at = position(comments, id, version)?;
        Ok(Edited { before: Some(comments.remove(at)), after: None, result: () })
    })
    .await
}

struct Edited<T> {
    before: Option<Comment>,
    after: Option<Comment>,
    result: T,
}

/// Changes the comments on a host that is there when they are written.
async fn edit<T: Send>(
    app: &App,
    origin: &Origin,
    on: Commented<'_>,
    action: &'static str,
    edit: impl Fn(&mut Vec<Comment>, crate::rt::Timestamp) -> Result<Edited<T>, CommentError> + Sync,
) -> Result<T, CommentError> {
    let (path, edit) = (&CommentsRecord::path(on.runner, on.part), &edit);
    carry_out(app, origin, |now| {
        Box::pin(async move {
            let host = StoredMember::read(&*app.store, on.runner).await?;
            let host = host.ok_or(CommentError::NoSuchHost)?;
            let record = app.store.get(path).await?;
            let read = record.as_ref().map(decode::<CommentsRecord>).transpose()?;
            let mut comments = read.map(|read| read.comments).unwrap_or_default();
            let Edited { before, after, result } = edit(&mut comments, now)?;
            let grows = before.is_none();
            let value = CommentsRecord { runner_id: on.runner.clone(), comments };
            let write = match &record {
                Some(record) => put(path.clone(), &value, record.version),
                None => create(path.clone(), &value),
            };
            let change = Change {
                ops: vec![host.is_still_there(), write],
                action,
                room: if grows || after.is_some() { Room::Ordinary } else { Room::Reserve },
                subject: format!("{}/{}", on.part.name(), on.runner),
                before: audited(before),
                after: audited(after),
            };
            Ok(Attempt::Commit(change, result))
        })
    })
    .await
}

fn audited(comment: Option<Comment>) -> Value {
    comment.map_or(Value::Null, |it| json!({ "id": it.id, "user": it.user, "message": it.message }))
}

fn deletion(record: Record) -> Op {
    Op::Delete { path: record.path, version: record.version }
}

/// What deletes the comments on a host, for the commit that removes it.
pub async fn deletions(app: &App, runner: &RunnerId) -> Result<Vec<Op>, StoreError> {
    let mut ops = Vec::new();
    for part in CommentedPart::ALL {
        ops.extend(app.store.get(&CommentsRecord::path(runner, part)).await?.map(deletion));
    }
    Ok(ops)
}

/// Deletes comments on hosts that are gone: one that was made while its host was being removed.
pub async fn forget_comments_on_nothing(store: &SharedStore) -> Result<(), StoreError> {
    let mut ops = Vec::new();
    for record in store.list(&CommentsRecord::root()).await? {
        let Some(comments) = readable::<CommentsRecord>(&record)? else { continue };
        if store.get(&MemberPart::Identity.path(&comments.runner_id)).await?.is_none() {
            ops.push(deletion(record));
        }
    }
    forget(store, &ops).await?;
    Ok(())
}
