use serde_json::{Value, json};
use taxiway_engine::fake::FakeEngine;

use super::*;
use crate::batch::Gathering;
use crate::loaded::{Fresh, Ready};
use crate::metrics::Metrics;

/// A registry with versions 1 and 2 of model `m`, and their ids.
fn registry() -> (Registry, u64, u64) {
    let registry = Registry::default();
    let metrics = Metrics::default();
    let add = |version| {
        let engine = std::sync::Arc::new(FakeEngine::half_plus_two());
        let fresh = Fresh::new("m", version, engine);
        registry
            .add(
                fresh,
                Ready { metrics: metrics.version("m", version), run_time: None, gathering: Gathering::Off, log: None },
            )
            .id
    };
    let (one, two) = (add(1), add(2));
    (registry, one, two)
}

fn document(one: u64, two: u64) -> Value {
    json!({
        "models": {
            "m": {
                "default": 2, "versions": {"1": one, "2": two}, "labels": {"stable": 1, "gone": 7},
                "ready": true, "reason": "", "statuses": [
                    {"version": 2, "state": "AVAILABLE", "error_code": 0, "error_message": ""},
                    {"version": 1, "state": "AVAILABLE", "error_code": 0, "error_message": ""},
                ],
            },
            "loading": {
                "default": null, "versions": {}, "labels": {}, "ready": false, "reason": "version 1 is loading",
                "statuses": [{"version": 1, "state": "LOADING", "error_code": 0, "error_message": ""}],
            },
        },
        "labels_used": true, "ready": false, "reason": "model \"loading\" is not ready",
    })
}

fn table(document: &Value, registry: &Registry) -> Table {
    Table::read(&document.to_string(), registry, &Experiments::default()).unwrap()
}

fn lease(table: &Table, model: &str, choice: Choice<'_>) -> Result<i64, String> {
    table.lease(Target { model, choice }).map(|lease| lease.version).map_err(|error| error.to_string())
}

#[test]
fn a_request_finds_its_version() {
    let (registry, one, two) = registry();
    let table = table(&document(one, two), &registry);
    assert_eq!(lease(&table, "m", Choice::Default), Ok(2));
    assert_eq!(lease(&table, "m", Choice::Version(1)), Ok(1));
    assert_eq!(lease(&table, "m", Choice::Label("stable")), Ok(1));
    assert_eq!(table.models().iter().map(|(name, _)| *name).collect::<Vec<_>>(), ["loading", "m"]);
}

#[test]
fn what_is_not_there_is_refused_in_the_words_clients_know() {
    let (registry, one, two) = registry();
    let mut document = document(one, two);
    let with_labels = table(&document, &registry);
    for (model, choice, expected) in [
        ("x", Choice::Default, "NOT_FOUND: Servable not found for request: Latest(x)"),
        ("loading", Choice::Default, "NOT_FOUND: Servable not found for request: Latest(loading)"),
        ("m", Choice::Version(0), "NOT_FOUND: Servable not found for request: Specific(m, 0)"),
        ("x", Choice::Version(3), "NOT_FOUND: Servable not found for request: Specific(x, 3)"),
        ("m", Choice::Label("gone"), "NOT_FOUND: Servable not found for request: Specific(m, 7)"),
        ("m", Choice::Label("other"), "INVALID_ARGUMENT: Unrecognized servable version label: other"),
        ("x", Choice::Label("stable"), "INVALID_ARGUMENT: Unrecognized servable version label: stable"),
        ("", Choice::Default, "INVALID_ARGUMENT: ModelSpec has no name specified."),
    ] {
        assert_eq!(lease(&with_labels, model, choice), Err(expected.to_owned()));
    }
    document["labels_used"] = false.into();
    let never = table(&document, &registry);
    let expected = "UNAVAILABLE: Model labels does not init yet.stable";
    assert_eq!(lease(&never, "m", Choice::Label("stable")), Err(expected.to_owned()));
    assert_eq!(lease(&Table::default(), "m", Choice::Default).unwrap_err().matches("Servable").count(), 1);
}

#[test]
fn a_table_that_contradicts_itself_is_refused_with_the_reason() {
    let (registry, one, two) = registry();
    let right = document(one, two);
    for (pointer, value, kind, reason) in [
        ("/models/m/default", json!(3), ErrorKind::InvalidArgument, "its default, version 3, is not among"),
        ("/models/m/versions/1", json!(two), ErrorKind::InvalidArgument, "is model \"m\" version 2"),
        ("/models/m/versions/1", json!(99), ErrorKind::NotFound, "no loaded version has the id 99"),
        ("/models/m/statuses/0/state", json!("GONE"), ErrorKind::InvalidArgument, "unknown variant `GONE`"),
        ("/models/m", json!({"default": null}), ErrorKind::InvalidArgument, "missing field `versions`"),
        ("/ready", json!(1), ErrorKind::InvalidArgument, "not a table: invalid type"),
    ] {
        let mut wrong = right.clone();
        *wrong.pointer_mut(pointer).unwrap() = value;
        let error = Table::read(&wrong.to_string(), &registry, &Experiments::default()).map(|_| ()).unwrap_err();
        assert!(error.kind == kind && error.message.contains(reason), "{pointer}: {error}");
    }
    let mut unknown = right.clone();
    unknown["share"] = json!(1);
    assert!(Table::read(&unknown.to_string(), &registry, &Experiments::default()).is_err());
    assert_eq!(registry.all().iter().map(|loaded| loaded.claims.count()).sum::<usize>(), 0, "a refused table held on");
}

#[test]
fn leases_outlive_the_table_and_are_counted() {
    let (registry, one, two) = registry();
    let table = table(&document(one, two), &registry);
    let claims = || registry.all().iter().map(|loaded| loaded.claims.count()).collect::<Vec<_>>();
    assert_eq!(claims(), [1, 1]);
    let held = table.lease(Target { model: "m", choice: Choice::Default }).unwrap();
    let again = held.clone();
    assert_eq!(claims(), [1, 3]);
    drop(table);
    assert_eq!(claims(), [0, 2]);
    drop((held, again));
    assert_eq!(claims(), [0, 0]);
}

#[test]
fn a_forgotten_version_cannot_be_named() {
    let (registry, one, two) = registry();
    registry.forget(one);
    let error =
        Table::read(&document(one, two).to_string(), &registry, &Experiments::default()).map(|_| ()).unwrap_err();
    assert_eq!(error.kind, ErrorKind::NotFound);
}
