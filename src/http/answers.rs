use axum::http::StatusCode;

use crate::model::{Code, Exit};

/// The status and the code of an answer that is no success.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    pub status: StatusCode,
    pub code: &'static str,
    /// What of ours is behind a code of ECE's.
    pub cause: Option<Code>,
}

macro_rules! answers {
    ($($name:ident $status:ident $code:literal $(because $cause:ident)? : $says:literal)*) => {
        /// Everything that a request can be told instead of success: the one table of statuses and
        /// codes. What has a code that ECE's API names has that one.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Answer {
            $($name,)*
            /// What a host is told, in whose language codes are those of this program.
            Host(Code),
        }

        impl Answer {
            pub fn row(self) -> Row {
                match self {
                    $(Self::$name => Row {
                        status: StatusCode::$status,
                        code: $code,
                        cause: None$(.or(Some(Code::$cause)))?,
                    },)*
                    Self::Host(code) => {
                        Row { status: status_for_host(code), code: code.name(), cause: None }
                    }
                }
            }

            /// In words, as long as there is nothing better to say.
            pub fn says(self) -> &'static str {
                match self {
                    $(Self::$name => $says,)*
                    Self::Host(code) => code.cause(),
                }
            }

            #[cfg(test)]
            const OF_API: &[Self] = &[$(Self::$name),*];
        }
    };
}

fn status_for_host(code: Code) -> StatusCode {
    match code.exit() {
        Exit::Refused | Exit::TokenRefusedLocally => StatusCode::FORBIDDEN,
        Exit::Success
        | Exit::General
        | Exit::CommandFailed
        | Exit::BadArgument
        | Exit::WrongUser
        | Exit::Preflight
        | Exit::Unreachable
        | Exit::NotTrusted
        | Exit::NotConnectedInTime => StatusCode::BAD_REQUEST,
    }
}

answers! {
    Unauthenticated UNAUTHORIZED "root.unauthenticated":
        "authentication is required, and these credentials are not accepted"
    NoSession UNAUTHORIZED "root.unauthorized": "the session is over, or there never was one"
    Forbidden FORBIDDEN "root.unauthorized.rbac": "this user may not do that"
    TooOften TOO_MANY_REQUESTS "root.too_many_requests":
        "this client asks too often; try again in a second"
    NoSuchPath NOT_FOUND "root.resource_not_found": "there is nothing of this kind"
    MethodNotAllowed METHOD_NOT_ALLOWED "root.method_not_allowed":
        "this path does not take that method"
    InvalidBody BAD_REQUEST "root.invalid_body": "the request's body is not valid"
    BodyTooLarge PAYLOAD_TOO_LARGE "root.body_too_large": "the request's body is too large"
    InvalidParameter BAD_REQUEST "root.invalid_parameter": "a parameter is not valid"
    NotJson UNSUPPORTED_MEDIA_TYPE "root.unsupported_media_type":
        "the body of a change is application/json"
    NotServed NOT_IMPLEMENTED "root.not_implemented": "this version does not serve that"
    Unreadable INTERNAL_SERVER_ERROR "root.unreadable_document" because StoreUnreadableDocument:
        "what is stored cannot be read; a PUT of all of it replaces it"
    UnreadableHost INTERNAL_SERVER_ERROR "root.unreadable_host" because StoreUnreadableHost:
        "what is stored of the host cannot be read"
    DiskFull INSUFFICIENT_STORAGE "root.datastore_full" because StoreFailed:
        "the disk that holds the datastore is full"
    StoreUnavailable SERVICE_UNAVAILABLE "root.datastore_unavailable" because StoreUnavailable:
        "the datastore cannot be reached at the moment; try again"
    OutcomeUnknown SERVICE_UNAVAILABLE "root.outcome_unknown" because StoreOutcomeUnknown:
        "whether the change was made is not known"
    Contended SERVICE_UNAVAILABLE "root.contended":
        "what this depends on changes too fast at the moment; try again"
    Internal INTERNAL_SERVER_ERROR "root.internal_error":
        "the coordinator met an error of its own; its log has the reason under the request id"

    InvalidTokenRequest BAD_REQUEST "enrollment_tokens.invalid_token_request":
        "the request for a token is not valid"
    NoSigningKey FORBIDDEN "enrollment_tokens.signing_key_not_found":
        "the cluster has no key to sign tokens with"
    NoSuchToken NOT_FOUND "enrollment_tokens.invalid_token_id": "there is no such token"

    NoSuchAllocator NOT_FOUND "allocators.allocator_not_found": "there is no such allocator"
    AllocatorConnected BAD_REQUEST "allocators.delete_connected_allocator_attempt":
        "the allocator is connected; stop its daemon first"
    AllocatorConflict CONFLICT "allocators.version_conflict": "the allocator has changed since"
    AllocatorSearch BAD_REQUEST "allocators.search_failed": "the search is not valid"
    AllocatorSettings BAD_REQUEST "allocators.invalid_settings": "the settings are not valid"
    AllocatorMetadata BAD_REQUEST "allocators.invalid_empty_metadata_items":
        "the labels are not valid"
    AllocatorLabel BAD_REQUEST "allocators.invalid_empty_metadata_item": "the label is not valid"

    NoSuchRunner NOT_FOUND "runners.runner_not_found": "there is no such runner"
    RunnerSearch BAD_REQUEST "runners.search_failed": "the search is not valid"
    RunnerRoles BAD_REQUEST "runners.runner_set_roles_failed": "the roles were not set"
    RunnerConflict CONFLICT "runners.version_conflict": "the runner has changed since"
    RunnerDeletion BAD_REQUEST "runners.runner_deletion_failed": "the runner was not deleted"

    NoSuchProxy NOT_FOUND "proxies.proxy_not_found": "there is no such proxy"
    ProxiesConflict CONFLICT "proxies.version_conflict": "the settings have changed since"
    NoSuchGroup NOT_FOUND "proxies.proxies_filtered_group_not_found": "there is no such group"
    GroupExists BAD_REQUEST "proxies.proxies_filtered_group_already_exists":
        "there is such a group already"
    GroupConflict CONFLICT "proxies.proxies_filtered_group_version_conflict":
        "the group has changed since"
    GroupEmptyId BAD_REQUEST "proxies.proxies_filtered_group_empty_id": "an id has 1 to 128 bytes"
    GroupIds BAD_REQUEST "proxies.proxies_filtered_group_id_conflict":
        "body and path name different groups"
    TooManyGroups BAD_REQUEST "proxies.too_many_filtered_groups": "there are too many groups"

    NoSuchRole NOT_FOUND "roles.not_found": "there is no such role"
    RoleExists CONFLICT "roles.already_exists": "there is such a role already"
    RoleConflict CONFLICT "roles.version_conflict": "the role has changed since"
    RoleInUse BAD_REQUEST "roles.in_use": "hosts have the role"
    TooManyRoles BAD_REQUEST "roles.too_many": "there are too many roles"

    NoSuchCoordinator NOT_FOUND "coordinators.coordinator_not_found":
        "there is no such coordinator"
    NoSuchCandidate NOT_FOUND "coordinators.candidate_not_found":
        "there is no such candidate"
    NotDemoted BAD_REQUEST "coordinators.coordinator_demote_failed":
        "the coordinator keeps its role"
    NoSuchConstructor NOT_FOUND "constructors.constructor_not_found":
        "there is no such constructor"
    ConstructorCommand FORBIDDEN "constructors.command_prohibited":
        "a constructor is its coordinator, which is never in maintenance mode"

    NoSuchUser NOT_FOUND "user.not_found": "there is no such user"
    UserExists CONFLICT "user.user_name.conflict": "there is such a user already"
    UserName BAD_REQUEST "user.user_name.invalid": "this cannot be a user's name"
    UserRoles BAD_REQUEST "user.roles.invalid": "there is no such role of users"
    UserFixed BAD_REQUEST "user.cannot_modify": "this user stays as it is"
    UserField BAD_REQUEST "user.restricted_field": "this cannot be changed so"
    UserDeletion BAD_REQUEST "user.restricted_deletion": "nobody deletes themselves"
    TooManyUsers BAD_REQUEST "user.too_many": "there are too many users"
    AssignedToNobody BAD_REQUEST "role_assignments.invalid_target_user_id":
        "there is no such user"
    AssignmentRefused FORBIDDEN "role_assignments.unauthorized_role_assignments":
        "these roles stay as they are"

    InvalidApiKey BAD_REQUEST "api_keys.invalid_input": "the key cannot be so"
    NoSuchApiKey NOT_FOUND "api_keys.key_not_found": "there is no such key"
    NoSuchUserOfKeys NOT_FOUND "api_keys.user_not_found": "there is no such user"

    NoSuchComment NOT_FOUND "comments.comment_does_not_exist": "there is no such comment"
    NothingToComment NOT_FOUND "comments.resource_does_not_exist": "there is no such thing"
    NotTheAuthor UNAUTHORIZED "comments.unauthorised": "a comment is its author's"
    CommentConflict CONFLICT "comments.version_conflict": "the comment has changed since"
    TooManyComments BAD_REQUEST "comments.too_many": "there are too many comments on it"

    NoBaseUrl NOT_FOUND "adminconsole.base_url.not_found": "no URL was set"
    BaseUrlConflict CONFLICT "adminconsole.base_url.version_conflict": "it has changed since"
    BaseUrlVersion BAD_REQUEST "adminconsole.base_url.bad_version_format":
        "the version is not a number"
    BaseUrlUnreadable INTERNAL_SERVER_ERROR "adminconsole.base_url.invalid_persisted_data":
        "what is stored is not a URL"

    NoSuchDeployment NOT_FOUND "deployments.deployment_not_found": "there is no such deployment"
    NoSuchExtension NOT_FOUND "extensions.not_found": "there is no such extension"
    NoSuchTrafficFilter NOT_FOUND "traffic_filter.not_found": "there is no such traffic filter"
    NoSuchTemplate NOT_FOUND "templates.template_not_found": "there is no such template"
    NoSuchTemplateRegion BAD_REQUEST "templates.region_not_found": "there is no such region"
    NoSuchStack NOT_FOUND "stackpack.version_not_found": "there is no such stack version"
    NoSuchInstanceConfiguration NOT_FOUND "configuration.instance_configuration_not_found":
        "there is no such instance configuration"
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn a_code_has_one_status_and_a_failing_one() {
        let mut statuses = BTreeMap::new();
        for Row { status, code, .. } in Answer::OF_API.iter().map(|answer| answer.row()) {
            assert!(status.is_client_error() || status.is_server_error(), "{code}");
            assert_eq!(*statuses.entry(code).or_insert(status), status, "{code}");
        }
    }
}
