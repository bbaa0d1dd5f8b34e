//! From what a request asks for to the version that answers it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use http::HeaderValue;
use taxiway_engine::Tensor;

use super::ended::Ended;
use super::experiment::{Counter, Owner, Unit};
use super::memory::{Memory, key_of};
use super::nan::any_nan;
use super::route::{Arm, KeySource, Route};
use super::shadow::{Asked, ShadowTo};
use super::top::tops;
use super::unit::{Caller, Key};
use crate::execute::Run;
use crate::lease::Lease;
use crate::metrics::Tracked;

/// What a table found for a request: a lease, and the route when one has a say.
#[derive(Clone, Copy)]
pub(crate) struct Found<'t> {
    pub(crate) lease: &'t Lease,
    /// `None` when the model has no route, or the request itself says which version it wants.
    pub(crate) route: Option<&'t Route>,
}

/// Which way a request goes.
pub(crate) enum Led<'t> {
    Straight(&'t Lease),
    To(&'t Route, &'t Arm, Unit),
    /// The key is in the request's body.
    Undecided(&'t Lease, &'t Route),
}

impl<'t> Found<'t> {
    /// The way, as far as it shows before the body is read.
    pub(crate) fn led(self, caller: Caller<'_>) -> Led<'t> {
        let Some(route) = self.route else { return Led::Straight(self.lease) };
        match &route.key {
            KeySource::Field(_) => Led::Undecided(self.lease, route),
            KeySource::Header(name) => {
                let (arm, unit) = route.arm(caller.key(name).as_ref(), caller.id.as_bytes());
                Led::To(route, arm, unit)
            }
        }
    }
}

impl Led<'_> {
    /// The version that answers, or while that is not decided the one that most probably will.
    pub(crate) fn lease(&self) -> &Lease {
        match self {
            Led::Straight(lease) | Led::Undecided(lease, _) => lease,
            Led::To(_, arm, _) => &arm.lease,
        }
    }

    /// Goes that way: the request is counted as its arm's from here on. `key` finds what stands in a field of the body.
    pub(crate) fn go(self, tracked: &mut Tracked<'_>, key: impl FnOnce(&Lease, &str) -> Option<Key>) -> Lease {
        let id = tracked.caller().id;
        let (route, (arm, unit)) = match self {
            Led::Straight(lease) => return lease.clone(),
            Led::To(route, arm, unit) => (route, (arm, unit)),
            Led::Undecided(lease, route) => {
                let key = match &route.key {
                    KeySource::Field(name) => key(lease, name),
                    KeySource::Header(_) => None,
                };
                (route, route.arm(key.as_ref(), id.as_bytes()))
            }
        };
        tracked.exposed(Exposure::begin(arm, unit, id, route.shadow_of(arm, id)));
        arm.lease.clone()
    }
}

/// One request's part in an experiment, from its assignment to its end.
pub(crate) struct Exposure {
    counter: Arc<Counter>,
    header: Option<HeaderValue>,
    unit: Unit,
    first: bool,
    nan: bool,
    hurried: bool,
    id: HeaderValue,
    /// What the request is remembered by.
    key: u64,
    shadow: Option<ShadowTo>,
}

impl Exposure {
    pub(super) fn begin(arm: &Arm, unit: Unit, id: &HeaderValue, shadow: Option<ShadowTo>) -> Exposure {
        let first = arm.counter.began(unit);
        let key = key_of(&arm.lease.name, id.as_bytes());
        let (counter, header) = (Arc::clone(&arm.counter), arm.header.clone());
        Exposure { counter, header, unit, first, nan: false, hurried: false, id: id.clone(), key, shadow }
    }

    /// The arm, for the header of an answer; `None` while there is one arm only.
    pub(crate) fn header(&self) -> Option<&HeaderValue> {
        self.header.as_ref()
    }

    /// What is asked, when it is to be asked of a shadow too.
    pub(super) fn asked(&self, run: &Run) -> Option<Asked> {
        Some(Asked::new(self.shadow.clone()?, &self.id, self.key, run))
    }

    /// What the version answered: it is remembered, so that feedback finds it.
    pub(super) fn answered(&mut self, memory: &Memory, tensors: &[Tensor]) {
        self.nan |= any_nan(tensors);
        let rest = !self.counter.units && self.shadow.is_none();
        let owner = Owner { counter: Arc::clone(&self.counter), unit: self.unit };
        memory.remember(self.key, rest, owner, tops(tensors), Instant::now());
    }

    /// The request's caller gives it less time than the server does.
    pub(crate) fn hurried(&mut self) {
        self.hurried = true;
    }

    /// The request has ended, with 0 or the number of an error kind.
    pub(crate) fn ended(&self, code: usize, took: Duration) {
        let ended = Ended { code, took, nan: self.nan, hurried: self.hurried };
        self.counter.ended(self.unit, ended, self.first);
    }
}
