use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::roles::Metadata;

#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Comment {
    pub id: String,
    /// The name of the user who wrote it.
    pub user_id: String,
    pub message: String,
}

#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct CommentWithMeta {
    pub comment: Comment,
    pub metadata: Metadata,
}

#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct CommentsWithMetas {
    /// The oldest first.
    pub values: Vec<CommentWithMeta>,
}

/// A new comment, or what one is to say instead.
#[derive(Debug, Deserialize, ToSchema)]
pub struct CommentRequest {
    pub message: String,
}
