use crate::{
    client::ClientError,
    model::{Code, Failure},
};

/// An API answer in the words of the command line.
pub fn api_failure(error: ClientError) -> Failure {
    let ClientError::Refused { status, ref code, ref message, ref fix } = error else {
        return error.into();
    };
    let own = match status {
        401 => Code::ApiUnauthenticated,
        403 if code == "root.unauthorized.rbac" => Code::ApiForbidden,
        _ => Code::ApiRefused,
    };
    let failure = Failure::new(own, format!("{message} ({code})"));
    let better = fix.clone().or_else(|| what_helps(code).map(str::to_owned));
    match better.filter(|_| own == Code::ApiRefused) {
        Some(fix) => failure.with_fix(fix),
        None => failure,
    }
}

/// What to do about a refusal that is known by its code.
fn what_helps(code: &str) -> Option<&'static str> {
    Some(match code {
        "runners.runner_not_found" | "allocators.allocator_not_found" => {
            "'ece-agent host list' shows the hosts that there are."
        }
        "user.not_found" => "'ece-agent user list' shows the users that there are.",
        "enrollment_tokens.invalid_token_id" => {
            "'ece-agent token list' shows the tokens that are good, 'ece-agent token ledger' all."
        }
        "api_keys.key_not_found" => "'ece-agent apikey list' shows the keys that there are.",
        _ => return None,
    })
}
