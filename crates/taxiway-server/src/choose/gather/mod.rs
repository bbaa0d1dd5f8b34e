//! Whether requests of a signature may share a run, and whether that pays: rows must be answered alike alone and together.
//!
//! What is asked are the version's own warm-up requests, cut into rows, and rows made of them, on the thread that loads
//! it. What cannot be shown is not gathered.

mod rows;
mod time;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

use serde_json::{Value, json};
use taxiway_engine::{Engine, Result, Signature, Tensor};

use super::alike::{allowed, difference, nudged};
use super::{Found, because, inputs_of, run};
use crate::batch::{Pays, rows as batch};
use crate::proto::prediction_log::LogType;
use crate::warm_up::records;
use rows::{Row, rows_of};

/// Sizes of batches whose answers are compared beside those that are timed: odd ones, whose last rows no vector takes.
const ODD: [usize; 2] = [3, 7];

/// Which signatures are gathered, in how many rows, and why: by signature, as JSON.
#[derive(Default)]
pub(crate) struct Gathers {
    pub(crate) signatures: BTreeMap<String, Pays>,
    pub(crate) evidence: Value,
}

/// Finds out. Blocks for as long as that takes.
pub(crate) fn gathers(engine: &dyn Engine, version: &Path, max_tensor_bytes: usize) -> Gathers {
    // Damage in the file is for warm-up to report.
    let requests = records::read(version).unwrap_or_default();
    let (mut signatures, mut evidence) = (BTreeMap::new(), serde_json::Map::new());
    for signature in engine.signatures().callable().filter(|signature| signature.is_for_callers()) {
        let found = match judged(engine, signature, &requests, max_tensor_bytes) {
            Ok((pays, mut found)) => {
                found.insert("rows".to_owned(), pays.rows.into());
                signatures.insert(signature.name.clone(), pays);
                found
            }
            Err(mut found) => {
                found.insert("rows".to_owned(), 0.into());
                found
            }
        };
        evidence.insert(signature.name.clone(), found.into());
    }
    Gathers { signatures, evidence: json!({"signatures": evidence}) }
}

fn judged(
    engine: &dyn Engine,
    signature: &Signature,
    requests: &[LogType],
    max_tensor_bytes: usize,
) -> Result<(Pays, Found), Found> {
    takes_rows(signature).map_err(because)?;
    let asked = inputs_of(signature, requests, max_tensor_bytes);
    if asked.is_empty() {
        return Err(because("there is no warm-up request of it to take rows from"));
    }
    let began = Instant::now();
    let rows = rows_of(&asked).map_err(because)?;
    let alone = Alone { engine, signature };
    let (rows, mut answers) = alone.answered(rows).map_err(because)?;
    let limits = time::Limits::of(alone.time(&rows[0]).map_err(because)?);
    alone.check_unlike(&mut answers, &rows).map_err(because)?;
    let mut found = because("its rows answer alike, alone and together, and a batch pays");
    let measured = alone.measured(&rows, &mut answers, limits, began, &mut found);
    let pays = measured.and_then(|mut steps| {
        // What it remembers would show by now.
        answers.compare(0, &alone.run(&rows[0])?, "one row after others is")?;
        if limits.is_quick() && time::chosen(&steps, limits, &mut Found::new()).is_err() {
            // What else the machine does makes runs longer, never shorter: a second look is cheap, and a server that
            // gathers nothing for as long as it serves is dear.
            let again = alone.measured(&rows, &mut answers, limits, began, &mut found)?;
            steps = time::shorter(steps, again);
        }
        time::chosen(&steps, limits, &mut found)
    });
    found.insert("largest_difference".to_owned(), answers.largest.into());
    found.insert("allowed_difference".to_owned(), answers.allowed().into());
    match pays {
        Ok(pays) => Ok((pays, found)),
        Err(why) => {
            found.insert("why".to_owned(), why.into());
            Err(found)
        }
    }
}

/// That every input takes any number of rows, and rows of one shape only: those of another would not have been tried.
fn takes_rows(signature: &Signature) -> Result<(), String> {
    let is_open = |shape: &Option<Vec<Option<usize>>>| match shape {
        Some(extents) => extents.first() == Some(&None),
        None => true, // only running it shows
    };
    let has_one_shape = |shape: &Option<Vec<Option<usize>>>| {
        shape.as_ref().is_some_and(|extents| extents.iter().skip(1).all(Option::is_some))
    };
    if signature.inputs.is_empty() {
        return Err("it has no input".to_owned());
    }
    if let Some(port) = signature.inputs.iter().find(|port| !is_open(&port.shape.0)) {
        return Err(format!("its input \"{}\" does not take any number of rows", port.name));
    }
    if let Some(port) = signature.inputs.iter().find(|port| !has_one_shape(&port.shape.0)) {
        return Err(format!("rows of its input \"{}\" may have any shape, and one cannot be tried for all", port.name));
    }
    let is_fixed = |shape: &Option<Vec<Option<usize>>>| shape.is_some() && !is_open(shape);
    match signature.outputs.iter().find(|port| is_fixed(&port.shape.0)) {
        Some(port) => Err(format!("its output \"{}\" does not have one row for each", port.name)),
        None => Ok(()),
    }
}

/// What rows are answered when each is asked alone, and how far from that answers were seen and may be.
struct Answers {
    alone: Vec<Vec<Tensor>>,
    largest: f64,
    floor: f64,
    scale: f64,
}

impl Answers {
    /// As between two engines: what rounding explains, of the inputs or of another order of sums.
    fn allowed(&self) -> f64 {
        allowed(self.floor, self.scale)
    }

    fn compare(&mut self, row: usize, other: &[Tensor], what: &str) -> Result<(), String> {
        let found = difference(&self.alone[row], other).map_err(|how| format!("{what} answered {how}"))?;
        self.largest = self.largest.max(found.largest);
        if found.largest <= self.allowed() { Ok(()) } else { Err(format!("{what} answered otherwise")) }
    }
}

/// A signature, run row by row and in batches.
struct Alone<'a> {
    engine: &'a dyn Engine,
    signature: &'a Signature,
}

impl Alone<'_> {
    fn run(&self, inputs: &[Tensor]) -> Result<Vec<Tensor>, String> {
        run(self.engine, self.signature, inputs).map_err(|error| format!("a run failed: {error}"))
    }

    fn time(&self, row: &Row) -> Result<std::time::Duration, String> {
        // The shortest of some: one that was disturbed would make a slow model of a quick one.
        let times = (0..3).map(|_| time::took(|| self.run(row)).map(|(took, _)| took));
        times.collect::<Result<Vec<_>, _>>().map(|times| times.into_iter().min().unwrap_or_default())
    }

    /// The rows that it answers, as many as are needed. Its own must all be; those made of them may be refused.
    fn answered(&self, rows: rows::Rows) -> Result<(Vec<Row>, Answers), String> {
        let (mut taken, mut alone) = (Vec::new(), Vec::new());
        let began = Instant::now();
        for (at, row) in rows.all.into_iter().enumerate() {
            if taken.len() >= rows::LEAST && began.elapsed() > time::ROWS_BUDGET {
                break;
            }
            let tensors = match self.run(&row) {
                Ok(tensors) => tensors,
                Err(_) if at >= rows.own => continue,
                Err(error) => return Err(error),
            };
            if batch::check_outputs(&tensors, 1).is_err() {
                return Err("its outputs do not have one row for each that it is asked".to_owned());
            }
            taken.push(row);
            alone.push(tensors);
        }
        let scale = alone.iter().filter_map(|one| difference(one, one).ok()).fold(1.0, |most, one| one.scale.max(most));
        Ok((taken, Answers { alone, largest: 0.0, floor: 0.0, scale }))
    }

    /// That some rows are answered unlike others: rows that are all answered alike show nothing. Finds the noise, too.
    fn check_unlike(&self, answers: &mut Answers, rows: &[Row]) -> Result<(), String> {
        let right = &answers.alone[0];
        let again = difference(right, &self.run(&rows[0])?);
        if again.is_ok_and(|again| again.largest <= allowed(0.0, again.scale)) {
            let moved = [true, false].map(|up| self.run(&nudged(&rows[0], up)).ok());
            let moved = moved.iter().flatten().filter_map(|moved| difference(right, moved).ok());
            answers.floor = moved.fold(0.0, |floor: f64, moved| floor.max(moved.largest));
        } else {
            return Err("the same row is answered otherwise from call to call".to_owned());
        }
        let is_unlike = |other: &Vec<Tensor>| difference(right, other).map_or(true, |d| d.largest > answers.allowed());
        match answers.alone.iter().any(is_unlike) {
            true => Ok(()),
            false => Err("all rows are answered alike, which cannot show whether they look at each other".to_owned()),
        }
    }

    /// Runs batches of growing size, compares each row's answer, and times them.
    fn measured(
        &self,
        rows: &[Row],
        answers: &mut Answers,
        limits: time::Limits,
        began: Instant,
        found: &mut Found,
    ) -> Result<Vec<time::Step>, String> {
        let (mut steps, mut compared) = (Vec::new(), rows.len());
        for size in time::SIZES {
            for order in orders(size, rows.len()) {
                self.compare(rows, answers, &order)?;
                compared += order.len();
                found.insert("requests".to_owned(), compared.into());
            }
            let order: Vec<usize> = (0..size).map(|at| at % rows.len()).collect();
            let (full, less) = (joined(rows, &order)?, joined(rows, &order[1..])?);
            let step = time::step(size, limits, || self.run(&rows[0]), || self.run(&full), || self.run(&less))?;
            steps.push(step);
            if limits.is_enough(&steps, began.elapsed()) {
                break;
            }
        }
        Ok(steps)
    }

    fn compare(&self, rows: &[Row], answers: &mut Answers, order: &[usize]) -> Result<(), String> {
        let tensors = self.run(&joined(rows, order)?)?;
        let size = order.len();
        if batch::check_outputs(&tensors, size).is_err() {
            return Err(format!("a batch of {size} rows is not answered with as many"));
        }
        for (at, &row) in order.iter().enumerate() {
            let own = batch::slices(&tensors, at, 1).map_err(|error| error.to_string())?;
            answers.compare(row, &own, &format!("a row among {size} is"))?;
        }
        Ok(())
    }
}

/// The orders in which a batch of a size is tried: rows from the first on, and backwards from the last; of the smaller
/// sizes also one row among copies of another, and odd sizes.
fn orders(size: usize, rows: usize) -> Vec<Vec<usize>> {
    let forward: Vec<usize> = (0..size).map(|at| at % rows).collect();
    let backward: Vec<usize> = (0..size).map(|at| rows - 1 - at % rows).collect();
    let mut orders = vec![forward, backward];
    if size <= 8 {
        let mut odd_one = vec![0; size];
        odd_one[size - 1] = 1 % rows;
        orders.push(odd_one);
        let smaller = ODD.into_iter().filter(|&odd| odd < size && odd > size / 2);
        orders.extend(smaller.map(|odd| (0..odd).map(|at| (at + 1) % rows).collect()));
    }
    orders
}

fn joined(rows: &[Row], order: &[usize]) -> Result<Row, String> {
    let input = |input: usize| {
        let parts: Vec<&Tensor> = order.iter().map(|&row| &rows[row][input]).collect();
        batch::join(&parts, 0)
    };
    (0..rows[0].len()).map(input).collect::<Result<Row>>().map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests;
