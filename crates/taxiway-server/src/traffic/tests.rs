use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use taxiway_engine::ErrorKind;
use taxiway_engine::fake::FakeEngine;

use super::experiment::Unit;
use super::unit::Key;
use super::*;
use crate::batch::Gathering;
use crate::lease::Lease;
use crate::loaded::{Fresh, Ready};
use crate::metrics::Metrics;
use crate::server::Registry;

mod coins;

/// Leases on versions 1 and 2 of a model.
fn versions() -> BTreeMap<i64, Lease> {
    let (registry, metrics) = (Registry::default(), Metrics::default());
    let lease = |version| {
        let fresh = Fresh::new("m", version, Arc::new(FakeEngine::half_plus_two()));
        let ready =
            Ready { metrics: metrics.version("m", version), run_time: None, gathering: Gathering::Off, log: None };
        let id = registry.add(fresh, ready).id;
        registry.lease(id).unwrap()
    };
    [1, 2].into_iter().map(|version| (version, lease(version))).collect()
}

fn document(arms: &Value) -> Value {
    json!({
        "experiment": "m-2", "salt": "s", "key": {"header": "x-routing-key"}, "arms": arms, "slow_us": {"p95": 1000},
    })
}

/// A canary with a control of its size.
fn canary(ppm: u32) -> Value {
    json!([{"name": "canary", "version": 2, "share_ppm": ppm}, {"name": "control", "version": 1, "share_ppm": ppm}])
}

fn read(document: &Value, experiments: &Experiments) -> taxiway_engine::Result<Route> {
    let document = serde_json::from_value(document.clone()).unwrap();
    Route::read("m", &document, &versions(), Some(1), experiments)
}

fn arm<'r>(route: &'r Route, unit: &str) -> &'r str {
    route.arm(Some(&Key::from_slice(unit.as_bytes())), b"").0.header.as_ref().unwrap().to_str().unwrap()
}

/// A request of a unit, which takes 2 ms and ends with this code; the name of its arm.
fn ask(route: &Route, unit: Option<&str>, code: usize) -> String {
    let key = unit.map(|unit| Key::from_slice(unit.as_bytes()));
    let (arm, unit) = route.arm(key.as_ref(), b"id");
    Exposure::begin(arm, unit, &http::HeaderValue::from_static("id"), None).ended(code, Duration::from_millis(2));
    arm.header.as_ref().map_or("", |name| name.to_str().unwrap()).to_owned()
}

#[test]
fn a_million_units_stay_where_they_are_while_a_share_grows() {
    const UNITS: u32 = 1_000_000;
    let experiments = Experiments::default();
    let steps = [10_000, 50_000, 100_000, 250_000, 500_000];
    let routes = steps.map(|ppm| read(&document(&canary(ppm)), &experiments).unwrap());
    let mut counts = [[0u32; 3]; 5];
    let mut key = Key::from_slice(b"user-");
    for unit in 0..UNITS {
        key.truncate(5);
        key.extend_from_slice(itoa::Buffer::new().format(unit).as_bytes());
        // One hash: it is the same while the experiment is.
        let bucket = routes[0].arm(Some(&key), b"").1.hash;
        let mut was_canary = false;
        for (route, counts) in routes.iter().zip(&mut counts) {
            let arm = route.holder(bucket);
            let place = match arm.header.as_ref().map(http::HeaderValue::as_bytes) {
                Some(b"canary") => 0,
                Some(b"control") => 1,
                _ => 2,
            };
            assert!(place == 0 || !was_canary, "unit {unit} left the canary");
            was_canary = place == 0;
            counts[place] += 1;
        }
    }
    assert_eq!(routes[0].arm(Some(&key), b"").1.hash, routes[4].arm(Some(&key), b"").1.hash);
    for (counts, ppm) in counts.iter().zip(steps) {
        let share = f64::from(ppm) / 1e6;
        let (expected, spread) = (f64::from(UNITS) * share, (f64::from(UNITS) * share * (1.0 - share)).sqrt());
        for count in &counts[..2] {
            assert!((f64::from(*count) - expected).abs() < 4.5 * spread, "{count} of {UNITS} for a share of {share}");
        }
    }
}

#[test]
fn another_experiment_or_salt_shares_units_out_anew() {
    let arms = json!([{"name": "a", "version": 2, "share_ppm": 500_000}]);
    let with = |name: &str, value: &str| {
        let mut document = document(&arms);
        document[name] = value.into();
        read(&document, &Experiments::default()).unwrap()
    };
    let base = with("salt", "s");
    for other in [with("salt", "t"), with("experiment", "m-3")] {
        let alike = (0..1000).filter(|unit| arm(&base, &unit.to_string()) == arm(&other, &unit.to_string())).count();
        assert!((400..600).contains(&alike), "{alike} of 1000 are in the same arm");
    }
    let again = with("salt", "s");
    assert!((0..1000).all(|unit| arm(&base, &unit.to_string()) == arm(&again, &unit.to_string())));
}

#[test]
fn arms_that_are_placed_grow_without_moving_units() {
    let arms = |ppm: u32| {
        json!([
            {"name": "a", "version": 1, "share_ppm": ppm, "begin_ppm": 0},
            {"name": "b", "version": 2, "share_ppm": ppm, "begin_ppm": 500_000},
        ])
    };
    let experiments = Experiments::default();
    let (small, large) = (arms(100_000), arms(400_000));
    let (small, large) = [small, large].map(|arms| read(&document(&arms), &experiments).unwrap()).into();
    for unit in (0..10_000).map(|unit: u32| unit.to_string()) {
        let before = arm(&small, &unit);
        assert!(before == "stable" || before == arm(&large, &unit), "{unit} left {before}");
    }
}

#[test]
fn what_cannot_be_is_refused_with_the_reason() {
    let experiments = Experiments::default();
    let arm = |name: &str, version: i64, share: u32| json!({"name": name, "version": version, "share_ppm": share});
    for (arms, reason) in [
        (json!([arm("a", 1, 600_000), arm("b", 2, 500_000)]), "units up to 110 %, which is over 100 %"),
        (json!([arm("a", 7, 1)]), "leads arm \"a\" to version 7, which is not served"),
        (json!([arm("a", 1, 1), arm("a", 2, 1)]), "has two arms called \"a\""),
        (json!([arm("stable", 2, 1)]), "has two arms called \"stable\""),
        (json!([arm("", 2, 1)]), "has the name \"\""),
        (
            json!([arm("a", 1, 600_000), {"name": "b", "version": 2, "share_ppm": 10, "begin_ppm": 599_999}]),
            "gives units to both arm \"a\" and arm \"b\"",
        ),
    ] {
        let error = read(&document(&arms), &experiments).map(|_| ()).unwrap_err();
        assert!(error.message.contains(reason), "{error}");
        assert!(error.message.starts_with("model \"m\": its route "), "{error}");
    }
    let mut named = document(&canary(1));
    named["slow_us"] = json!({"errors": 1});
    assert!(read(&named, &experiments).map(|_| ()).unwrap_err().message.contains("are counted by that name already"));
    let whole =
        Route::read("m", &serde_json::from_value(document(&canary(1))).unwrap(), &versions(), None, &experiments);
    assert!(whole.map(|_| ()).unwrap_err().message.contains("no default version"));
}

#[test]
fn an_experiment_does_not_change_what_it_measures_by() {
    let experiments = Experiments::default();
    let route = read(&document(&canary(10)), &experiments).unwrap();
    experiments.keep("m", &route);
    for (name, value) in [("salt", json!("t")), ("key", json!({"field": "user"})), ("slow_us", json!({"p95": 2000}))] {
        let mut changed = document(&canary(10));
        changed[name] = value;
        let error = read(&changed, &experiments).map(|_| ()).unwrap_err();
        assert!(error.message.contains("give what is new another name"), "{error}");
        changed["experiment"] = "m-3".into();
        assert!(read(&changed, &experiments).is_ok());
    }
}

#[test]
fn counts_go_on_under_a_name_and_are_told_apart_by_shares() {
    let experiments = Experiments::default();
    let ask_units = |ppm: u32, times: u64| {
        let route = read(&document(&canary(ppm)), &experiments).unwrap();
        experiments.keep("m", &route);
        for unit in 0..times {
            ask(&route, Some(&unit.to_string()), 0);
        }
    };
    ask_units(500_000, 100);
    ask_units(250_000, 100);
    ask_units(500_000, 100);
    let outcomes = experiments.document("m").unwrap();
    let phases = outcomes["phases"].as_array().unwrap();
    assert_eq!(phases.len(), 2);
    let sum = |phase: &Value, name: &str| -> u64 {
        phase["arms"].as_array().unwrap().iter().map(|arm| arm[name].as_u64().unwrap()).sum()
    };
    let bad = |phase: &Value, name: &str| -> u64 {
        phase["arms"].as_array().unwrap().iter().map(|arm| arm["bad"][name].as_u64().unwrap()).sum()
    };
    assert_eq!((sum(&phases[0], "answered"), sum(&phases[0], "units")), (200, 100));
    assert_eq!((sum(&phases[1], "answered"), sum(&phases[1], "assigned")), (100, 100));
    assert!(phases[1]["arms"][0]["share_ppm"] == 250_000 && phases[1]["arms"][2]["share_ppm"] == 500_000);
    let arms = outcomes["arms"].as_array().unwrap();
    let answered: u64 = arms.iter().map(|arm| arm["answered"].as_u64().unwrap()).sum();
    assert_eq!((arms.len(), answered), (3, 300));
    assert!(arms.iter().all(|arm| arm["bad_answers"]["p95"] == arm["answered"] && arm["bad"]["errors"] == 0));
    // Every unit's answers are slow: each counts once however the shares change, but in the rest, where units are not
    // told apart.
    assert_eq!(
        (bad(&phases[0], "p95"), Some(bad(&phases[1], "p95"))),
        (100, phases[1]["arms"][2]["answered"].as_u64())
    );
    let sum_of_arms = |name: &str| -> u64 { arms[..2].iter().map(|arm| arm[name].as_u64().unwrap()).sum() };
    assert_eq!(sum_of_arms("units_ever"), 100);
    assert!(sum_of_arms("units") > 120);

    let mut next = document(&canary(10));
    next["experiment"] = "m-3".into();
    experiments.keep("m", &read(&next, &experiments).unwrap());
    assert_eq!(experiments.document("m").unwrap()["arms"][0]["answered"], 0);
    assert!(experiments.document("other").is_none());
}

#[test]
fn many_sets_of_shares_are_forgotten_oldest_first() {
    let experiments = Experiments::default();
    for ppm in 1..=300 {
        experiments.keep("m", &read(&document(&canary(ppm)), &experiments).unwrap());
    }
    let outcomes = experiments.document("m").unwrap();
    assert_eq!((outcomes["phases"].as_array().unwrap().len(), &outcomes["phases_forgotten"]), (256, &json!(44)));
    assert_eq!(outcomes["phases"][0]["arms"][0]["share_ppm"], 45);
}

#[test]
fn without_a_key_each_request_is_a_unit() {
    let route = read(&document(&canary(500_000)), &Experiments::default()).unwrap();
    let (_, Unit { keyed, hash }) = route.arm(None, b"id-1");
    assert!(!keyed);
    assert_eq!(hash, route.arm(Some(&Key::from_slice(b"id-1")), b"other").1.hash);
}

#[test]
fn the_bad_answers_of_a_unit_are_one_event_and_refusals_are_bad() {
    const REFUSED: usize = ErrorKind::InvalidArgument as usize;
    const BROKEN: usize = ErrorKind::Internal as usize;
    let experiments = Experiments::default();
    let route = read(&document(&canary(500_000)), &experiments).unwrap();
    experiments.keep("m", &route);
    let of_canary: Vec<String> = (0..100).map(|unit| unit.to_string()).filter(|u| arm(&route, u) == "canary").collect();
    for unit in &of_canary[..10] {
        (0..7).for_each(|_| assert_eq!(ask(&route, Some(unit), REFUSED), "canary"));
        ask(&route, Some(unit), ErrorKind::Cancelled as usize);
        ask(&route, Some(unit), BROKEN);
    }
    let outcomes = experiments.document("m").unwrap();
    for counted in [&outcomes["arms"][0], &outcomes["phases"][0]["arms"][0]] {
        assert_eq!(counted["bad"], json!({"errors": 10, "p95": 10}));
        assert_eq!(counted["bad_answers"], json!({"errors": 90, "p95": 90}));
        assert_eq!((&counted["units"], &counted["served_units"]), (&json!(10), &json!(0)));
    }
    // Of the last twenty only what no caller can do by what he asks, and nothing of whom left.
    assert_eq!(outcomes["arms"][0]["recent"], json!({"bad": 3, "answers": 20, "bad_ever": 10}));

    // Without a key each request is a unit.
    let place = usize::from(ask(&route, None, REFUSED) != "canary");
    ask(&route, None, REFUSED);
    let before = [10, 0][place];
    assert_eq!(experiments.document("m").unwrap()["arms"][place]["bad"]["errors"], before + 2);
}
