//! Comments on allocators, constructors, proxies and runners.

use std::sync::Arc;

use axum::{Json, extract::State, http::StatusCode};

use super::{
    auth::{ChangeHosts, Permit, ReadHosts},
    listed::{Listed, listed},
    version::{VersionParameter, VersionedReply, with_version},
};
use crate::{
    cluster::{
        app::App,
        operations::comments::{
            CommentError, Commented, MOST, comments, create_comment, delete_comment, update_comment,
        },
        records::{Comment, CommentedPart},
    },
    http::{
        error::{Answer, ApiError},
        extract::{Body, Path, Query},
    },
    model::{Role, RunnerId, printable::cut},
    wire::{
        EmptyResponse, FailedReply,
        comments::{Comment as ShownComment, CommentRequest, CommentWithMeta, CommentsWithMetas},
        roles::Metadata,
    },
};

const LONGEST_NAME: usize = 128;

impl From<CommentError> for ApiError {
    fn from(error: CommentError) -> Self {
        let message = error.to_string();
        match error {
            CommentError::Text => Self::invalid_parameter("message", message),
            CommentError::TooMany => Answer::TooManyComments.saying(message),
            CommentError::NotFound => Answer::NoSuchComment.saying(message),
            CommentError::NoSuchHost => Answer::NothingToComment.saying(message),
            CommentError::NotTheAuthor => Answer::NotTheAuthor.saying(message),
            CommentError::Conflict(_) => Answer::CommentConflict.saying(message),
            CommentError::Unfinished(error) => error.into(),
        }
    }
}

fn shown_comment(comment: Comment) -> ShownComment {
    ShownComment { id: comment.id, user_id: comment.user, message: comment.message }
}

fn versioned(comment: Comment) -> VersionedReply<ShownComment> {
    let (version, created_at, modified_at) =
        (comment.version, comment.created_at, comment.modified_at);
    with_version(shown_comment(comment), version, created_at, modified_at)
}

fn with_metadata(comment: Comment) -> CommentWithMeta {
    let metadata = Metadata {
        created_time: comment.created_at.rfc3339(),
        modified_time: comment.modified_at.rfc3339(),
        version: comment.version.to_string(),
    };
    CommentWithMeta { comment: shown_comment(comment), metadata }
}

/// The part of a host that a path names, if there is such a host.
struct Resource {
    runner: RunnerId,
    part: CommentedPart,
}

impl Resource {
    fn find(app: &App, kind: &str, id: &str) -> Result<Self, ApiError> {
        let part = CommentedPart::ALL.into_iter().find(|part| part.name() == kind);
        let found = part.and_then(|part| {
            let role = match part {
                CommentedPart::Allocator => Some(Role::Allocator),
                CommentedPart::Constructor => Some(Role::Coordinator),
                CommentedPart::Proxy => Some(Role::Proxy),
                CommentedPart::Runner => None,
            };
            Some(Self { runner: app.member(id, role)?.runner_id.clone(), part })
        });
        found.ok_or_else(|| {
            let [kind, id] = [kind, id].map(|text| cut(text, LONGEST_NAME));
            let message = format!("there is no {kind} {id}");
            Answer::NothingToComment.saying(message)
        })
    }

    fn commented(&self) -> Commented<'_> {
        Commented { runner: &self.runner, part: self.part }
    }
}

/// List the comments on an allocator, constructor, proxy or runner
#[utoipa::path(
    get,
    path = "/comments/{resource_type}/{resource_id}",
    operation_id = "list-comment",
    params(
        ("resource_type" = String, Path, description = "allocator, constructor, proxy or runner"),
        ("resource_id" = String, Path, description = "Its id"),
    ),
    responses(
        (status = 200, description = "The comments", body = CommentsWithMetas),
        (status = 404, description = "comments.resource_does_not_exist", body = FailedReply),
    )
)]
pub async fn list(
    permit: Permit<ReadHosts>,
    State(app): State<Arc<App>>,
    Path((kind, id)): Path<(String, String)>,
) -> Result<Listed, ApiError> {
    let resource = Resource::find(&app, &kind, &id)?;
    let found = comments(&app, resource.commented()).await?;
    let make = || CommentsWithMetas { values: found.into_iter().map(with_metadata).collect() };
    listed(&app, &permit, MOST, make).await
}

/// Comment on an allocator, constructor, proxy or runner
#[utoipa::path(
    post,
    path = "/comments/{resource_type}/{resource_id}",
    operation_id = "create-comment",
    params(
        ("resource_type" = String, Path, description = "allocator, constructor, proxy or runner"),
        ("resource_id" = String, Path, description = "Its id"),
    ),
    request_body = CommentRequest,
    responses(
        (status = 201, description = "The comment", body = ShownComment),
        (status = 400, description = "comments.too_many, root.invalid_body, root.invalid_parameter", body = FailedReply),
        (status = 404, description = "comments.resource_does_not_exist", body = FailedReply),
    )
)]
pub async fn create(
    permit: Permit<ChangeHosts>,
    State(app): State<Arc<App>>,
    Path((kind, id)): Path<(String, String)>,
    Body(request): Body<CommentRequest>,
) -> Result<(StatusCode, VersionedReply<ShownComment>), ApiError> {
    let resource = Resource::find(&app, &kind, &id)?;
    let (user, on) = (&permit.user.name, resource.commented());
    let made = create_comment(&app, &permit.origin, on, user, &request.message).await?;
    Ok((StatusCode::CREATED, versioned(made)))
}

/// Show a comment
#[utoipa::path(
    get,
    path = "/comments/{resource_type}/{resource_id}/{comment_id}",
    operation_id = "get-comment",
    params(
        ("resource_type" = String, Path, description = "allocator, constructor, proxy or runner"),
        ("resource_id" = String, Path, description = "Its id"),
        ("comment_id" = String, Path, description = "The comment's id"),
    ),
    responses(
        (status = 200, description = "The comment", body = ShownComment),
        (status = 404, description = "comments.resource_does_not_exist, comments.comment_does_not_exist", body = FailedReply),
    )
)]
pub async fn get(
    _permit: Permit<ReadHosts>,
    State(app): State<Arc<App>>,
    Path((kind, id, comment)): Path<(String, String, String)>,
) -> Result<VersionedReply<ShownComment>, ApiError> {
    let resource = Resource::find(&app, &kind, &id)?;
    let found = comments(&app, resource.commented()).await?;
    let found = found.into_iter().find(|it| it.id == comment).ok_or(CommentError::NotFound)?;
    Ok(versioned(found))
}

/// Change a comment: only who wrote it may
#[utoipa::path(
    put,
    path = "/comments/{resource_type}/{resource_id}/{comment_id}",
    operation_id = "update-comment",
    params(
        ("resource_type" = String, Path, description = "allocator, constructor, proxy or runner"),
        ("resource_id" = String, Path, description = "Its id"),
        ("comment_id" = String, Path, description = "The comment's id"),
        VersionParameter,
    ),
    request_body = CommentRequest,
    responses(
        (status = 200, description = "The comment", body = ShownComment),
        (status = 400, description = "root.invalid_body, root.invalid_parameter", body = FailedReply),
        (status = 401, description = "comments.unauthorised", body = FailedReply),
        (status = 404, description = "comments.resource_does_not_exist, comments.comment_does_not_exist", body = FailedReply),
        (status = 409, description = "comments.version_conflict", body = FailedReply),
    )
)]
pub async fn update(
    permit: Permit<ChangeHosts>,
    State(app): State<Arc<App>>,
    Path((kind, id, comment)): Path<(String, String, String)>,
    Query(version): Query<VersionParameter>,
    Body(request): Body<CommentRequest>,
) -> Result<VersionedReply<ShownComment>, ApiError> {
    let resource = Resource::find(&app, &kind, &id)?;
    let (user, comment) = (&permit.user.name, (&comment[..], version.get()?));
    let (origin, on) = (&permit.origin, resource.commented());
    Ok(versioned(update_comment(&app, origin, on, comment, user, &request.message).await?))
}

/// Delete a comment
#[utoipa::path(
    delete,
    path = "/comments/{resource_type}/{resource_id}/{comment_id}",
    operation_id = "delete-comment",
    params(
        ("resource_type" = String, Path, description = "allocator, constructor, proxy or runner"),
        ("resource_id" = String, Path, description = "Its id"),
        ("comment_id" = String, Path, description = "The comment's id"),
        VersionParameter,
    ),
    responses(
        (status = 200, description = "It is gone", body = EmptyResponse),
        (status = 404, description = "comments.resource_does_not_exist, comments.comment_does_not_exist", body = FailedReply),
        (status = 409, description = "comments.version_conflict", body = FailedReply),
    )
)]
pub async fn delete(
    permit: Permit<ChangeHosts>,
    State(app): State<Arc<App>>,
    Path((kind, id, comment)): Path<(String, String, String)>,
    Query(version): Query<VersionParameter>,
) -> Result<Json<EmptyResponse>, ApiError> {
    let resource = Resource::find(&app, &kind, &id)?;
    let on = resource.commented();
    delete_comment(&app, &permit.origin, on, &comment, version.get()?).await?;
    Ok(Json(EmptyResponse {}))
}
