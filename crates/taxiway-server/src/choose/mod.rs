//! What is chosen by measuring: which of two engines answers a signature, the second where it is shown to answer like the
//! first, and faster; and (`gather`) whether its requests share runs.
//!
//! Nothing here knows which runtimes they are. What is measured is the version's own warm-up requests, on the thread that
//! loads it; a signature without any stays with the first.

mod alike;
mod gather;
mod split;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use taxiway_engine::{Call, DEFAULT_SIGNATURE, Engine, Result, Signature, Tensor};

use crate::api::predict;
use crate::execute::guarded;
use crate::proto::prediction_log::LogType;
use crate::warm_up::records;
use alike::{allowed, difference, hides_what_is_not_finite, nudged, repeated, spoilt};
pub(crate) use gather::{Gathers, gathers};
use split::Split;

/// The most requests of a signature that are compared, and how long that may take.
const MAX_COMPARED: usize = 64;
const COMPARING_BUDGET: Duration = Duration::from_secs(5);

/// Of how many rows a larger request is made, when none are gathered.
const SEVERAL_ROWS: usize = 32;

/// The most runs of each engine that are timed, in turns, and how long that may take.
const MAX_TIMED_RUNS: usize = 25;
const LEAST_TIMED_RUNS: usize = 3;
const TIMING_BUDGET: Duration = Duration::from_millis(200);

/// The second engine must need at most this part of the first one's time: two equal ones differ by a few percent.
const FASTER: f64 = 0.95;

/// Two engines for one version.
pub struct Contenders<'a> {
    /// What the version was made for; its answers are right.
    pub first: Arc<dyn Engine>,
    /// What may answer alike and faster.
    pub second: Arc<dyn Engine>,
    /// Signatures that need no measuring: the second engine was shown to answer alike and faster elsewhere.
    pub shown: &'a [String],
    /// How many rows a full batch has, when requests are gathered: the second engine must not be slower there either.
    pub batch_rows: Option<usize>,
    /// The largest tensor a request may ask for, in bytes.
    pub max_tensor_bytes: usize,
}

/// What answers, and why: by signature, as JSON.
pub struct Choice {
    /// One of the two, or both in one, each for its signatures.
    pub engine: Arc<dyn Engine>,
    /// For each signature `engine`, `why`, and the figures where something was measured.
    pub evidence: Value,
}

/// Measures and chooses. Blocks for as long as that takes.
pub fn choose(contenders: &Contenders<'_>, version: &Path) -> Choice {
    // Damage in the file is for warm-up to report, which reads it next.
    let requests = records::read(version).unwrap_or_default();
    let (mut taken, mut evidence) = (BTreeMap::new(), serde_json::Map::new());
    let signatures = contenders.first.signatures();
    for signature in signatures.callable().filter(|signature| signature.is_for_callers()) {
        let (second, mut found) = match judged(contenders, signature, &requests) {
            Ok(found) => (contenders.second.signatures().get(&signature.name).and_then(Result::ok), found),
            Err(found) => (None, found),
        };
        if let Some(second) = second {
            taken.insert(signature.name.clone(), Arc::clone(second));
        }
        let engine = second.map_or(contenders.first.name(), |_| contenders.second.name());
        found.insert("engine".to_owned(), engine.into());
        evidence.insert(signature.name.clone(), found.into());
    }
    let engine = Split::of(Arc::clone(&contenders.first), Arc::clone(&contenders.second), taken, contenders.shown);
    Choice { engine, evidence: evidence.into() }
}

type Found = serde_json::Map<String, Value>;

fn because(why: impl Into<String>) -> Found {
    [("why".to_owned(), why.into().into())].into_iter().collect()
}

/// What was found of a signature: `Ok` when the second engine is to answer it.
fn judged(contenders: &Contenders<'_>, signature: &Signature, requests: &[LogType]) -> Result<Found, Found> {
    let name = contenders.second.name();
    let Some(Ok(second)) = contenders.second.signatures().get(&signature.name) else {
        return Err(because(format!("{name} has no such signature")));
    };
    if let Some(unlike) = signature.unlike(second) {
        return Err(because(format!("on {name} {unlike}")));
    }
    if contenders.shown.contains(&signature.name) {
        return Ok(because(format!("publishing found that {name} answers alike, and faster")));
    }
    let rows = inputs_of(signature, requests, contenders.max_tensor_bytes);
    let Some(first_row) = rows.first() else {
        return Err(because("there is no warm-up request of it to compare answers on"));
    };
    let pair = Pair { contenders, signature, second };
    // Requests come in other numbers of rows, too, than those that warm it up.
    let more = [2, contenders.batch_rows.unwrap_or(SEVERAL_ROWS)].map(|wanted| repeated(first_row, wanted));
    let more: Vec<_> = more.into_iter().flatten().filter(|inputs| pair.on_first(inputs).is_ok()).collect();
    let own = rows.iter().take(MAX_COMPARED).cloned();
    let mut found = pair.compare(own.chain(more))?;
    pair.check_not_finite(first_row).map_err(because)?;
    pair.time(&mut found, first_row, "us").map_err(because)?;
    let full = contenders.batch_rows.and_then(|rows| repeated(first_row, rows));
    let slower = pair.slower(&found, "us").or_else(|| {
        let batch = full.as_ref()?;
        pair.time(&mut found, batch, "batch_us").err().or_else(|| pair.slower(&found, "batch_us"))
    });
    match slower {
        Some(why) => {
            found.insert("why".to_owned(), why.into());
            Err(found)
        }
        None => {
            found.insert("why".to_owned(), format!("{name} answers alike, and faster").into());
            Ok(found)
        }
    }
}

/// The tensors of the predict requests for a signature that fit it.
fn inputs_of(signature: &Signature, requests: &[LogType], max_tensor_bytes: usize) -> Vec<Vec<Tensor>> {
    let asked = requests.iter().filter_map(|request| match request {
        LogType::PredictLog(log) => log.request.as_ref(),
        _ => None,
    });
    let named = asked.filter(|request| {
        let name = request.model_spec.as_ref().map_or("", |spec| spec.signature_name.as_str());
        (if name.is_empty() { DEFAULT_SIGNATURE } else { name }) == signature.name
    });
    named.filter_map(|request| predict::named_inputs(signature, &request.inputs, max_tensor_bytes).ok()).collect()
}

/// A signature as both engines have it.
struct Pair<'a> {
    contenders: &'a Contenders<'a>,
    signature: &'a Signature,
    second: &'a Signature,
}

impl Pair<'_> {
    fn on_first(&self, inputs: &[Tensor]) -> Result<Vec<Tensor>> {
        run(self.contenders.first.as_ref(), self.signature, inputs)
    }

    fn on_second(&self, inputs: &[Tensor]) -> Result<Vec<Tensor>> {
        run(self.contenders.second.as_ref(), self.second, inputs)
    }

    /// Whether both answer alike: no further apart than the first engine's own answers move when the inputs do by
    /// rounding.
    fn compare(&self, rows: impl Iterator<Item = Vec<Tensor>>) -> Result<Found, Found> {
        let (first, second) = (self.contenders.first.name(), self.contenders.second.name());
        let began = Instant::now();
        let (mut compared, mut largest, mut floor, mut scale) = (0_usize, 0.0_f64, 0.0_f64, 1.0_f64);
        for inputs in rows {
            let inputs = &inputs[..];
            let right =
                self.on_first(inputs).map_err(|error| because(format!("{first} refuses a request: {error}")))?;
            let other =
                self.on_second(inputs).map_err(|error| because(format!("{second} refuses a request: {error}")))?;
            let found = difference(&right, &other).map_err(|what| because(format!("{second} answers {what}")))?;
            let again = self.on_first(inputs).ok().and_then(|again| difference(&right, &again).ok());
            if again.is_none_or(|again| again.largest > allowed(0.0, again.scale)) {
                // The noise of such a model would excuse any answer.
                return Err(because(format!("{first} answers the same request otherwise from call to call")));
            }
            (largest, scale) = (largest.max(found.largest), scale.max(found.scale));
            for up in [true, false] {
                let moved = self.on_first(&nudged(inputs, up)).ok().and_then(|moved| difference(&right, &moved).ok());
                floor = moved.map_or(floor, |moved| floor.max(moved.largest));
            }
            compared += 1;
            if began.elapsed() > COMPARING_BUDGET {
                break;
            }
        }
        let allowed = allowed(floor, scale);
        let mut found = because(format!("{second} answers otherwise"));
        found.insert("requests".to_owned(), compared.into());
        found.insert("largest_difference".to_owned(), largest.into());
        found.insert("allowed_difference".to_owned(), allowed.into());
        if largest <= allowed { Ok(found) } else { Err(found) }
    }

    /// That a NaN among the inputs is not hidden: guards against errors count answers that hold one.
    fn check_not_finite(&self, inputs: &[Tensor]) -> Result<(), String> {
        let Some(inputs) = spoilt(inputs) else { return Ok(()) };
        let Ok(right) = self.on_first(&inputs) else { return Ok(()) };
        let hidden = self.on_second(&inputs).map_or(true, |other| hides_what_is_not_finite(&right, &other));
        if !hidden {
            return Ok(());
        }
        Err(format!("{} answers a request that holds a NaN as if it were none", self.contenders.second.name()))
    }

    /// The median run of each engine, in turns: what else the machine does meets both.
    fn time(&self, found: &mut Found, inputs: &[Tensor], what: &str) -> Result<(), String> {
        let began = Instant::now();
        let (mut first, mut second) = (Vec::new(), Vec::new());
        while first.len() < MAX_TIMED_RUNS && (first.len() < LEAST_TIMED_RUNS || began.elapsed() < TIMING_BUDGET) {
            first.push(took(|| self.on_first(inputs))?);
            second.push(took(|| self.on_second(inputs))?);
        }
        for (engine, mut times) in [(&self.contenders.first, first), (&self.contenders.second, second)] {
            times.sort_unstable();
            let median = times[times.len() / 2].as_secs_f64() * 1e6;
            found.insert(format!("{}_{what}", engine.name()), json!((median * 10.0).round() / 10.0));
        }
        Ok(())
    }

    /// Why the second engine is not the faster one; `None` when it is.
    fn slower(&self, found: &Found, what: &str) -> Option<String> {
        let of = |engine: &Arc<dyn Engine>| found.get(&format!("{}_{what}", engine.name())).and_then(Value::as_f64);
        let (first, second) = (of(&self.contenders.first)?, of(&self.contenders.second)?);
        // A full batch may take as long on both: single requests gain.
        let (limit, of_what) = if what == "us" { (FASTER, "") } else { (1.0 / FASTER, " with a full batch") };
        let name = self.contenders.second.name();
        (second > first * limit).then(|| format!("{name} answers alike, and is not faster{of_what}"))
    }
}

fn run(engine: &dyn Engine, signature: &Signature, inputs: &[Tensor]) -> Result<Vec<Tensor>> {
    let outputs: Vec<usize> = (0..signature.outputs.len()).collect();
    guarded(engine, &Call { signature, inputs, outputs: &outputs, timeout: None })
}

fn took(run: impl FnOnce() -> Result<Vec<Tensor>>) -> Result<Duration, String> {
    let began = Instant::now();
    run().map_err(|error| format!("a run failed while it was timed: {error}"))?;
    Ok(began.elapsed())
}

#[cfg(test)]
mod tests;
