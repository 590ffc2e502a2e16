use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The header that repeats the codes of a failed reply.
pub const HEADER_ERROR_CODES: &str = "x-cloud-error-codes";

/// The body of every reply that is not a success.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct FailedReply {
    /// Never empty.
    pub errors: Vec<FailedReplyElement>,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct FailedReplyElement {
    /// ECE's code where its API names one, else one of ece-agent's.
    pub code: String,
    pub message: String,
    /// The fields of the request that are at fault.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fields: Option<Vec<String>>,
    /// ece-agent's own, finer code, where `code` is ECE's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause_code: Option<String>,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fix: Option<String>,
}
