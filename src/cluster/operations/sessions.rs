use std::sync::Arc;

use crate::{
    cluster::{app::App, records::UserRecord, sessions::Way},
    model::Secret,
};

/// The user whose session this is, as they are now.
pub fn user_of_session(app: &App, text: &Secret) -> Option<Arc<UserRecord>> {
    let name = app.sessions.user(text.expose())?;
    let user = app.registry.view().enabled_user(&name)?;
    app.sessions.holds(text.expose(), &user).then_some(user)
}

/// A new session; `None` if the user was shut out meanwhile: it must not wait for their return.
pub fn open_session(app: &App, user: &UserRecord, way: Way) -> Option<Secret> {
    let text = app.sessions.open(user, way);
    if user_of_session(app, &text).is_none() {
        app.sessions.close(text.expose());
        return None;
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::{
        operations::users::{UserEdit, update_user},
        testing::TestCluster,
    };

    #[tokio::test]
    async fn who_was_shut_out_after_the_check_gets_no_session_in_either_way() {
        let cluster = TestCluster::start().await;
        let app = &cluster.app;
        let checked = app.registry.view().user("readonly").expect("there");
        for way in [Way::Api, Way::Socket] {
            assert!(open_session(app, &checked, way).is_some());
        }
        let edit = UserEdit { enabled: Some(false), ..Default::default() };
        update_user(app, &cluster.origin(), "readonly", &edit).await.expect("disabled");
        for way in [Way::Api, Way::Socket] {
            assert!(open_session(app, &checked, way).is_none());
        }
        assert_eq!(app.sessions.count(), 0);
    }
}
