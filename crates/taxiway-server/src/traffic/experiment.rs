//! Experiments: what is counted under one name for as long as tables go on with it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use taxiway_engine::{Error, ErrorKind, Result};

use super::counts::{ArmCounts, Outcome, Parts, Tally, Verdict, tallied};
use super::document::{KeyDocument, RouteDocument};
use super::ended::{Ended, Guards, MAX_SLOW};
use super::route::Route;
use super::seen::Seen;
use super::shadow::ShadowCounts;

/// Sets of shares that are told apart; beyond it the oldest is forgotten. What is counted of an arm as a whole stays.
const MAX_PHASES: usize = 256;

/// Arms, each on each of its versions.
const MAX_ARMS: usize = 64;

/// One experiment on one model.
pub(crate) struct Experiment {
    frozen: Frozen,
    began: SystemTime,
    arms: Mutex<Vec<Arc<ArmCounts>>>,
    phases: Mutex<Phases>,
    /// The units that were led somewhere, by phase.
    seen: Seen,
    /// Those that were led somewhere, once for all phases.
    ever: Seen,
    /// Those whose answers a guard found bad, by guard, once for all phases: they stay in their arm while shares grow, so
    /// that at the next step they are no new coins.
    bad: Seen,
    /// Those that a label came for, by phase.
    labelled: Seen,
    shadows: Mutex<Vec<Arc<ShadowCounts>>>,
}

/// What an experiment must not change while it runs, since what is counted would mean nothing afterwards.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Frozen {
    name: String,
    salt: String,
    key: KeyDocument,
    slow: Vec<(String, Duration)>,
}

#[derive(Default)]
struct Phases {
    known: VecDeque<Arc<Phase>>,
    begun: u64,
    forgotten: u64,
}

/// The time, or times, during which the arms had the same shares.
pub(crate) struct Phase {
    number: u64,
    shares: Vec<Share>,
    tallies: Vec<Parts<Tally>>,
}

/// What one arm gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Share {
    pub(crate) arm: String,
    pub(crate) version: i64,
    pub(crate) begin_ppm: u32,
    pub(crate) share_ppm: u32,
}

/// Where the requests of one arm are counted, while its shares are what they are.
pub(crate) struct Counter {
    experiment: Arc<Experiment>,
    phase: Arc<Phase>,
    /// Among the shares of the phase.
    place: usize,
    arm: Arc<ArmCounts>,
    /// Whether its units are told apart: those of the rest, which may be many, are not.
    pub(super) units: bool,
}

/// What one request came to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Unit {
    pub(crate) hash: u64,
    /// Whether the request brought a key; without one it is a unit of its own.
    pub(crate) keyed: bool,
}

/// The unit of one request, and where it is counted.
pub(super) struct Owner {
    pub(super) counter: Arc<Counter>,
    pub(super) unit: Unit,
}

impl Owner {
    /// The time for feedback about its answer is over.
    pub(super) fn closed(&self, labelled: bool) {
        self.counter.closed(self.unit, labelled);
    }
}

impl Counter {
    /// A request was led here. Whether it is its unit's first in this phase.
    pub(super) fn began(&self, unit: Unit) -> bool {
        let first = self.units && self.is_new(&self.experiment.seen, unit, self.phase.number);
        let first_ever = first && self.is_new(&self.experiment.ever, unit, 0);
        self.arm.began(unit.keyed, first, first_ever);
        self.phase.tallies[self.place].own().began(unit.keyed, first);
        first
    }

    /// Feedback came about an answer of this arm.
    pub(super) fn judged(&self, verdict: &Verdict) {
        self.arm.judged(verdict);
        self.phase.tallies[self.place].own().judged(verdict);
    }

    /// The time for feedback about an answer is over; `labelled` whether it came to be known right or wrong.
    fn closed(&self, unit: Unit, labelled: bool) {
        let first = labelled && self.units && self.is_new(&self.experiment.labelled, unit, self.phase.number);
        self.arm.closed(labelled, first);
        self.phase.tallies[self.place].own().closed(labelled, first);
    }

    /// It has ended; `first` whether it was its unit's first.
    pub(super) fn ended(&self, unit: Unit, ended: Ended, first: bool) {
        let bad = Guards::against(ended, &self.experiment.frozen.slow);
        let newly_bad = bad.filter(|guard| self.is_newly_bad(unit, guard));
        let outcome = Outcome { ended, first, bad, newly_bad };
        self.arm.ended(outcome);
        self.phase.tallies[self.place].own().ended(outcome);
    }

    /// Whether a bad answer is the first that this guard finds among its unit's. Where units are not told apart each is.
    fn is_newly_bad(&self, unit: Unit, guard: usize) -> bool {
        !self.units || self.is_new(&self.experiment.bad, unit, guard as u64)
    }

    /// Whether a unit is among these for the first time; without a key it always is.
    fn is_new(&self, seen: &Seen, unit: Unit, among: u64) -> bool {
        !unit.keyed || seen.add(unit.hash, among)
    }
}

#[cfg(test)]
impl Experiment {
    pub(super) fn for_test() -> Arc<Experiment> {
        let (name, salt) = ("e".to_owned(), "s".to_owned());
        Arc::new(Experiment::begin(Frozen { name, salt, key: KeyDocument::Field("k".to_owned()), slow: Vec::new() }))
    }
}

#[cfg(test)]
impl Counter {
    pub(super) fn arm(&self) -> &ArmCounts {
        &self.arm
    }
}

impl Experiment {
    fn begin(frozen: Frozen) -> Experiment {
        Experiment {
            frozen,
            began: SystemTime::now(),
            arms: Mutex::default(),
            phases: Mutex::default(),
            seen: Seen::default(),
            ever: Seen::default(),
            bad: Seen::default(),
            labelled: Seen::default(),
            shadows: Mutex::default(),
        }
    }

    /// The counters of arms with these shares, in their order; the last one is the rest.
    ///
    /// # Errors
    /// `ResourceExhausted` when the experiment had too many arms.
    pub(super) fn counters(self: &Arc<Experiment>, shares: Vec<Share>) -> Result<Vec<Arc<Counter>>> {
        let arms: Vec<Arc<ArmCounts>> =
            shares.iter().map(|share| self.arm(&share.arm, share.version)).collect::<Result<_>>()?;
        let phase = self.phase(shares);
        let last = arms.len() - 1;
        let counter = |(place, arm)| {
            let (experiment, phase) = (Arc::clone(self), Arc::clone(&phase));
            Arc::new(Counter { experiment, phase, place, arm, units: place != last })
        };
        Ok(arms.into_iter().enumerate().map(counter).collect())
    }

    fn arm(&self, name: &str, version: i64) -> Result<Arc<ArmCounts>> {
        let mut arms = self.arms.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = arms.iter().find(|arm| arm.name == name && arm.version == version) {
            return Ok(Arc::clone(known));
        }
        if arms.len() >= MAX_ARMS {
            let message = format!("experiment \"{}\" had {MAX_ARMS} arms; begin another one", self.frozen.name);
            return Err(Error::new(ErrorKind::ResourceExhausted, message));
        }
        let new = Arc::new(ArmCounts::new(name, version));
        arms.push(Arc::clone(&new));
        Ok(new)
    }

    /// The counts of a shadow version.
    pub(super) fn shadow(&self, version: i64) -> Arc<ShadowCounts> {
        let mut shadows = self.shadows.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = shadows.iter().find(|shadow| shadow.version == version) {
            return Arc::clone(known);
        }
        if shadows.len() >= MAX_ARMS {
            shadows.remove(0);
        }
        let new = Arc::new(ShadowCounts::new(version));
        shadows.push(Arc::clone(&new));
        new
    }

    fn phase(&self, shares: Vec<Share>) -> Arc<Phase> {
        let mut phases = self.phases.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = phases.known.iter().find(|phase| phase.shares == shares) {
            return Arc::clone(known);
        }
        let tallies = shares.iter().map(|_| Parts::default()).collect();
        let phase = Arc::new(Phase { number: phases.begun, shares, tallies });
        phases.begun += 1;
        phases.known.push_back(Arc::clone(&phase));
        if phases.known.len() > MAX_PHASES {
            phases.known.pop_front();
            phases.forgotten += 1;
        }
        phase
    }

    /// All that was counted so far.
    fn document(&self, model: &str) -> Value {
        let slow = &self.frozen.slow;
        let arms = self.arms.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let (known, forgotten) = {
            let phases = self.phases.lock().unwrap_or_else(PoisonError::into_inner);
            (phases.known.clone(), phases.forgotten)
        };
        let shadows = self.shadows.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let slow_us: serde_json::Map<String, Value> =
            slow.iter().map(|(name, limit)| (name.clone(), (limit.as_micros() as u64).into())).collect();
        json!({
            "model": model,
            "experiment": self.frozen.name,
            "began_unix_ms": self.began.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64),
            "slow_us": slow_us,
            "arms": arms.iter().map(|arm| arm.document(slow)).collect::<Vec<_>>(),
            "phases": known.iter().map(|phase| phase.document(slow)).collect::<Vec<_>>(),
            "phases_forgotten": forgotten,
            "shadows": shadows.iter().map(|shadow| shadow.document()).collect::<Vec<_>>(),
            "paired": shadows.last().map_or_else(|| json!({}), |shadow| json!({"accuracy": shadow.paired()})),
        })
    }
}

impl Phase {
    fn document(&self, slow: &[(String, Duration)]) -> Value {
        let arms = self.shares.iter().zip(&self.tallies).map(|(share, tally)| {
            let mut counts = tallied(tally, slow);
            counts.extend([
                ("arm".to_owned(), json!(share.arm)),
                ("version".to_owned(), json!(share.version)),
                ("share_ppm".to_owned(), json!(share.share_ppm)),
            ]);
            Value::from(counts)
        });
        json!({"number": self.number, "arms": arms.collect::<Vec<_>>()})
    }
}

/// The experiment of each model that has one, or had: what was counted can be read until another begins.
#[derive(Default)]
pub(crate) struct Experiments(Mutex<BTreeMap<String, Arc<Experiment>>>);

impl Experiments {
    /// The experiment that a route names, the running one when it has that name. It is the model's only once
    /// [`Experiments::keep`] says so.
    ///
    /// # Errors
    /// `InvalidArgument` when it goes on and its salt, key or times for slow are others than before.
    pub(super) fn of(&self, model: &str, route: &RouteDocument) -> Result<Arc<Experiment>> {
        let slow = route.slow_us.iter().map(|(name, &us)| (name.clone(), Duration::from_micros(us))).collect();
        let (name, salt, key) = (route.experiment.clone(), route.salt.clone(), route.key.clone());
        let frozen = Frozen { name, salt, key, slow };
        if frozen.slow.len() > MAX_SLOW {
            let message = format!("model \"{model}\": at most {MAX_SLOW} times may be called slow");
            return Err(Error::invalid(message));
        }
        let running = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(model).map(Arc::clone);
        match running.filter(|running| running.frozen.name == frozen.name) {
            None => Ok(Arc::new(Experiment::begin(frozen))),
            Some(running) if running.frozen == frozen => Ok(running),
            Some(_) => Err(Error::invalid(format!(
                "model \"{model}\": experiment \"{}\" goes on with another salt, key or slow_us than it began with; \
                 give what is new another name",
                route.experiment
            ))),
        }
    }

    /// The model's experiment from here on.
    pub(crate) fn keep(&self, model: &str, route: &Route) {
        let mut running = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        running.insert(model.to_owned(), Arc::clone(&route.experiment));
    }

    /// What was counted of a model's experiment; `None` when it never had one.
    pub(crate) fn document(&self, model: &str) -> Option<Value> {
        let running = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(model).map(Arc::clone);
        running.map(|experiment| experiment.document(model))
    }
}
