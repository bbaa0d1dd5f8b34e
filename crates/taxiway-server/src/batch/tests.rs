//! Batching as its callers see it, on engines without a runtime.

use std::sync::mpsc;
use std::sync::{Arc, Mutex};

use taxiway_engine::fake::{FakeEngine, Gated};
use taxiway_engine::{DType, Engine, ErrorKind, Result, Tensor};

use super::params::tests::params;
use super::{BatchParams, BatchThreads, Batcher, Ran, Request};

type Answer = mpsc::Receiver<Result<Vec<Tensor>>>;

struct Batching {
    engine: Arc<dyn Engine>,
    batcher: Batcher,
    seen: Arc<Mutex<Vec<Ran>>>,
}

fn batching(engine: Arc<dyn Engine>, params: BatchParams) -> Batching {
    let threads = Arc::new(BatchThreads::start(1).unwrap());
    let seen = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&seen);
    let observer = Arc::new(move |ran: &Ran| told.lock().unwrap().push(ran.clone()));
    Batching { batcher: Batcher::new(threads, Arc::clone(&engine), params, observer).unwrap(), engine, seen }
}

impl Batching {
    fn ask(&self, input: Tensor) -> Answer {
        let signature = Arc::clone(self.engine.signatures().callable().next().unwrap());
        let (send, receive) = mpsc::channel();
        let request = Request { signature, inputs: vec![input], outputs: vec![0], deadline: None };
        self.batcher.submit(request, Box::new(move |outputs| drop(send.send(outputs))));
        receive
    }

    fn rows_that_ran(&self) -> Vec<usize> {
        self.seen.lock().unwrap().iter().map(|ran| ran.run_rows).collect()
    }
}

fn floats(values: &[f32]) -> Tensor {
    Tensor::from_values([values.len()], values).unwrap()
}

fn answer(receive: &Answer) -> Vec<f32> {
    receive.recv().unwrap().unwrap()[0].values::<f32>().unwrap().to_vec()
}

#[test]
fn requests_that_gather_behind_a_busy_engine_run_together() {
    let gated = Arc::new(Gated::closed(FakeEngine::half_plus_two()));
    let batching = batching(gated.clone(), params(8));
    let first = batching.ask(floats(&[0.0]));
    gated.wait_for(1);
    let others: Vec<Answer> = (1..=3).map(|x| batching.ask(floats(&[x as f32, 10.0]))).collect();
    gated.open();
    assert_eq!(answer(&first), [2.0]);
    for (x, other) in (1..=3).zip(&others) {
        assert_eq!(answer(other), [x as f32 / 2.0 + 2.0, 7.0]);
    }
    assert_eq!(batching.rows_that_ran(), [1, 6]);
}

// tfs: batch-allowed
#[test]
fn rows_are_filled_up_and_the_filling_is_not_returned() {
    let batching =
        batching(Arc::new(FakeEngine::half_plus_two()), BatchParams { allowed_batch_sizes: vec![4, 8], ..params(8) });
    assert_eq!(answer(&batching.ask(floats(&[1.0, 2.0, 3.0]))), [2.5, 3.0, 3.5]);
    assert_eq!(batching.rows_that_ran(), [4]);
}

// tfs: batch-splitting
#[test]
fn a_large_request_is_cut_and_comes_back_whole() {
    let split = BatchParams { enable_large_batch_splitting: true, max_execution_batch_size: 3, ..params(64) };
    let batching = batching(Arc::new(FakeEngine::half_plus_two()), split);
    let values: Vec<f32> = (0..10).map(|x| x as f32).collect();
    let expected: Vec<f32> = values.iter().map(|x| x / 2.0 + 2.0).collect();
    assert_eq!(answer(&batching.ask(floats(&values))), expected);
    assert_eq!(batching.rows_that_ran(), [3, 3, 3, 1]);
}

// tfs: batch-size
#[test]
fn too_many_rows_are_refused() {
    let batching = batching(Arc::new(FakeEngine::half_plus_two()), params(2));
    let error = batching.ask(floats(&[1.0, 2.0, 3.0])).recv().unwrap().unwrap_err();
    assert_eq!(error.kind, ErrorKind::InvalidArgument);
    assert_eq!(error.message, "Task size 3 is larger than maximum input batch size 2");
}

// tfs: batch-odd-shape
#[test]
fn an_odd_shape_waits_in_a_queue_of_its_own() {
    let echo = FakeEngine::echo(&[("x", DType::Float, None)]);
    let gated = Arc::new(Gated::closed(echo));
    let batching = batching(gated.clone(), params(8));
    let first = batching.ask(Tensor::from_values([1usize, 2], &[1f32, 2.0]).unwrap());
    gated.wait_for(1);
    let same = batching.ask(Tensor::from_values([1usize, 2], &[3f32, 4.0]).unwrap());
    let odd = batching.ask(Tensor::from_values([1usize, 3], &[5f32, 6.0, 7.0]).unwrap());
    gated.open();
    assert_eq!((answer(&first), answer(&same)), (vec![1.0, 2.0], vec![3.0, 4.0]));
    assert_eq!(answer(&odd), [5.0, 6.0, 7.0]);
}

// tfs: batch-padding
#[test]
fn with_padding_different_lengths_run_together() {
    let gated = Arc::new(Gated::closed(FakeEngine::echo(&[("x", DType::Float, None)])));
    let batching = batching(gated.clone(), BatchParams { pad_variable_length_inputs: true, ..params(8) });
    let first = batching.ask(Tensor::from_values([1usize, 1], &[0f32]).unwrap());
    gated.wait_for(1);
    let short = batching.ask(Tensor::from_values([1usize, 1], &[1f32]).unwrap());
    let long = batching.ask(Tensor::from_values([1usize, 3], &[5f32, 6.0, 7.0]).unwrap());
    gated.open();
    assert_eq!(answer(&first), [0.0]);
    assert_eq!((answer(&short), answer(&long)), (vec![1.0, 1.0, 1.0], vec![5.0, 6.0, 7.0]));
    assert_eq!(batching.rows_that_ran(), [1, 2]);
}

#[test]
fn a_panic_or_an_error_of_the_engine_reaches_its_callers_and_no_others() {
    let signatures = FakeEngine::half_plus_two().signatures().definitions().clone();
    let engine = FakeEngine::new(signatures, |call| match call.inputs[0].values::<f32>().unwrap()[0] {
        x if x < 0.0 => panic!("a fault in a native library"),
        _ => Ok(vec![call.inputs[0].clone()]),
    });
    let batching = batching(Arc::new(engine), params(1));
    let fault = batching.ask(floats(&[-1.0]));
    assert_eq!(fault.recv().unwrap().unwrap_err().kind, ErrorKind::Internal);
    assert_eq!(answer(&batching.ask(floats(&[1.0]))), [1.0]);
}

#[test]
fn a_batcher_that_goes_refuses_what_waits() {
    let gated = Arc::new(Gated::closed(FakeEngine::half_plus_two()));
    let batching = batching(gated.clone(), params(1));
    let running = batching.ask(floats(&[1.0]));
    gated.wait_for(1);
    let waiting = batching.ask(floats(&[2.0]));
    batching.batcher.threads.forget(batching.batcher.id);
    assert_eq!(waiting.recv().unwrap().unwrap_err().kind, ErrorKind::Unavailable);
    gated.open();
    assert_eq!(answer(&running), [2.5]);
}
