//! Which part of a list is asked for.

use crate::coordinator::{
    http::{error::ApiError, extract::OptionalBody},
    search::{BadQuery, Fields, Order, Query, SearchRequest, query_from_json, query_from_text},
};
use axum::http::StatusCode;

pub struct Listing {
    pub query: Query,
    pub order: Order,
    pub page: Page,
}

#[derive(Clone, Copy)]
pub struct Page {
    pub from: usize,
    pub size: usize,
}

/// What it takes to show a host, in values that are looked at.
const SHOWN: usize = 10;

impl Listing {
    /// Values of each host that are looked at.
    pub fn looks(&self) -> usize {
        self.query.clauses() + self.order.keys() + SHOWN
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
        let bad = |name| {
            move |error: BadQuery| ApiError::InvalidParameter { name, reason: error.to_string() }
        };
        let number = |name, text: Option<&str>, default| match text {
            None | Some("") => Ok(default),
            // The contract has both in 32 bits.
            Some(text) => {
                text.parse::<i32>().ok().and_then(|number| usize::try_from(number).ok()).ok_or_else(
                    || ApiError::InvalidParameter {
                        name,
                        reason: "it is not a whole number from 0 to 2147483647".into(),
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
        })
    }

    /// As the body of a search says it; what cannot be read fails with `code`.
    pub fn from_body(
        code: &'static str,
        body: Result<OptionalBody<SearchRequest>, ApiError>,
    ) -> Result<Self, ApiError> {
        let failed = |message: String| ApiError::contract(StatusCode::BAD_REQUEST, code, message);
        let OptionalBody(request) = body.map_err(|error| error.naming_body(failed))?;
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
        })
    }
}
