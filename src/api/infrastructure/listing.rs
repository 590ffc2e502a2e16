//! Which part of a list is asked for.

use std::sync::Arc;

use serde::Serialize;

use crate::{
    api::{
        auth::{Permission, Permit},
        listed::Listed,
    },
    cluster::{app::App, hosts_now::HostsNow},
    http::{
        error::{Answer, ApiError},
        extract::OptionalBody,
    },
    search::{
        BadQuery, Effort, Fields, Order, Query, SearchRequest, Searchable, page, query_from_json,
        query_from_text,
    },
};

pub struct Listing {
    pub query: Query,
    pub order: Order,
    pub page: Page,
    /// The operation's answer to what cannot be asked for; `None` for a parameter.
    answer: Option<Answer>,
}

/// The search has asked for too much.
#[derive(Debug)]
pub struct TooMuch;

#[derive(Clone, Copy)]
pub struct Page {
    pub from: usize,
    pub size: usize,
}

/// What it takes to show a host, in values that are looked at.
const SHOWN: usize = 10;

/// Hosts that are passed by as fast as one value is looked at.
const PASSED: usize = 16;

impl Listing {
    /// Values of so many hosts that are looked at; many where it cannot be told how long they are.
    fn looks(&self, hosts: usize) -> usize {
        const MANY: usize = 10_000;
        let of_query = match &self.query {
            Query::All => 0,
            query if query.is_simple() => query.clauses(),
            _ => MANY,
        };
        let of_each = hosts.saturating_mul(of_query + self.order.keys());
        of_each.saturating_add(hosts / PASSED + self.page.size.min(hosts) * SHOWN)
    }

    /// The page of those of `all` that are found. No more are looked at than it takes.
    pub fn found<D: Searchable>(&self, all: impl Iterator<Item = D>) -> Result<Vec<D>, TooMuch> {
        let effort = Effort::default();
        let found = all.filter(|it| self.query.matches(it, &effort));
        let page = page(found, &self.order, self.page.from, self.page.size, &effort);
        if effort.is_used_up() { Err(TooMuch) } else { Ok(page) }
    }

    pub fn too_much(&self) -> ApiError {
        let reason = "it compares too much; ask for single fields, and with fewer wildcards";
        match self.answer {
            Some(answer) => answer.saying(reason),
            None => ApiError::invalid_parameter("q", reason),
        }
    }

    /// As parameters of a `GET` say it; an empty one says nothing. People write them: what is not
    /// among `fields` is a slip.
    pub fn from_parameters(
        fields: &Fields,
        q: Option<&str>,
        sort: Option<&str>,
        from: Option<&str>,
        size: Option<&str>,
    ) -> Result<Self, ApiError> {
        let bad =
            |name| move |error: BadQuery| ApiError::invalid_parameter(name, error.to_string());
        let number = |name, text: Option<&str>, default| match text {
            None | Some("") => Ok(default),
            // The contract has both in 32 bits.
            Some(text) => {
                text.parse::<i32>().ok().and_then(|number| usize::try_from(number).ok()).ok_or_else(
                    || {
                        ApiError::invalid_parameter(
                            name,
                            "it is not a whole number from 0 to 2147483647",
                        )
                    },
                )
            }
        };
        Ok(Self {
            query: query_from_text(q.unwrap_or_default(), false)
                .and_then(|query| query.of_known_fields(fields))
                .map_err(bad("q"))?,
            order: Order::from_text(sort.unwrap_or_default()).map_err(bad("sort"))?,
            page: Page { from: number("from", from, 0)?, size: number("size", size, usize::MAX)? },
            answer: None,
        })
    }

    /// As the body of a search says it; what cannot be read fails with `answer`.
    pub fn from_body(
        answer: Answer,
        body: Result<OptionalBody<SearchRequest>, ApiError>,
    ) -> Result<Self, ApiError> {
        let failed = |message: String| answer.saying(message);
        let OptionalBody(request) = body.map_err(|error| error.naming_body(answer))?;
        let bad = |error: BadQuery| failed(error.to_string());
        let number = |number: Option<i32>, default, name: &str| match number {
            None => Ok(default),
            Some(number) => usize::try_from(number)
                .map_err(|_| failed(format!("{name} is a whole number from 0 on"))),
        };
        // Clients in Go leave a zero out, and mean none of their own by it.
        let size = request.size.filter(|size| *size != 0);
        Ok(Self {
            query: match &request.query {
                Some(query) => query_from_json(query).map_err(bad)?,
                None => Query::All,
            },
            order: Order::from_json(&request.sort.unwrap_or_default()).map_err(bad)?,
            page: Page {
                from: number(request.from, 0, "from")?,
                size: number(size, usize::MAX, "size")?,
            },
            answer: Some(answer),
        })
    }
}

/// The reply that `make` makes of the hosts that are found.
pub async fn found_hosts<P: Permission, T: Serialize + 'static>(
    app: &Arc<App>,
    permit: &Permit<P>,
    listing: Listing,
    make: fn(HostsNow<'_>, &Listing) -> Result<T, TooMuch>,
) -> Result<Listed, ApiError> {
    let looks = listing.looks(app.registry.count_hosts());
    let of = app.clone();
    let work = move || {
        let made = make(of.hosts_now(), &listing).map_err(|TooMuch| listing.too_much());
        made.and_then(|made| serde_json::to_vec(&made).map_err(|_| Answer::Internal.into()))
    };
    let json = app.lists.make(&permit.user.name, looks, work).await??;
    Listed::of(app, permit, json)
}
