//! `GET /v1/models/M[/versions/N|/labels/L]/artifacts[/NAME]`: what was made of a version for other places.

use std::borrow::Cow;
use std::fs::File;
use std::sync::Arc;

use http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_RANGE, CONTENT_TYPE, ETAG, IF_NONE_MATCH, IF_RANGE, RANGE,
    X_CONTENT_TYPE_OPTIONS,
};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use taxiway_engine::{Error, ErrorKind, Result};

use super::Refusal;
use super::answer::{Answer, JSON};
use super::outgoing::Outgoing;
use super::path::{self, Named};
use crate::api::artifacts;
use crate::metrics::Tracked;
use crate::render::models;
use crate::server::Core;
use crate::table::Artifact;

/// The target whose files are web pages.
const PAGES: &str = "browser";

/// What is asked for.
pub(super) type Asked<'a> = Result<(Named<'a>, Cow<'a, str>)>;

/// What a request wants to download; `None` when it wants something else.
pub(super) fn find<'a>(core: &Core, parts: &'a Parts) -> Option<Asked<'a>> {
    if !core.artifacts || !matches!(parts.method, Method::GET | Method::HEAD) {
        return None;
    }
    path::artifact(parts.uri.path())
}

/// Answers with the list, the file, a part of it, or that the client has it.
pub(super) async fn answer(
    core: &Core,
    headers: &HeaderMap,
    asked: Asked<'_>,
    tracked: &mut Tracked<'_>,
) -> Result<Response<Outgoing>, Refusal> {
    let (named, name) = asked?;
    tracked.about(named.target().model);
    let table = core.table.load_full();
    if name.is_empty() {
        let (lease, listed) = artifacts::list(&table, named.target())?;
        tracked.told_of(&lease.header);
        return Ok(Answer::ok(JSON, models::artifacts(&lease, listed)?).into_response());
    }
    let (version, artifact) = artifacts::find(&table, named.target(), &name)?;
    tracked.told_of(&version);
    Ok(file(core, headers, &name, artifact).await?)
}

async fn file(core: &Core, headers: &HeaderMap, name: &str, artifact: &Artifact) -> Result<Response<Outgoing>> {
    let tag = format!("\"{}\"", artifact.sha256);
    let about = |mut response: Response<Outgoing>| {
        let headers = response.headers_mut();
        if let Ok(tag) = HeaderValue::try_from(&tag) {
            headers.insert(ETAG, tag);
        }
        headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        // A label moves, and an artefact is built again: whoever keeps one asks whether it is still the one.
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        if artifact.target == PAGES {
            // A page that is isolated gets shared memory, without which wasm has no threads.
            headers.insert("cross-origin-opener-policy", HeaderValue::from_static("same-origin"));
            headers.insert("cross-origin-embedder-policy", HeaderValue::from_static("require-corp"));
        }
        response
    };
    if has(headers, &tag) {
        let mut response = Response::new(Outgoing::whole(Vec::new()));
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        return Ok(about(response));
    }
    let whole = headers.get(IF_RANGE).is_some_and(|known| known.as_bytes() != tag.as_bytes());
    let wanted = headers.get(RANGE).filter(|_| !whole).and_then(|range| range.to_str().ok());
    let (status, part) = match wanted.map_or(Wanted::Whole, |range| read_range(range, artifact.bytes)) {
        Wanted::Whole => (StatusCode::OK, (0, artifact.bytes)),
        Wanted::Part(start, end) => (StatusCode::PARTIAL_CONTENT, (start, end)),
        Wanted::Nothing => {
            let message = format!("{name} has {} bytes, none of them in the range asked for", artifact.bytes);
            let mut response = Answer::error(StatusCode::RANGE_NOT_SATISFIABLE, &message).into_response();
            insert(&mut response, &format!("bytes */{}", artifact.bytes));
            return Ok(about(response));
        }
    };
    let (start, end) = part;
    let mut response = Response::new(Outgoing::file(open(core, name, artifact).await?, start, end - start));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type(name)));
    if status == StatusCode::PARTIAL_CONTENT {
        insert(&mut response, &format!("bytes {start}-{}/{}", end - 1, artifact.bytes));
    }
    Ok(about(response))
}

fn insert(response: &mut Response<Outgoing>, range: &str) {
    if let Ok(range) = HeaderValue::try_from(range) {
        response.headers_mut().insert(CONTENT_RANGE, range);
    }
}

/// Whether the client says that it has what the tag stands for.
fn has(headers: &HeaderMap, tag: &str) -> bool {
    let known = headers.get_all(IF_NONE_MATCH).into_iter().filter_map(|known| known.to_str().ok());
    known
        .flat_map(|known| known.split(','))
        .map(|known| known.trim().trim_start_matches("W/"))
        .any(|known| known == "*" || known == tag)
}

/// What a `Range` header comes to.
#[derive(Debug, PartialEq, Eq)]
enum Wanted {
    Whole,
    /// From the first byte to just before the last.
    Part(u64, u64),
    Nothing,
}

/// Reads a range of bytes. What is no range, or several, is answered with the whole file, as HTTP allows.
fn read_range(range: &str, bytes: u64) -> Wanted {
    let Some((first, last)) = range.strip_prefix("bytes=").and_then(|range| range.trim().split_once('-')) else {
        return Wanted::Whole;
    };
    let part = match (first.parse::<u64>(), last.parse::<u64>()) {
        (Ok(first), Ok(last)) if first <= last => (first, last.saturating_add(1).min(bytes)),
        (Ok(first), Err(_)) if last.is_empty() => (first, bytes),
        (Err(_), Ok(last)) if first.is_empty() => (bytes.saturating_sub(last), bytes),
        _ => return Wanted::Whole,
    };
    if part.0 < part.1 { Wanted::Part(part.0, part.1) } else { Wanted::Nothing }
}

/// Opens the file, on a thread that may block.
///
/// # Errors
/// `NotFound` when this machine does not have it, and those of [`Checked::open`](super::checked::Checked::open).
async fn open(core: &Core, name: &str, artifact: &Artifact) -> Result<File> {
    let Some(path) = artifact.path.clone() else {
        let message = format!("This server does not have {name}: {}", artifact.missing);
        return Err(Error::new(ErrorKind::NotFound, message));
    };
    let (checked, name) = (Arc::clone(&core.checked), name.to_owned());
    let (bytes, sha256) = (artifact.bytes, artifact.sha256.clone());
    let opened = tokio::task::spawn_blocking(move || checked.open(&name, &path, bytes, &sha256));
    opened.await.unwrap_or_else(|error| Err(Error::new(ErrorKind::Internal, error.to_string())))
}

fn content_type(name: &str) -> &'static str {
    match name.rsplit_once('.').map_or("", |(_, suffix)| suffix) {
        "json" => JSON,
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "txt" | "md" | "ts" => "text/plain; charset=utf-8",
        "wasm" => "application/wasm",
        "webmanifest" => "application/manifest+json",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_a_part_all_or_nothing() {
        for (range, expected) in [
            ("bytes=0-0", Wanted::Part(0, 1)),
            ("bytes=2-5", Wanted::Part(2, 6)),
            ("bytes=2-", Wanted::Part(2, 10)),
            ("bytes=2-99", Wanted::Part(2, 10)),
            ("bytes=2-18446744073709551615", Wanted::Part(2, 10)),
            ("bytes=-3", Wanted::Part(7, 10)),
            ("bytes=-99", Wanted::Part(0, 10)),
            ("bytes=10-", Wanted::Nothing),
            ("bytes=-0", Wanted::Nothing),
            ("bytes=5-2", Wanted::Whole),
            ("bytes=0-1,4-5", Wanted::Whole),
            ("bytes=-", Wanted::Whole),
            ("bytes=a-b", Wanted::Whole),
            ("rows=0-1", Wanted::Whole),
            ("", Wanted::Whole),
        ] {
            assert_eq!(read_range(range, 10), expected, "{range}");
        }
        assert_eq!(read_range("bytes=0-", 0), Wanted::Nothing);
    }
}
