//! Fake engines whose rows look at each other, or do not.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use taxiway_engine::fake::{FakeEngine, definition};
use taxiway_engine::{DType, Error, WireForm};

use super::*;
use crate::choose::tests::settled;
use crate::proto::{ModelSpec, PredictRequest};
use crate::warm_up::records::tests::{record, version};

/// How long a run takes: what it costs alone, and for each row.
#[derive(Clone, Copy)]
struct Cost(u64, u64);

const CHEAP_ROWS: Cost = Cost(300, 2);
const DEAR_ROWS: Cost = Cost(2, 100);

fn spin(micros: u64) {
    let until = Instant::now() + Duration::from_micros(micros);
    while Instant::now() < until {
        std::hint::spin_loop();
    }
}

/// An engine that takes rows of two numbers and gives one number for each, all of them at once.
fn engine(cost: Cost, answer: impl Fn(&[[f32; 2]]) -> Result<Vec<f32>> + Send + Sync + 'static) -> FakeEngine {
    let definition = definition(&[("x", DType::Float, Some(&[-1, 2]))], &[("y", DType::Float, Some(&[-1]))]);
    FakeEngine::new([("serving_default".to_owned(), definition)].into(), move |call| {
        let values = call.inputs[0].values::<f32>().unwrap();
        let rows: Vec<[f32; 2]> = values.chunks(2).map(|row| [row[0], row[1]]).collect();
        spin(cost.0 + cost.1 * rows.len() as u64);
        let answers = answer(&rows)?;
        Ok(vec![Tensor::from_values([answers.len()], &answers)?])
    })
}

fn request(rows: &[[f32; 2]]) -> Vec<u8> {
    let tensor = Tensor::from_values([rows.len(), 2], &rows.concat()).unwrap().to_proto(WireForm::TypedFields);
    record(PredictRequest {
        model_spec: Some(ModelSpec::default()),
        inputs: [("x".to_owned(), tensor)].into(),
        ..Default::default()
    })
}

fn found(engine: &dyn Engine, requests: &[Vec<u8>]) -> (Option<Pays>, Value) {
    let found = gathers(engine, version(requests).path(), 1 << 20);
    let pays = found.signatures.get("serving_default").copied();
    (pays, found.evidence["signatures"]["serving_default"].clone())
}

/// What is found of a new engine each time, until it is right.
fn found_at_last(engine: impl Fn() -> FakeEngine, is_right: impl Fn(Option<Pays>) -> bool) -> (Option<Pays>, Value) {
    settled(|| found(&engine(), &[request(&[[1.0, 0.25]])]), |(pays, _)| is_right(*pays))
}

fn each(rows: &[[f32; 2]]) -> Result<Vec<f32>> {
    Ok(rows.iter().map(|row| 3.0 * row[0] - row[1]).collect())
}

#[test]
fn rows_that_answer_alike_are_gathered_where_that_pays() {
    let is_large = |pays: Option<Pays>| pays.is_some_and(|pays| pays.rows >= 16);
    let (pays, evidence) = found_at_last(|| engine(CHEAP_ROWS, each), is_large);
    let rows = pays.unwrap().rows;
    assert!(rows >= 16, "{evidence}");
    assert_eq!((evidence["rows"].as_u64(), evidence["largest_difference"].as_f64()), (Some(rows as u64), Some(0.0)));
    assert!(evidence["batch_us"].as_f64().unwrap() < rows as f64 * evidence["row_us"].as_f64().unwrap() / 2.0);
}

#[test]
fn rows_that_cost_as_much_together_are_not() {
    let (pays, evidence) = found_at_last(|| engine(DEAR_ROWS, each), |pays| pays.is_none());
    assert_eq!(pays, None);
    assert_eq!(evidence["why"], "its rows answer alike, alone and together, but a batch gains too little");
    assert!(evidence["batch_us"].as_f64().is_some());
}

type Answer = fn(&[[f32; 2]]) -> Result<Vec<f32>>;

/// What looks at other rows, by what it does. One warm-up row of one request must be enough to see it.
const DEPENDENT: [(&str, Answer); 9] = [
    ("takes the mean of the batch away", |rows| {
        let all = each(rows)?;
        let mean = all.iter().sum::<f32>() / all.len() as f32;
        Ok(all.iter().map(|one| one - mean).collect())
    }),
    ("normalises by the batch, as BatchNorm does in training", |rows| {
        let all = each(rows)?;
        let count = all.len() as f32;
        let mean = all.iter().sum::<f32>() / count;
        let variance = all.iter().map(|one| (one - mean).powi(2)).sum::<f32>() / count;
        Ok(all.iter().zip(rows).map(|(one, row)| (one - mean) / (variance + 1e-3).sqrt() + row[0]).collect())
    }),
    ("is a softmax over the rows", |rows| {
        let all: Vec<f32> = each(rows)?.iter().map(|one| one.exp()).collect();
        let sum: f32 = all.iter().sum();
        Ok(all.iter().zip(rows).map(|(one, row)| one / sum + row[1]).collect())
    }),
    ("ranks the rows", |rows| {
        let all = each(rows)?;
        Ok(all.iter().map(|one| all.iter().filter(|other| *other < one).count() as f32 + one).collect())
    }),
    ("sums up the rows before", |rows| {
        let mut sum = 0.0;
        Ok(each(rows)?
            .iter()
            .map(|one| {
                sum += one;
                sum
            })
            .collect())
    }),
    ("looks at the first row", |rows| {
        let first = rows[0][0];
        Ok(each(rows)?.iter().map(|one| one * first).collect())
    }),
    ("adds the largest row a little", |rows| {
        let all = each(rows)?;
        let most = all.iter().fold(f32::MIN, |most, one| most.max(*one));
        Ok(all.iter().map(|one| one + 0.001 * most).collect())
    }),
    ("sorts them", |rows| {
        let mut all = each(rows)?;
        all.sort_by(f32::total_cmp);
        Ok(all)
    }),
    ("does otherwise with many", |rows| {
        let more = if rows.len() > 20 { 0.01 } else { 0.0 };
        Ok(each(rows)?.iter().map(|one| one + more).collect())
    }),
];

#[test]
fn rows_that_look_at_each_other_are_never_gathered() {
    for (what, answer) in DEPENDENT {
        // Where measuring ended before so many rows were tried, fewer are gathered, which is right.
        let may_be = |pays: Pays| what == "does otherwise with many" && pays.rows <= 20;
        let (pays, evidence) = found_at_last(|| engine(CHEAP_ROWS, answer), |pays| !pays.is_some_and(may_be));
        assert_eq!(pays, None, "what {what} is gathered: {evidence}");
        let why = evidence["why"].as_str().unwrap();
        let is_seen = why.starts_with("a row among ") && why.ends_with(" is answered otherwise");
        // One row less its own mean is nothing, whatever the row.
        assert!(is_seen || what.contains("mean") && why.starts_with("all rows are answered alike"), "{what}: {why}");
    }
}

#[test]
fn outputs_without_a_row_for_each_are_not_gathered() {
    let sum: Answer = |rows| Ok(vec![each(rows)?.iter().sum()]);
    let none: Answer = |rows| Ok(if rows.len() == 1 { each(rows)? } else { Vec::new() });
    for (answer, said) in [
        (sum, "a batch of 2 rows is not answered with as many"),
        (none, "a batch of 2 rows is not answered with as many"),
    ] {
        let (pays, evidence) = found(&engine(CHEAP_ROWS, answer), &[request(&[[1.0, 0.25]])]);
        assert_eq!((pays, evidence["why"].as_str()), (None, Some(said)));
    }
}

#[test]
fn what_changes_from_call_to_call_or_remembers_is_not_gathered() {
    let counting: fn(u32) -> f32 = |calls| calls as f32;
    let late: fn(u32) -> f32 = |calls| if calls > 40 { 1.0 } else { 0.0 };
    for (more, said) in [(counting, "the same row is answered otherwise"), (late, "answered otherwise")] {
        let changing = || {
            let calls = AtomicU32::new(0);
            engine(CHEAP_ROWS, move |rows| {
                let more = more(calls.fetch_add(1, Ordering::Relaxed));
                Ok(each(rows)?.iter().map(|one| one + more).collect())
            })
        };
        let (pays, evidence) = found_at_last(changing, |pays| pays.is_none());
        assert_eq!(pays, None);
        assert!(evidence["why"].as_str().unwrap().contains(said), "{evidence}");
    }
}

#[test]
fn what_fails_in_a_batch_or_panics_there_is_not_gathered() {
    let failing = |rows: &[[f32; 2]]| if rows.len() > 1 { Err(Error::invalid("one at a time")) } else { each(rows) };
    let panicking = |rows: &[[f32; 2]]| if rows.len() > 1 { panic!("it breaks") } else { each(rows) };
    for engine in [engine(CHEAP_ROWS, failing), engine(CHEAP_ROWS, panicking)] {
        let (pays, evidence) = found(&engine, &[request(&[[1.0, 0.25]])]);
        assert_eq!(pays, None);
        assert!(evidence["why"].as_str().unwrap().starts_with("a run failed: "), "{evidence}");
    }
}

#[test]
fn without_rows_that_show_it_nothing_is_gathered() {
    let constant: Answer = |rows| Ok(vec![1.0; rows.len()]);
    for (answer, requests, said) in [
        (each as Answer, vec![], "there is no warm-up request of it to take rows from"),
        (
            constant,
            vec![request(&[[1.0, 0.25]])],
            "all rows are answered alike, which cannot show whether they look at each other",
        ),
    ] {
        let (pays, evidence) = found(&engine(CHEAP_ROWS, answer), &requests);
        assert_eq!((pays, evidence["why"].as_str(), evidence["rows"].as_u64()), (None, Some(said), Some(0)));
    }
}

#[test]
fn signatures_with_a_fixed_number_of_rows_are_not_asked() {
    for (shape, outputs, said) in [
        (&[1, 2][..], &[1][..], "its input \"x\" does not take any number of rows"),
        (&[-1, 2], &[1], "its output \"y\" does not have one row for each"),
        (&[], &[], "its input \"x\" does not take any number of rows"),
    ] {
        let definition = definition(&[("x", DType::Float, Some(shape))], &[("y", DType::Float, Some(outputs))]);
        let engine = FakeEngine::new([("serving_default".to_owned(), definition)].into(), |_| panic!("it is asked"));
        let (pays, evidence) = found(&engine, &[request(&[[1.0, 0.25]])]);
        assert_eq!((pays, evidence["why"].as_str()), (None, Some(said)));
    }
}

/// How long this thread has run, in hundredths of a second: what else the machine does is no part of it.
#[cfg(target_os = "linux")]
fn ran() -> u64 {
    let stat = std::fs::read_to_string("/proc/thread-self/stat").unwrap();
    let fields = stat.rsplit_once(')').unwrap().1.split_whitespace();
    fields.skip(11).take(2).map(|ticks| ticks.parse::<u64>().unwrap()).sum()
}

#[cfg(target_os = "linux")]
#[test]
fn a_quick_model_is_measured_within_the_budget() {
    let began = ran();
    found(&engine(Cost(20, 1), each), &[request(&[[1.0, 0.25]])]);
    assert!(ran() - began < 100, "{} hundredths of a second", ran() - began);
}

#[test]
fn rows_whose_shape_is_open_are_not_gathered() {
    for shape in [Some(&[-1, -1][..]), None] {
        let definition = definition(&[("x", DType::Float, shape)], &[("y", DType::Float, Some(&[-1]))]);
        let engine = FakeEngine::new([("serving_default".to_owned(), definition)].into(), |call| {
            let values = call.inputs[0].values::<f32>().unwrap();
            let answers: Vec<f32> = values.chunks(2).map(|row| 3.0 * row[0] - row[1]).collect();
            Ok(vec![Tensor::from_values([answers.len()], &answers)?])
        });
        let (pays, evidence) = found(&engine, &[request(&[[1.0, 0.25]])]);
        assert!(pays.is_none());
        assert_eq!(evidence["why"], "rows of its input \"x\" may have any shape, and one cannot be tried for all");
    }
}
