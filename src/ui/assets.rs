//! What pages are made of beside their HTML. Browsers keep nothing behind a certificate warning, so
//! it is small; the digest in its name lets all others keep it for good.

use std::sync::LazyLock;

use aws_lc_rs::digest::{SHA256, digest};
use axum::{
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};

use super::error::PageError;
use crate::http::{error::Answer, extract::Path};

struct Asset {
    path: String,
    etag: String,
    kind: &'static str,
    plain: &'static [u8],
    compressed: &'static [u8],
}

/// Where a page finds them.
pub struct Assets {
    all: [Asset; 4],
}

macro_rules! asset {
    ($name:literal, $kind:literal) => {
        Asset::new(
            $name,
            $kind,
            include_bytes!(concat!("assets/", $name)),
            include_bytes!(concat!(env!("OUT_DIR"), "/", $name, ".gz")),
        )
    };
}

static ASSETS: LazyLock<Assets> = LazyLock::new(|| Assets {
    all: [
        asset!("style.css", "text/css; charset=utf-8"),
        asset!("page.js", "text/javascript; charset=utf-8"),
        asset!("stream.js", "text/javascript; charset=utf-8"),
        asset!("icon.svg", "image/svg+xml"),
    ],
});

impl Asset {
    fn new(
        name: &str,
        kind: &'static str,
        plain: &'static [u8],
        compressed: &'static [u8],
    ) -> Self {
        let digest = hex::encode(&digest(&SHA256, plain).as_ref()[..8]);
        let (path, etag) = (format!("/assets/{digest}-{name}"), format!("\"{digest}\""));
        Self { path, etag, kind, plain, compressed }
    }
}

impl Assets {
    pub fn get() -> &'static Self {
        &ASSETS
    }

    pub fn style(&self) -> &str {
        &self.all[0].path
    }

    pub fn page(&self) -> &str {
        &self.all[1].path
    }

    pub fn stream(&self) -> &str {
        &self.all[2].path
    }

    pub fn icon(&self) -> &str {
        &self.all[3].path
    }
}

fn takes_gzip(headers: &HeaderMap) -> bool {
    let accepted = headers.get(header::ACCEPT_ENCODING).and_then(|it| it.to_str().ok());
    let mut codings = accepted.unwrap_or_default().split(',').map(str::trim);
    codings
        .any(|coding| coding == "gzip" || (coding.starts_with("gzip;") && !coding.ends_with("q=0")))
}

pub async fn serve(Path(name): Path<String>, headers: HeaderMap) -> Result<Response, PageError> {
    let asset =
        ASSETS.all.iter().find(|it| it.path.strip_prefix("/assets/") == Some(name.as_str()));
    let asset = asset.ok_or(Answer::NoSuchPath)?;
    let etag = HeaderValue::from_str(&asset.etag).map_err(|_| Answer::Internal)?;
    let known = headers.get(header::IF_NONE_MATCH) == Some(&etag);
    let mut response = match (known, takes_gzip(&headers)) {
        (true, _) => StatusCode::NOT_MODIFIED.into_response(),
        (false, true) => ([(header::CONTENT_ENCODING, "gzip")], asset.compressed).into_response(),
        (false, false) => asset.plain.into_response(),
    };
    let all = response.headers_mut();
    all.insert(header::ETAG, etag);
    all.insert(header::CONTENT_TYPE, HeaderValue::from_static(asset.kind));
    all.insert(header::VARY, HeaderValue::from_static("Accept-Encoding"));
    let for_good = HeaderValue::from_static("private, max-age=31536000, immutable");
    all.insert(header::CACHE_CONTROL, for_good);
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_scripts_together_have_at_most_10_kb() {
        let scripts = ASSETS.all.iter().filter(|it| it.kind.starts_with("text/javascript"));
        let bytes: usize = scripts.map(|it| it.plain.len()).sum();
        assert!((1..=10_000).contains(&bytes), "{bytes}");
    }

    #[test]
    fn what_is_compressed_is_smaller() {
        for asset in &ASSETS.all {
            assert!(asset.compressed.len() < asset.plain.len(), "{}", asset.path);
        }
    }
}
