use super::{Context, Outcome, Severity};
use crate::model::Code;

/// Whether a tag is named like something that is shown beside it.
pub(super) fn check(context: &Context<'_>) -> Option<Outcome> {
    let settings = context.settings;
    let all = [&settings.allocator_tags, &settings.proxy_tags];
    if all.iter().all(|tags| tags.0.is_empty()) {
        return None;
    }
    let names: Vec<&str> = all.iter().flat_map(|tags| tags.like_fields()).collect();
    let found = match names[..] {
        [] => "no tag is named like a field".to_owned(),
        _ => format!("tags named {}", names.join(", ")),
    };
    let none = names.is_empty();
    Some(Outcome::judge(Code::PreflightTags, none, Severity::Warning, found, "other names"))
}
