//! What has changed, as it happens: one stream for all pages of a browser.

use std::{
    collections::{BTreeSet, HashMap},
    convert::Infallible,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    body::{Body, Bytes},
    extract::State,
    http::{HeaderMap, header},
    response::IntoResponse,
};
use hyper::body::Frame;
use serde_json::json;
use tokio::{sync::mpsc, time::sleep};

use super::{
    Ui,
    error::{PageError, PageResult},
    forms::Asked,
    session::{SignedIn, secret},
};
use crate::{
    cluster::{
        news::{About, NewsReader, Unread},
        operations::web_sessions::signed_in,
        permissions::{ManageTokens, OwnAccount, Permission, ReadHosts},
    },
    http::error::Answer,
    model::Secret,
};

/// How long what changes is gathered before it is told.
const GATHERED: Duration = Duration::from_millis(300);

/// How often something is sent, so that nobody on the way takes the stream for dead, and it is seen
/// whether its user is still signed in.
const BEAT: Duration = Duration::from_secs(15);

/// Names that one event tells; where more has changed, pages look at everything.
const MOST_NAMED: usize = 200;

/// Streams of one user: one for each of their browsers.
const MOST_OF_A_USER: usize = 32;

/// Who has how many streams.
#[derive(Clone, Default)]
pub struct Streams(Arc<Mutex<HashMap<String, usize>>>);

/// One stream's place.
struct Place {
    streams: Streams,
    user: String,
}

impl Streams {
    fn place(&self, user: &str) -> Option<Place> {
        let mut all = self.0.lock().expect("no panic while held");
        let theirs = all.entry(user.to_owned()).or_default();
        if *theirs >= MOST_OF_A_USER {
            return None;
        }
        *theirs += 1;
        Some(Place { streams: self.clone(), user: user.to_owned() })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut all = self.streams.0.lock().expect("no panic while held");
        if let Some(theirs) = all.get_mut(&self.user) {
            *theirs -= 1;
            if *theirs == 0 {
                all.remove(&self.user);
            }
        }
    }
}

struct Chunks(mpsc::Receiver<Bytes>);

impl hyper::body::Body for Chunks {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(cx).map(|chunk| chunk.map(|it| Ok(Frame::data(it))))
    }
}

/// Up to which revision somebody knows everything.
fn known(headers: &HeaderMap, Asked(asked): &Asked) -> Option<u64> {
    let last = headers.get("last-event-id").and_then(|id| id.to_str().ok());
    last.unwrap_or(asked.one("since")).parse().ok()
}

pub async fn stream(
    State(ui): State<Arc<Ui>>,
    headers: HeaderMap,
    asked: Asked,
    by: Result<SignedIn<OwnAccount>, PageError>,
) -> PageResult {
    // A redirection to a page would be read as a stream.
    let Ok(by) = by else { return Ok(axum::http::StatusCode::UNAUTHORIZED.into_response()) };
    let secret = secret(&headers).ok_or(Answer::Unauthenticated)?;
    let too_many = || Answer::TooOften.saying("too many pages of this user are open");
    let place = ui.streams.place(&by.session.user.name).ok_or_else(too_many)?;
    let reader = ui.app.liveness.news.reader(known(&headers, &asked));
    let (sender, receiver) = mpsc::channel(1);
    tokio::spawn(async move {
        let _held = place;
        tokio::select! {
            () = tell(&ui, reader, &secret, &sender) => {}
            () = sender.closed() => {}
            () = ui.app.shutdown.wait() => {}
        }
    });
    let kind = [(header::CONTENT_TYPE, "text/event-stream")];
    Ok((kind, Body::new(Chunks(receiver))).into_response())
}

async fn tell(ui: &Ui, mut reader: NewsReader, secret: &Secret, to: &mpsc::Sender<Bytes>) {
    let mut text = String::from("retry: 2000\n\n");
    loop {
        if to.send(text.into()).await.is_err() {
            return;
        }
        let news = tokio::select! {
            () = reader.wait() => true,
            () = sleep(BEAT) => false,
        };
        if news {
            sleep(GATHERED).await;
        }
        let Some(session) = signed_in(&ui.app, secret) else {
            let _gone_anyway = to.send(Bytes::from_static(b"event: over\ndata: {}\n\n")).await;
            return;
        };
        text = match news {
            true => event(reader.read(), |about| match about {
                About::Host(_) => ReadHosts::allows(&session.user),
                About::Token(_) => ManageTokens::allows(&session.user),
                About::Users => false,
            }),
            false => String::from(":\n\n"),
        };
    }
}

/// An event of what has changed and may be seen.
fn event(unread: Unread, may_see: impl Fn(&About) -> bool) -> String {
    let Unread { revision, about, missed } = unread;
    let about: BTreeSet<About> = about.into_iter().filter(may_see).collect();
    if missed || about.len() > MOST_NAMED {
        return format!("id: {revision}\nevent: reset\ndata: {{}}\n\n");
    }
    let mut hosts = Vec::new();
    let mut tokens = Vec::new();
    for about in &about {
        match about {
            About::Host(runner) => hosts.push(runner.as_str().to_owned()),
            About::Token(token) => tokens.push(token.to_string()),
            About::Users => {}
        }
    }
    match about.is_empty() {
        true => String::from(":\n\n"),
        false => {
            let data = json!({ "hosts": hosts, "tokens": tokens });
            format!("id: {revision}\nevent: changed\ndata: {data}\n\n")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(many: usize) -> BTreeSet<About> {
        (0..many).map(|it| About::Host(format!("h{it}").parse().expect("an id"))).collect()
    }

    #[test]
    fn an_event_names_what_has_changed_unless_it_is_too_much_or_some_was_missed() {
        let of = |about, missed| event(Unread { revision: 7, about, missed }, |_| true);
        let told = "id: 7\nevent: changed\ndata: {\"hosts\":[\"h0\"],\"tokens\":[]}\n\n";
        assert_eq!(of(hosts(1), false), told);
        for reset in [of(hosts(MOST_NAMED + 1), false), of(hosts(1), true)] {
            assert_eq!(reset, "id: 7\nevent: reset\ndata: {}\n\n");
        }
        let hidden = Unread { revision: 7, about: hosts(1), missed: false };
        assert_eq!(event(hidden, |_| false), ":\n\n");
    }

    #[test]
    fn a_user_has_a_bounded_number_of_streams_and_gives_them_back() {
        let streams = Streams::default();
        let mut held: Vec<_> = (0..MOST_OF_A_USER).map(|_| streams.place("a")).collect();
        assert!(held.iter().all(Option::is_some));
        assert!(streams.place("a").is_none() && streams.place("b").is_some());
        held.pop();
        assert!(streams.place("a").is_some());
    }
}
