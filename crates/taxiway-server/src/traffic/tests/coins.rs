//! Rollouts simulated through what really counts: a unit is one coin, however often it asks and its arm grows.

use super::*;
use crate::traffic::counts::ArmCounts;
use crate::traffic::route::Arm;

const STEPS_PPM: [u32; 5] = [10_000, 50_000, 100_000, 250_000, 500_000];

/// What convicts, with one guard.
const CONVICTS: f64 = 100.0;

/// Seeded numbers (SplitMix64).
struct Draw(u64);

impl Draw {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ mixed >> 31
    }

    fn below(&mut self, chance: f64) -> bool {
        (self.next() as f64) < chance * 2f64.powi(64)
    }
}

/// The bet of the control plane's test of harm, Beta(5, 5) above one half, as a sum over a grid of chances.
struct Bet(Vec<(f64, f64, f64)>);

impl Bet {
    fn new() -> Bet {
        let chances = (0..40).map(|place| 0.5 + (f64::from(place) + 0.5) / 80.0);
        let grid: Vec<(f64, f64)> = chances.map(|chance| (chance, (chance * (1.0 - chance)).powi(4))).collect();
        let whole: f64 = grid.iter().map(|(_, weight)| weight).sum();
        let logs = |(chance, weight): (f64, f64)| (weight / whole, (2.0 * chance).ln(), (2.0 * (1.0 - chance)).ln());
        Bet(grid.into_iter().map(logs).collect())
    }

    fn convicts(&self, canary: u64, control: u64) -> bool {
        let won = |(weight, of_canary, of_control): &(f64, f64, f64)| {
            weight * (of_canary * canary as f64 + of_control * control as f64).exp()
        };
        canary > control && self.0.iter().map(won).sum::<f64>() >= CONVICTS
    }
}

/// The routes of a rollout's steps, as the control plane writes them, under a name of its own.
fn steps(number: usize, versions: &BTreeMap<i64, Lease>) -> Vec<Route> {
    let experiments = Experiments::default();
    let route = |ppm| {
        let control = json!({"name": "control", "version": 1, "share_ppm": ppm, "begin_ppm": 500_000});
        let mut document = document(&json!([{"name": "canary", "version": 2, "share_ppm": ppm}, control]));
        document["experiment"] = format!("m-{number}").into();
        let document = serde_json::from_value(document).unwrap();
        let route = Route::read("m", &document, versions, Some(1), &experiments).unwrap();
        experiments.keep("m", &route);
        route
    };
    STEPS_PPM.map(route).into()
}

/// The counts of canary and control.
fn counts(route: &Route) -> [&ArmCounts; 2] {
    [0, u64::MAX / 2 + 1].map(|bucket| route.holder(bucket).counter.arm())
}

fn ask(arm: &Arm, unit: Unit, fails: bool) {
    let code = if fails { ErrorKind::InvalidArgument as usize } else { 0 };
    Exposure::begin(arm, unit, &http::HeaderValue::from_static("id"), None).ended(code, Duration::ZERO);
}

/// Whether a version like the old one is convicted where `failing` units fail whenever they ask, once at each step.
fn accused(number: usize, failing: usize, versions: &BTreeMap<i64, Lease>, bet: &Bet) -> bool {
    let mut draw = Draw(number as u64);
    let hashes: Vec<u64> = (0..failing).map(|_| draw.next()).collect();
    steps(number, versions).iter().any(|route| {
        let [canary, control] = counts(route);
        hashes.iter().enumerate().any(|(place, &hash)| {
            let arm = route.holder(hash);
            if arm.counter.units {
                ask(arm, Unit { hash, keyed: true }, true);
            }
            place % 10 == 0 && bet.convicts(canary.bad_units(0), control.bad_units(0))
        })
    })
}

#[test]
fn units_that_always_fail_convict_no_version_that_is_like_the_old_one() {
    const ROLLOUTS: usize = 500;
    let (bet, versions) = (Bet::new(), versions());
    // As the control plane's (`events_to_convict`).
    assert!(bet.convicts(14, 0) && !bet.convicts(13, 0));
    let accused = (0..ROLLOUTS).filter(|&number| accused(number, 300, &versions, &bet)).count();
    // Such a bet comes to 0.35 %; with a coin at each step it is 3 %.
    assert!(accused <= 5, "{accused} of {ROLLOUTS} are convicted");
}

/// How many units of both arms, which ask twice, until a version is convicted that fails for 5 % of its units and not
/// for 1 %, in whatever they ask.
fn noticed(number: usize, versions: &BTreeMap<i64, Lease>, bet: &Bet) -> u64 {
    let mut draw = Draw(1_000_000 + number as u64);
    let routes = steps(number, versions);
    let route = &routes[4];
    let [canary, control] = counts(route);
    for units in 1.. {
        let unit = Unit { hash: draw.next(), keyed: true };
        let of_canary = unit.hash < u64::MAX / 2;
        let fails = draw.below(if of_canary { 0.05 } else { 0.01 });
        (0..2).for_each(|_| ask(route.holder(unit.hash), unit, fails));
        if units % 10 == 0 && bet.convicts(canary.bad_units(0), control.bad_units(0)) {
            return units;
        }
    }
    0
}

#[test]
fn a_version_that_fails_for_five_times_as_many_units_is_noticed_after_nine_hundred() {
    let (bet, versions) = (Bet::new(), versions());
    let mut units: Vec<u64> = (0..101).map(|number| noticed(number, &versions, &bet)).collect();
    units.sort_unstable();
    assert!((780..=1020).contains(&units[50]), "the middle one takes {} units", units[50]);
}
