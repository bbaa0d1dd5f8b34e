//! Artefacts over REST: downloads of what was made of a version, and of nothing else.

use std::fmt::Write;
use std::path::Path;

use serde_json::{Value, json};
use taxiway_engine::fake::FakeEngine;
use taxiway_server::LoadedVersion;

use crate::http_client::Answer;
use crate::serving::{Serving, table};

/// Content that shows where a part of it is from, of any length.
fn text(bytes: usize) -> String {
    let mut text = String::with_capacity(bytes + 8);
    for number in 0..bytes.div_ceil(8) {
        write!(text, "{number:07} ").unwrap();
    }
    text.truncate(bytes);
    text
}

fn sha256(bytes: &[u8]) -> String {
    ring::digest::digest(&ring::digest::SHA256, bytes).as_ref().iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

/// The `ETag` of a text of so many bytes.
fn tag(bytes: usize) -> String {
    format!("\"{}\"", sha256(text(bytes).as_bytes()))
}

/// A server with versions 1 and 3 of `half`; 3 is labelled `stable` and has artefacts in `folder`.
fn serving(folder: &Path, bytes: usize) -> (Serving, [LoadedVersion; 2]) {
    let serving = Serving::start(&json!({"io_threads": 1}));
    let versions = [1, 3].map(|version| serving.add("half", version, FakeEngine::half_plus_two()));
    std::fs::write(folder.join("int8"), text(bytes)).unwrap();
    std::fs::write(folder.join("page"), "<p>").unwrap();
    std::fs::write(folder.join("secret"), "secret").unwrap();
    let entry = |path: Option<&str>, bytes: usize, sha256: &str| {
        json!({
            "target": "edge", "variant": "int8", "bytes": bytes, "sha256": sha256, "contract": {"agreement": 0.99},
            "path": path.map(|path| folder.join(path)), "missing": path.map_or("it is in s3://bucket/half/3", |_| ""),
        })
    };
    let mut document = table(&versions.each_ref());
    let of_a_page = |mut entry: Value| {
        entry["target"] = json!("browser");
        entry
    };
    document["models"]["half"]["artifacts"] = json!({"3": {
        "edge/int8.tflite": entry(Some("int8"), bytes, &sha256(text(bytes).as_bytes())),
        "browser/index.html": of_a_page(entry(Some("page"), 3, &sha256(b"<p>"))),
        "edge/away.tflite": entry(None, 5, "cc33"),
        "edge/gone.tflite": entry(Some("gone"), 5, "dd44"),
        "edge/other.tflite": entry(Some("page"), 4, "ee55"),
    }});
    serving.server.publish(&document.to_string()).unwrap();
    (serving, versions)
}

fn headers<'a>(answer: &'a Answer, names: &[&str]) -> Vec<Option<&'a str>> {
    names.iter().map(|name| answer.header(name)).collect()
}

#[test]
fn an_artefact_is_fetched_by_version_and_by_label() {
    let folder = tempfile::tempdir().unwrap();
    let (serving, _versions) = serving(folder.path(), 700_000);
    let (mut http, tag) = (serving.http(), tag(700_000));
    for choice in ["/versions/3", "/labels/stable", ""] {
        let answer = http.get(&format!("/v1/models/half{choice}/artifacts/edge/int8.tflite"));
        assert_eq!(answer.status, 200, "{choice}: {answer:?}");
        assert_eq!(
            headers(&answer, &["etag", "x-taxiway-version", "content-type", "accept-ranges", "cache-control"]),
            [Some(tag.as_str()), Some("3"), Some("application/octet-stream"), Some("bytes"), Some("no-cache")]
        );
        assert!(answer.header("x-request-id").is_some() && answer.body == text(700_000));
    }
    let page = http.get("/v1/models/half/labels/stable/artifacts/browser%2Findex.html?v=1");
    assert_eq!((page.body.as_str(), page.header("content-type")), ("<p>", Some("text/html; charset=utf-8")));
    // Pages are isolated, so that wasm has threads; files for devices need nothing of the kind.
    let isolated = ["cross-origin-opener-policy", "cross-origin-embedder-policy"];
    assert_eq!(headers(&page, &isolated), [Some("same-origin"), Some("require-corp")]);
    let file = http.get("/v1/models/half/artifacts/edge/int8.tflite");
    assert_eq!(headers(&file, &isolated), [None, None]);

    let listed: Value = serde_json::from_str(&http.get("/v1/models/half/labels/stable/artifacts").body).unwrap();
    assert_eq!((&listed["model"], &listed["version"]), (&json!("half"), &json!("3")));
    assert_eq!(
        listed["artifacts"][3],
        json!({
            "name": "edge/int8.tflite", "target": "edge", "variant": "int8", "bytes": 700_000, "sha256": sha256(text(700_000).as_bytes()),
            "contract": {"agreement": 0.99}, "missing": "",
        })
    );
    assert_eq!(listed["artifacts"][1]["missing"], "it is in s3://bucket/half/3");
    let none: Value = serde_json::from_str(&http.get("/v1/models/half/versions/1/artifacts").body).unwrap();
    assert_eq!(none, json!({"model": "half", "version": "1", "artifacts": []}));
}

#[test]
fn who_has_it_is_told_so_and_who_has_a_part_gets_the_rest() {
    let folder = tempfile::tempdir().unwrap();
    let (serving, _versions) = serving(folder.path(), 1000);
    let (mut http, tag) = (serving.http(), tag(1000));
    let path = "/v1/models/half/artifacts/edge/int8.tflite";
    for known in [tag.as_str(), &format!("\"x\", W/{tag}"), "*"] {
        let answer = http.request("GET", path, &format!("if-none-match: {known}\r\n"));
        assert_eq!((answer.status, answer.body.as_str()), (304, ""), "{known}");
        assert_eq!(headers(&answer, &["etag", "x-taxiway-version"]), [Some(tag.as_str()), Some("3")]);
    }
    assert_eq!(http.request("GET", path, "if-none-match: \"old\"\r\n").status, 200);
    let whole = text(1000);
    for (range, expected, shown) in [
        ("bytes=0-9", &whole[..10], "bytes 0-9/1000"),
        ("bytes=990-", &whole[990..], "bytes 990-999/1000"),
        ("bytes=-8", &whole[992..], "bytes 992-999/1000"),
    ] {
        let answer = http.request("GET", path, &format!("range: {range}\r\nif-range: {tag}\r\n"));
        assert_eq!((answer.status, answer.body.as_str()), (206, expected));
        assert_eq!(answer.header("content-range"), Some(shown));
    }
    // A part of another build is of no use.
    let answer = http.request("GET", path, "range: bytes=0-9\r\nif-range: \"old\"\r\n");
    assert_eq!((answer.status, answer.body.len()), (200, 1000));
    let answer = http.request("GET", path, "range: bytes=1000-\r\n");
    assert_eq!((answer.status, answer.header("content-range")), (416, Some("bytes */1000")));
    assert_eq!(answer.error(), "edge/int8.tflite has 1000 bytes, none of them in the range asked for");

    http.send(format!("HEAD {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"));
    let mut head = String::new();
    http.read_to_end(&mut head);
    assert!(head.starts_with("HTTP/1.1 200") && head.contains("content-length: 1000\r\n"), "{head}");
    assert!(head.ends_with("\r\n\r\n"), "an answer to HEAD has a body");
}

#[test]
fn only_what_is_listed_is_served() {
    let folder = tempfile::tempdir().unwrap();
    let (serving, _versions) = serving(folder.path(), 1000);
    let mut http = serving.http();
    let secret = folder.path().join("secret");
    let no = |name: &str| format!("Model half version 3 has no artefact {name}; …/artifacts lists those it has");
    for (path, status, text) in [
        ("half/versions/3/artifacts/edge/int4.tflite".to_owned(), 404, no("edge/int4.tflite")),
        ("half/versions/3/artifacts/edge/../secret".to_owned(), 404, no("edge/../secret")),
        ("half/versions/3/artifacts/..%2fsecret".to_owned(), 404, no("../secret")),
        ("half/versions/3/artifacts/secret".to_owned(), 404, no("secret")),
        (format!("half/versions/3/artifacts/{}", secret.display()), 404, no(&secret.display().to_string())),
        ("half/versions/3/artifacts/edge/int8.tflite%00".to_owned(), 404, no("edge/int8.tflite\0")),
        ("half/versions/9/artifacts".to_owned(), 404, "Servable not found for request: Specific(half, 9)".to_owned()),
        ("half/labels/next/artifacts".to_owned(), 404, "Unrecognized servable version label: next".to_owned()),
        ("nope/artifacts/edge/a".to_owned(), 404, "Servable not found for request: Latest(nope)".to_owned()),
        (
            "half/artifacts/edge/away.tflite".to_owned(),
            404,
            "This server does not have edge/away.tflite: it is in s3://bucket/half/3".to_owned(),
        ),
    ] {
        let answer = http.get(&format!("/v1/models/{path}"));
        assert_eq!((answer.status, answer.error()), (status, text), "{path}");
    }
    for (name, reason) in [("gone", "No such file"), ("other", "it has 3 bytes, not 4")] {
        let answer = http.get(&format!("/v1/models/half/artifacts/edge/{name}.tflite"));
        assert_eq!(answer.status, 503);
        assert!(answer.error().contains("may be being replaced") && answer.error().contains(reason), "{answer:?}");
    }
    let posted = http.post("/v1/models/half/artifacts/edge/int8.tflite", "");
    assert_eq!(posted.error(), "Malformed request: POST /v1/models/half/artifacts/edge/int8.tflite");
    let switched_off = Serving::half_plus_two(&json!({"artifacts": false})).0;
    let answer = switched_off.http().get("/v1/models/half/artifacts");
    assert_eq!((answer.status, answer.error().as_str()), (400, "Malformed request: GET /v1/models/half/artifacts"));
}

#[test]
fn a_client_that_does_not_read_keeps_nobody_waiting() {
    let folder = tempfile::tempdir().unwrap();
    let (serving, versions) = serving(folder.path(), 16 << 20);
    let mut slow: Vec<_> = (0..4).map(|_| serving.http()).collect();
    for one in &mut slow {
        one.send("GET /v1/models/half/artifacts/edge/int8.tflite HTTP/1.1\r\nhost: x\r\n\r\n");
    }
    serving.wait_for_stat("connections", 4);
    let mut http = serving.http();
    for _ in 0..20 {
        assert_eq!(http.post("/v1/models/half:predict", r#"{"instances": [2]}"#).status, 200);
    }
    // The file is read through before it is sent, so an answer that has begun has opened it.
    slow[0].wait_for_an_answer();
    // They hold the file, not the version: that can leave, and its file be removed.
    serving.publish(&[&versions[0]]);
    std::fs::remove_file(folder.path().join("int8")).unwrap();
    assert!(versions[1].release(crate::serving::LONG));
    for one in &mut slow[..1] {
        assert!(one.receive().unwrap().body == text(16 << 20));
    }
}
