//! Requests that come at the same time, on an engine without a runtime.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use taxiway_engine::fake::{FakeEngine, definition};
use taxiway_engine::{DType, Error, ErrorKind, Result, Tensor};

use super::super::{Outputs, execute};
use super::*;
use crate::admit::Deadline;
use crate::batch::Pays;
use crate::loaded::{Fresh, Ready};
use crate::metrics::Metrics;
use crate::server::Registry;

const SHORT: Duration = Duration::from_micros(50);
const LONG: Duration = Duration::from_secs(1);

/// A version that doubles rows and refuses negative ones, four rows in a batch that takes `time`; and the sizes of its runs.
fn version(time: Duration) -> (Lease, Arc<Mutex<Vec<usize>>>) {
    let port = [("x", DType::Float, None)];
    let runs: Arc<Mutex<Vec<usize>>> = Arc::default();
    let seen = Arc::clone(&runs);
    let engine = FakeEngine::new([("serving_default".to_owned(), definition(&port, &port))].into(), move |call| {
        let input = &call.inputs[0];
        seen.lock().unwrap().push(input.shape().first().copied().unwrap_or(0));
        let values = input.values::<f32>().unwrap();
        match values.iter().find(|value| **value < 0.0) {
            Some(value) => Err(Error::invalid(format!("{value} is negative"))),
            None => Ok(vec![Tensor::from_values(input.shape(), &values.iter().map(|x| x * 2.0).collect::<Vec<_>>())?]),
        }
    });
    let pays = [("serving_default".to_owned(), Pays { rows: 4, time })].into();
    let gathering = Gathering::Found(Gatherer::new(&pays, Arc::new(|_| {})));
    let metrics = Metrics::default().version("m", 1);
    let ready = Ready { metrics, run_time: Some(LONG), gathering, log: None };
    (Lease::new(&Registry::default().add(Fresh::new("m", 1, Arc::new(engine)), ready)), runs)
}

fn run(lease: &Lease, shape: &[usize], values: &[f32]) -> Run {
    let signature = lease.engine.signatures().get("serving_default").unwrap().unwrap().clone();
    let inputs = vec![Tensor::from_values(shape, values).unwrap()];
    Run { signature, inputs, outputs: Outputs::from_slice(&[0]), deadline: Deadline::sooner(None, Some(LONG * 60)) }
}

fn wait<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

/// Asks all at once, and says what each was answered.
fn answers(pool: Pool, lease: &Lease, asked: Vec<Run>) -> Vec<Result<Vec<f32>>> {
    let pool = Arc::new(pool);
    wait(async {
        let tasks: Vec<_> = asked
            .into_iter()
            .map(|run| {
                let (pool, lease) = (Arc::clone(&pool), lease.clone());
                tokio::spawn(async move { execute(&pool, &lease, run).await })
            })
            .collect();
        let mut answers = Vec::new();
        for task in tasks {
            answers.push(task.await.unwrap().map(|tensors| tensors[0].values::<f32>().unwrap().to_vec()));
        }
        answers
    })
}

fn pool() -> Pool {
    Pool::start("test", 1, 8).unwrap()
}

/// Holds the pool's only thread until the gate is dropped.
fn busy(pool: &Pool) -> std::sync::mpsc::Sender<()> {
    let (gate, opened) = std::sync::mpsc::channel::<()>();
    let (begins, begun) = std::sync::mpsc::channel();
    let hold = move || {
        begins.send(()).unwrap();
        assert!(opened.recv().is_err());
    };
    pool.submit(None, hold).unwrap();
    begun.recv().unwrap();
    gate
}

#[test]
fn requests_that_are_read_in_the_same_moment_share_a_run() {
    let (lease, runs) = version(SHORT);
    let asked = vec![run(&lease, &[1], &[1.0]), run(&lease, &[2], &[2.0, 3.0]), run(&lease, &[1], &[4.0])];
    let answers = answers(pool(), &lease, asked);
    assert_eq!(answers, [Ok(vec![2.0]), Ok(vec![4.0, 6.0]), Ok(vec![8.0])]);
    assert_eq!(*runs.lock().unwrap(), [4]);
}

#[test]
fn a_full_batch_is_followed_by_another_and_a_large_request_runs_alone() {
    let (lease, runs) = version(SHORT);
    let asked = (0..5).map(|at| run(&lease, &[1], &[at as f32])).collect();
    assert_eq!(answers(pool(), &lease, asked).len(), 5);
    assert_eq!(*runs.lock().unwrap(), [4, 1]);
    let (lease, runs) = version(SHORT);
    let large = run(&lease, &[5], &[1.0; 5]);
    assert_eq!(answers(pool(), &lease, vec![large]), [Ok(vec![2.0; 5])]);
    assert_eq!(*runs.lock().unwrap(), [5]);
}

#[test]
fn rows_of_another_shape_and_what_has_no_rows_run_apart() {
    let (lease, runs) = version(SHORT);
    let asked = vec![run(&lease, &[1, 1], &[1.0]), run(&lease, &[1, 2], &[2.0, 3.0]), run(&lease, &[], &[4.0])];
    let answers = answers(pool(), &lease, asked);
    assert_eq!(answers, [Ok(vec![2.0]), Ok(vec![4.0, 6.0]), Ok(vec![8.0])]);
    assert_eq!(runs.lock().unwrap().len(), 3);
}

#[test]
fn nobody_gets_the_error_of_anothers_row() {
    let (lease, runs) = version(SHORT);
    let asked = vec![run(&lease, &[1], &[1.0]), run(&lease, &[1], &[-2.0]), run(&lease, &[1], &[3.0])];
    let answers = answers(pool(), &lease, asked);
    assert_eq!(answers, [Ok(vec![2.0]), Err(Error::invalid("-2 is negative")), Ok(vec![6.0])]);
    assert_eq!(*runs.lock().unwrap(), [3, 1, 1, 1]);
}

#[test]
fn a_batch_runs_though_who_opened_it_has_gone() {
    let (lease, runs) = version(SHORT);
    let pool = pool();
    let answer = wait(async {
        let mut opens = Box::pin(execute(&pool, &lease, run(&lease, &[1], &[1.0])));
        assert!(is_pending(&mut opens).await);
        drop(opens);
        execute(&pool, &lease, run(&lease, &[1], &[2.0])).await
    });
    assert_eq!(answer.unwrap()[0].values::<f32>().unwrap().to_vec(), [4.0]);
    assert_eq!(*runs.lock().unwrap(), [1], "what nobody waits for is not run");
}

/// Whether a future is not ready when it is asked once.
async fn is_pending<T>(work: &mut (impl Future<Output = T> + Unpin)) -> bool {
    std::future::poll_fn(|cx| std::task::Poll::Ready(std::pin::Pin::new(&mut *work).poll(cx).is_pending())).await
}

#[test]
fn long_batches_gather_behind_a_busy_compute_thread() {
    let (lease, runs) = version(LONG);
    let pool = pool();
    let gate = busy(&pool);
    let asked = vec![run(&lease, &[1], &[1.0]), run(&lease, &[1], &[2.0])];
    let gatherer = Arc::new(lease.clone());
    let watch = std::thread::spawn(move || {
        let Gathering::Found(gatherer) = &gatherer.gathering else { panic!() };
        while gatherer.waiting() < 2 {
            std::thread::yield_now();
        }
        drop(gate);
    });
    assert_eq!(answers(pool, &lease, asked), [Ok(vec![2.0]), Ok(vec![4.0])]);
    watch.join().unwrap();
    assert_eq!(*runs.lock().unwrap(), [2]);
}

#[test]
fn more_than_may_wait_are_refused() {
    let (lease, _) = version(LONG);
    let pool = Pool::start("test", 1, 1).unwrap();
    let gate = busy(&pool);
    let answers = wait(async {
        let mut first = Box::pin(execute(&pool, &lease, run(&lease, &[1], &[1.0])));
        assert!(is_pending(&mut first).await);
        let second = execute(&pool, &lease, run(&lease, &[1], &[2.0])).await;
        drop(gate);
        (first.await, second)
    });
    assert!(answers.0.is_ok());
    assert_eq!(answers.1.unwrap_err().kind, ErrorKind::Unavailable);
}
