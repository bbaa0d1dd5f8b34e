//! A model's route: which arm a unit belongs to. Immutable, a part of the table.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::{HeaderName, HeaderValue};
use taxiway_engine::{Error, Result};

use super::document::{ArmDocument, KeyDocument, RouteDocument, ShadowDocument};
use super::experiment::{Counter, Experiment, Experiments, Share, Unit};
use super::hash::xxh64;
use super::shadow::ShadowTo;
use super::unit::Key;
use crate::lease::Lease;

/// The arm that answers what no other does.
pub(crate) const STABLE: &str = "stable";

/// All units, in the measure of shares.
const WHOLE_PPM: u32 = 1_000_000;

/// The longest name of an arm or an experiment, in bytes.
const MAX_NAME_BYTES: usize = 128;

/// How the requests of one model that name no version are led.
pub(crate) struct Route {
    pub(super) key: KeySource,
    /// What is hashed before a unit: salt and experiment.
    prefix: Vec<u8>,
    /// By where their units begin.
    arms: Vec<Arm>,
    rest: Arm,
    pub(super) experiment: Arc<Experiment>,
    shadow: Option<ShadowTo>,
}

/// Where the key is.
pub(super) enum KeySource {
    Header(HeaderName),
    Field(String),
}

/// One arm.
pub(crate) struct Arm {
    pub(super) lease: Lease,
    /// Its name as a header; `None` while there is no other arm.
    pub(super) header: Option<HeaderValue>,
    pub(super) counter: Arc<Counter>,
    slice: Slice,
}

/// The buckets from `begin` to before `end`, of 2^64.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Slice {
    begin: u128,
    end: u128,
}

impl Slice {
    fn of(begin_ppm: u32, share_ppm: u32) -> Slice {
        let bucket = |ppm: u32| (u128::from(ppm) << 64) / u128::from(WHOLE_PPM);
        Slice { begin: bucket(begin_ppm), end: bucket(begin_ppm + share_ppm) }
    }

    fn holds(self, bucket: u64) -> bool {
        (self.begin..self.end).contains(&u128::from(bucket))
    }
}

impl Route {
    /// Reads a model's route; `versions` are those it may lead to, `default` the one that answers the rest.
    ///
    /// # Errors
    /// `InvalidArgument` when arms overlap, exceed the whole, share a name, or name no version of the table, and when
    /// the experiment goes on with what it must not change.
    pub(crate) fn read(
        model: &str,
        document: &RouteDocument,
        versions: &BTreeMap<i64, Lease>,
        default: Option<i64>,
        experiments: &Experiments,
    ) -> Result<Route> {
        let refuse = |reason: String| Error::invalid(format!("model \"{model}\": its route {reason}"));
        let shares = shares(document, default.ok_or_else(|| refuse("has no default version beneath it".into()))?);
        let shares = shares.and_then(|shares| checked(document, shares, versions)).map_err(refuse)?;
        let key = match &document.key {
            KeyDocument::Header(name) => KeySource::Header(
                HeaderName::try_from(name).map_err(|_| refuse(format!("takes \"{name}\" for a header's name")))?,
            ),
            KeyDocument::Field(name) => KeySource::Field(name.clone()),
        };
        let experiment = experiments.of(model, document)?;
        let several = shares.iter().filter(|share| share.share_ppm > 0).count() > 1;
        let mut arms = Vec::with_capacity(shares.len());
        for (share, counter) in shares.iter().zip(experiment.counters(shares.clone())?) {
            let header = HeaderValue::try_from(&share.arm).ok().filter(|_| several);
            let slice = Slice::of(share.begin_ppm, share.share_ppm);
            // Checked to be there.
            let Some(lease) = versions.get(&share.version).cloned() else { continue };
            arms.push(Arm { lease, header, counter, slice });
        }
        let rest = arms.pop().ok_or_else(|| refuse("has no arm".into()))?;
        let shadow = document.shadow.as_ref();
        let shadow = shadow.map(|shadow| shadow_to(shadow, rest.lease.version, versions, &experiment));
        let shadow = shadow.transpose().map_err(refuse)?;
        let prefix = [document.salt.as_bytes(), document.experiment.as_bytes()].concat();
        Ok(Route { key, prefix, arms, rest, experiment, shadow })
    }

    /// Whether an arm leads to a version that is not the default one.
    pub(crate) fn tries(&self, version: i64) -> bool {
        version != self.rest.lease.version && self.arms.iter().any(|arm| arm.lease.version == version)
    }

    /// The arm of a unit: the one that `key` belongs to, or without one the one that the request's own id does.
    pub(super) fn arm(&self, key: Option<&Key>, id: &[u8]) -> (&Arm, Unit) {
        let hash = self.hash(key.map_or(id, |key| key.as_slice()));
        (self.holder(hash), Unit { hash, keyed: key.is_some() })
    }

    /// The arm that a bucket belongs to.
    pub(super) fn holder(&self, bucket: u64) -> &Arm {
        self.arms.iter().find(|arm| arm.slice.holds(bucket)).unwrap_or(&self.rest)
    }

    /// Where a copy of a request goes that this arm answers: nowhere when it is not the default version that does, or
    /// the request is not in the sample.
    pub(super) fn shadow_of(&self, arm: &Arm, id: &HeaderValue) -> Option<ShadowTo> {
        let shadow = self.shadow.as_ref().filter(|_| arm.lease.version == self.rest.lease.version)?;
        shadow.samples(id).then(|| shadow.clone())
    }

    fn hash(&self, unit: &[u8]) -> u64 {
        let mut bytes = Key::from_slice(&self.prefix);
        bytes.extend_from_slice(unit);
        xxh64(&bytes)
    }
}

fn shadow_to(
    document: &ShadowDocument,
    default: i64,
    versions: &BTreeMap<i64, Lease>,
    experiment: &Experiment,
) -> Result<ShadowTo, String> {
    let ShadowDocument { version, share_ppm, tolerance } = *document;
    if share_ppm > WHOLE_PPM {
        return Err(format!("copies {} % of the requests, which is over 100 %", percent(share_ppm)));
    }
    if !(tolerance.is_finite() && tolerance >= 0.0) {
        return Err(format!("tolerates a difference of {tolerance}; a number from 0 is wanted"));
    }
    if version == default {
        return Err(format!("copies what version {version} answers to itself"));
    }
    let lease = versions.get(&version).cloned();
    let lease = lease.ok_or_else(|| format!("copies requests to version {version}, which is not served"))?;
    let below = (u128::from(share_ppm) << 64) / u128::from(WHOLE_PPM);
    Ok(ShadowTo { lease, counts: experiment.shadow(version), below, tolerance })
}

/// What each arm gets, the rest last; it gets what the others leave.
fn shares(document: &RouteDocument, default: i64) -> Result<Vec<Share>, String> {
    let mut next = 0;
    let mut shares = Vec::with_capacity(document.arms.len() + 1);
    for ArmDocument { name, version, share_ppm, begin_ppm } in &document.arms {
        let begin = begin_ppm.unwrap_or(next);
        next = begin.saturating_add(*share_ppm);
        if next > WHOLE_PPM {
            return Err(format!("gives arm \"{name}\" units up to {} %, which is over 100 %", percent(next)));
        }
        shares.push(Share { arm: name.clone(), version: *version, begin_ppm: begin, share_ppm: *share_ppm });
    }
    let taken: u64 = shares.iter().map(|share| u64::from(share.share_ppm)).sum();
    let left = u64::from(WHOLE_PPM).checked_sub(taken).ok_or_else(|| {
        format!("gives its arms {} %, which is over 100 %", taken as f64 * 100.0 / f64::from(WHOLE_PPM))
    })?;
    shares.push(Share { arm: STABLE.to_owned(), version: default, begin_ppm: 0, share_ppm: left as u32 });
    Ok(shares)
}

fn percent(ppm: u32) -> f64 {
    f64::from(ppm) * 100.0 / f64::from(WHOLE_PPM)
}

fn checked(
    document: &RouteDocument,
    shares: Vec<Share>,
    versions: &BTreeMap<i64, Lease>,
) -> Result<Vec<Share>, String> {
    let names = shares.iter().map(|share| &share.arm).chain([&document.experiment]);
    for name in names {
        if !(1..=MAX_NAME_BYTES).contains(&name.len()) || !name.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(format!("has the name \"{name}\": 1 to {MAX_NAME_BYTES} letters, digits or signs are wanted"));
        }
    }
    for (place, share) in shares.iter().enumerate() {
        if shares[..place].iter().any(|before| before.arm == share.arm) {
            return Err(format!("has two arms called \"{}\"; \"{STABLE}\" is the rest", share.arm));
        }
        if !versions.contains_key(&share.version) {
            return Err(format!("leads arm \"{}\" to version {}, which is not served", share.arm, share.version));
        }
    }
    if document.slow_us.contains_key("errors") {
        return Err("calls slow answers \"errors\", which are counted by that name already".to_owned());
    }
    let mut arms: Vec<&Share> = shares[..shares.len() - 1].iter().filter(|share| share.share_ppm > 0).collect();
    arms.sort_by_key(|share| share.begin_ppm);
    match arms.windows(2).find(|pair| pair[0].begin_ppm + pair[0].share_ppm > pair[1].begin_ppm) {
        Some(pair) => Err(format!("gives units to both arm \"{}\" and arm \"{}\"", pair[0].arm, pair[1].arm)),
        None => Ok(shares),
    }
}
