//! How a request ended, and what guards make of it.

use std::time::Duration;

use taxiway_engine::ErrorKind;

use crate::render::http_status;

/// How many times an experiment may call slow.
pub(super) const MAX_SLOW: usize = 8;

/// The guards that are counted: `errors`, then each time for slow.
pub(super) const GUARDS: usize = 1 + MAX_SLOW;

/// How a request ended.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ended {
    /// 0, or the number of an error kind.
    pub(crate) code: usize,
    pub(crate) took: Duration,
    /// Whether the answer holds a number that is none.
    pub(crate) nan: bool,
    /// Whether its caller gave it less time than the server does.
    pub(crate) hurried: bool,
}

impl Ended {
    /// Whether it is a bad event: anything but an answer of numbers. What callers do wrong themselves is among it, and
    /// that they leave: it comes to both arms alike, but to a version that refuses what the other takes, or hangs, more.
    pub(super) fn is_bad(self) -> bool {
        self.nan || self.code != 0
    }

    /// Whether it is the version's fault whatever was asked; `None` when its caller did not wait to see. Only that is
    /// for the brake, which compares with nothing.
    pub(super) fn fault(self) -> Option<bool> {
        let kind = kind(self.code);
        let unseen = match kind {
            Some(ErrorKind::Cancelled) => true,
            Some(ErrorKind::DeadlineExceeded) => self.hurried,
            _ => false,
        };
        let fault = self.nan || kind.is_some_and(|kind| http_status(kind).is_server_error());
        (self.nan || !unseen).then_some(fault)
    }

    /// Whether the caller got an answer.
    pub(super) fn is_served(self) -> bool {
        self.code == 0 && !self.nan
    }
}

/// The error kind with this number; `None` for 0, OK.
pub(super) fn kind(code: usize) -> Option<ErrorKind> {
    i32::try_from(code).ok().and_then(ErrorKind::from_code)
}

/// The name of an outcome by its number.
pub(super) fn code_name(code: usize) -> &'static str {
    kind(code).map_or("OK", ErrorKind::name)
}

/// Some of the guards, one bit each.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Guards(u16);

impl Guards {
    /// Those that find a request bad which ended so.
    pub(super) fn against(ended: Ended, slow: &[(String, Duration)]) -> Guards {
        let errors = u16::from(ended.is_bad());
        let slow = slow.iter().zip(1..).map(|((_, limit), place)| u16::from(ended.took > *limit) << place);
        Guards(slow.fold(errors, |bits, bit| bits | bit))
    }

    /// Those of them that `keep` says.
    pub(super) fn filter(self, keep: impl Fn(usize) -> bool) -> Guards {
        self.places()
            .filter(|&place| keep(place))
            .fold(Guards::default(), |Guards(bits), place| Guards(bits | 1 << place))
    }

    pub(super) fn places(self) -> impl Iterator<Item = usize> {
        (0..GUARDS).filter(move |place| self.0 >> place & 1 == 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(code: usize, ms: u64, nan: bool) -> Ended {
        Ended { code, took: Duration::from_millis(ms), nan, hurried: false }
    }

    fn kinds(which: impl Fn(Ended) -> bool) -> Vec<&'static str> {
        let kinds = ErrorKind::ALL.into_iter().filter(|&kind| which(ended(kind as usize, 0, false)));
        kinds.map(ErrorKind::name).collect()
    }

    #[test]
    fn whatever_is_no_answer_is_bad() {
        assert_eq!(kinds(Ended::is_bad), ErrorKind::ALL.map(ErrorKind::name));
        assert!(ended(0, 0, true).is_bad() && !ended(0, 0, false).is_bad());
        assert_eq!(kinds(Ended::is_served), [""; 0]);
        assert!(ended(0, 0, false).is_served() && !ended(0, 0, true).is_served());
    }

    #[test]
    fn what_callers_get_wrong_is_no_fault() {
        let faults = ["UNKNOWN", "DEADLINE_EXCEEDED", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS"];
        assert_eq!(kinds(|ended| ended.fault() == Some(true)), faults);
        assert_eq!([false, true].map(|nan| ended(0, 0, nan).fault()), [Some(false), Some(true)]);
    }

    #[test]
    fn whose_caller_does_not_wait_says_nothing_of_the_version_alone() {
        assert_eq!(kinds(|ended| ended.fault().is_none()), ["CANCELLED"]);
        let hurried = |code: usize, nan| Ended { hurried: true, ..ended(code, 0, nan) };
        assert_eq!(kinds(|ended| hurried(ended.code, false).fault().is_none()), ["CANCELLED", "DEADLINE_EXCEEDED"]);
        assert_eq!(hurried(ErrorKind::Internal as usize, false).fault(), Some(true));
        assert_eq!(hurried(ErrorKind::Cancelled as usize, true).fault(), Some(true));
    }

    #[test]
    fn each_guard_has_its_bit() {
        let slow = [("p95".to_owned(), Duration::from_millis(10)), ("p99".to_owned(), Duration::from_millis(30))];
        for (outcome, places) in [
            (ended(0, 10, false), vec![]),
            (ended(0, 11, false), vec![1]),
            (ended(3, 31, false), vec![0, 1, 2]),
            (ended(0, 1, true), vec![0]),
        ] {
            let guards = Guards::against(outcome, &slow);
            assert_eq!(guards.places().collect::<Vec<_>>(), places);
        }
        let odd = Guards::against(ended(3, 31, false), &slow).filter(|place| place % 2 == 1);
        assert_eq!(odd.places().collect::<Vec<_>>(), [1]);
    }
}
