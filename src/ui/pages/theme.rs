use axum::http::header;

use crate::ui::{
    error::{PageResult, see_other},
    forms::{Open, own_path},
    session::Theme,
};

pub async fn choose(Open(fields): Open) -> PageResult {
    let mut response = see_other(own_path(fields.one("to")).unwrap_or("/"));
    if let Some(cookie) = Theme::named(fields.one("theme")).set_cookie() {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    Ok(response)
}
