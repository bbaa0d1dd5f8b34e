use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::ThreadId;
use std::time::Duration;

use taxiway_engine::fake::{FakeEngine, definition};
use taxiway_engine::{DType, ErrorKind};

use super::*;
use crate::loaded::{Fresh, Ready};
use crate::metrics::Metrics;
use crate::server::Registry;

const QUICK: Option<Duration> = Some(Duration::from_micros(5));
const SLOW: Option<Duration> = Some(Duration::from_secs(1));

fn lease(answer: impl Fn() -> Result<Vec<Tensor>> + Send + Sync + 'static, run_time: Option<Duration>) -> Lease {
    let definition = definition(&[], &[("y", DType::Float, None)]);
    let engine = FakeEngine::new([("serving_default".to_owned(), definition)].into(), move |_| answer());
    let fresh = Fresh::new("m", 1, Arc::new(engine));
    let loaded = Registry::default().add(
        fresh,
        Ready { metrics: Metrics::default().version("m", 1), run_time, gathering: Gathering::Off, log: None },
    );
    Lease::new(&loaded)
}

fn run(lease: &Lease, deadline: Deadline) -> Run {
    let signature = lease.engine.signatures().get("serving_default").unwrap().unwrap().clone();
    Run { signature, inputs: Vec::new(), outputs: Outputs::from_slice(&[0]), deadline }
}

fn never() -> Deadline {
    Deadline::sooner(None, None)
}

fn one() -> Result<Vec<Tensor>> {
    Ok(vec![Tensor::from_values([1usize], &[1.0f32])?])
}

fn wait<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

#[test]
fn a_quick_version_runs_here_and_a_slow_one_on_the_pool() {
    let pool = Pool::start("test", 1, 1).unwrap();
    for (run_time, here) in [(QUICK, true), (SLOW, false), (None, false)] {
        let threads: Arc<std::sync::Mutex<Vec<ThreadId>>> = Arc::default();
        let seen = Arc::clone(&threads);
        let answer = move || {
            seen.lock().unwrap().push(std::thread::current().id());
            one()
        };
        let lease = lease(answer, run_time);
        wait(execute(&pool, &lease, run(&lease, never()))).unwrap();
        assert_eq!(*threads.lock().unwrap() == [std::thread::current().id()], here, "{run_time:?}");
        assert_eq!(lease.claims.count(), 1, "the pool kept its lease");
    }
}

#[test]
fn no_work_begins_once_the_time_is_up() {
    static RUNS: AtomicUsize = AtomicUsize::new(0);
    let pool = Pool::start("test", 1, 1).unwrap();
    for run_time in [QUICK, SLOW] {
        let answer = || {
            RUNS.fetch_add(1, Ordering::Relaxed);
            one()
        };
        let lease = lease(answer, run_time);
        let passed = Deadline::sooner(None, Some(Duration::ZERO));
        let error = wait(execute(&pool, &lease, run(&lease, passed))).unwrap_err();
        assert_eq!(error, timed_out());
    }
    assert_eq!(RUNS.load(Ordering::Relaxed), 0);
}

#[test]
fn a_panic_and_a_wrong_number_of_outputs_are_faults_of_ours() {
    let pool = Pool::start("test", 1, 1).unwrap();
    for run_time in [QUICK, SLOW] {
        let panics = lease(|| panic!("out of cheese"), run_time);
        let error = wait(execute(&pool, &panics, run(&panics, never()))).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Internal);
        assert!(
            error.message.ends_with("panicked while running signature \"serving_default\": out of cheese"),
            "{error}"
        );

        let none = lease(|| Ok(Vec::new()), run_time);
        let error = wait(execute(&pool, &none, run(&none, never()))).unwrap_err();
        assert_eq!(error.message, "the fake engine gave 0 outputs of signature \"serving_default\" instead of 1");

        let again = lease(one, run_time);
        assert_eq!(wait(execute(&pool, &again, run(&again, never()))).unwrap().len(), 1);
    }
}

#[test]
fn a_request_given_up_while_it_waits_is_never_run() {
    static RUNS: AtomicUsize = AtomicUsize::new(0);
    let pool = Pool::start("test", 1, 8).unwrap();
    let (gate, opened) = std::sync::mpsc::channel::<()>();
    pool.submit(None, move || assert!(opened.recv().is_err())).unwrap();
    let lease = lease(
        || {
            RUNS.fetch_add(1, Ordering::Relaxed);
            one()
        },
        SLOW,
    );
    let soon = Deadline::sooner(None, Some(Duration::from_millis(1)));
    assert_eq!(wait(execute(&pool, &lease, run(&lease, soon))).unwrap_err(), timed_out());
    drop(gate);
    pool.close();
    assert!(pool.join(Duration::from_secs(60)));
    assert_eq!((RUNS.load(Ordering::Relaxed), lease.claims.count()), (0, 1));
}
