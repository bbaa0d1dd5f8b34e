//! Running a version's own requests before it serves, and measuring one.

pub(crate) mod records;
mod replay;

use std::path::Path;
use std::time::{Duration, Instant};

use taxiway_engine::{Engine, Result};

use crate::batch::Batcher;
use crate::proto::prediction_log::LogType;
use replay::{Runner, replay};

/// The most runs that are timed, and how long timing may take: the middle of many for a quick model, of a few for a
/// slow one.
const MAX_TIMED_RUNS: usize = 25;
const TIMING_BUDGET: Duration = Duration::from_millis(100);

/// How a version is warmed up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WarmUpOptions {
    /// Whether its requests are run at all.
    pub enabled: bool,
    /// How often each; 0 is once.
    pub iterations: u32,
    /// The largest tensor a request may ask for, in bytes.
    pub max_tensor_bytes: usize,
}

/// What warm-up did.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct WarmedUp {
    /// Requests in the file that were run.
    pub(crate) requests: usize,
    /// How long all of it took.
    pub(crate) time: Duration,
    /// The median run of the first request, once warm.
    pub(crate) run_time: Option<Duration>,
}

/// Runs the requests in a version's directory, if there are any. They go through the batcher when there is one, so that
/// the sizes of its batches are warm; what is timed is the engine alone.
///
/// # Errors
/// Those of reading the requests, and of the first one that fails: such a version must not serve.
pub(crate) fn warm_up(
    engine: &dyn Engine,
    batcher: Option<&Batcher>,
    version: &Path,
    options: WarmUpOptions,
) -> Result<WarmedUp> {
    if !options.enabled {
        return Ok(WarmedUp::default());
    }
    let began = Instant::now();
    let requests = records::read(version)?;
    for request in &requests {
        for _ in 0..options.iterations.max(1) {
            replay(Runner { engine, batcher }, request, options.max_tensor_bytes)?;
        }
    }
    let first = requests.first();
    let run_time = first.map(|request| median_run(engine, request, options.max_tensor_bytes)).transpose()?;
    Ok(WarmedUp { requests: requests.len(), time: began.elapsed(), run_time })
}

fn median_run(engine: &dyn Engine, request: &LogType, max_tensor_bytes: usize) -> Result<Duration> {
    let began = Instant::now();
    let mut times = Vec::with_capacity(MAX_TIMED_RUNS);
    while times.len() < MAX_TIMED_RUNS && (times.is_empty() || began.elapsed() < TIMING_BUDGET) {
        times.push(replay(Runner { engine, batcher: None }, request, max_tensor_bytes)?);
    }
    times.sort_unstable();
    Ok(times[times.len() / 2])
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Arc, Mutex};

    use taxiway_engine::fake::{FakeEngine, definition};
    use taxiway_engine::{DType, ErrorKind, Tensor, WireForm};

    use super::records::tests::{log, record, version};
    use super::*;
    use crate::batch::params::tests::params;
    use crate::batch::{BatchParams, BatchThreads};
    use crate::proto::{
        ClassificationRequest, ClassifyLog, ExampleList, InferenceTask, Input, ModelSpec, MultiInferenceLog,
        MultiInferenceRequest, PredictRequest, RegressLog, RegressionRequest, input,
    };

    const OPTIONS: WarmUpOptions = WarmUpOptions { enabled: true, iterations: 3, max_tensor_bytes: 1 << 20 };

    fn request(input: &str) -> PredictRequest {
        let tensor = Tensor::from_values([1usize], &[2.0f32]).unwrap().to_proto(WireForm::TypedFields);
        PredictRequest { inputs: [(input.to_owned(), tensor)].into(), ..PredictRequest::default() }
    }

    // tfs: warm-iterations
    #[test]
    fn every_request_is_run_as_often_as_asked_and_the_first_is_timed() {
        static RUNS: AtomicUsize = AtomicUsize::new(0);
        let definition = definition(&[("x", DType::Float, None)], &[("y", DType::Float, None)]);
        let engine = FakeEngine::new([("serving_default".to_owned(), definition)].into(), |call| {
            RUNS.fetch_add(1, Ordering::Relaxed);
            Ok(vec![call.inputs[0].clone()])
        });
        let directory = version(&[record(request("x")), record(request("x"))]);
        let warmed = warm_up(&engine, None, directory.path(), OPTIONS).unwrap();
        assert_eq!(warmed.requests, 2);
        assert!(warmed.run_time.unwrap() <= warmed.time);
        let runs = RUNS.load(Ordering::Relaxed);
        assert!((7..=6 + MAX_TIMED_RUNS).contains(&runs), "{runs}");

        let off = WarmUpOptions { enabled: false, ..OPTIONS };
        assert_eq!(warm_up(&engine, None, directory.path(), off).unwrap(), WarmedUp::default());
    }

    #[test]
    fn requests_of_a_batched_version_are_run_in_batches_of_its_sizes() {
        static ROWS: Mutex<Vec<usize>> = Mutex::new(Vec::new());
        let definition = definition(&[("x", DType::Float, None)], &[("y", DType::Float, None)]);
        let engine: Arc<dyn Engine> =
            Arc::new(FakeEngine::new([("serving_default".to_owned(), definition)].into(), |call| {
                ROWS.lock().unwrap().push(call.inputs[0].shape()[0]);
                Ok(vec![call.inputs[0].clone()])
            }));
        let params = BatchParams { allowed_batch_sizes: vec![4], ..params(4) };
        let threads = Arc::new(BatchThreads::start(1).unwrap());
        let batcher = Batcher::new(threads, Arc::clone(&engine), params, Arc::new(|_| {})).unwrap();
        let directory = version(&[record(request("x"))]);
        warm_up(engine.as_ref(), Some(&batcher), directory.path(), OPTIONS).unwrap();
        let rows = ROWS.lock().unwrap();
        assert_eq!(rows[..3], [4, 4, 4]);
        assert!(!rows[3..].is_empty() && rows[3..].iter().all(|&rows| rows == 1), "{rows:?}"); // what is timed
    }

    // tfs: warm-failure
    #[test]
    fn a_request_that_fails_fails_the_version() {
        let directory = version(&[record(request("x")), record(request("other"))]);
        let error = warm_up(&FakeEngine::half_plus_two(), None, directory.path(), OPTIONS).unwrap_err();
        assert_eq!(error.kind, ErrorKind::InvalidArgument);
    }

    /// Logs of each API that takes examples: `examples` of them for the signatures `c` and `r`.
    fn logs_of_examples(examples: usize) -> [LogType; 3] {
        let list = ExampleList { examples: vec![taxiway_engine::proto::Example::default(); examples] };
        let input = || Some(Input { kind: Some(input::Kind::ExampleList(list.clone())) });
        let spec = |name: &str| Some(ModelSpec { signature_name: name.to_owned(), ..ModelSpec::default() });
        let task = |name, method: &str| InferenceTask { model_spec: spec(name), method_name: method.to_owned() };
        let tasks = vec![task("c", "tensorflow/serving/classify"), task("r", "tensorflow/serving/regress")];
        let classify = ClassificationRequest { model_spec: spec("c"), input: input() };
        let regress = RegressionRequest { model_spec: spec("r"), input: input() };
        let multi = MultiInferenceRequest { tasks, input: input() };
        [
            LogType::ClassifyLog(ClassifyLog { request: Some(classify), response: None }),
            LogType::RegressLog(RegressLog { request: Some(regress), response: None }),
            LogType::MultiInferenceLog(MultiInferenceLog { request: Some(multi), response: None }),
        ]
    }

    /// Classifies by `c` and regresses by `r`, and counts its runs.
    fn of_examples(runs: &'static AtomicUsize) -> FakeEngine {
        let inputs = [("inputs", DType::String, None)];
        let classify = definition(&inputs, &[("scores", DType::Float, None)]);
        let regress = definition(&inputs, &[("outputs", DType::Float, None)]);
        FakeEngine::new([("c".to_owned(), classify), ("r".to_owned(), regress)].into(), |call| {
            runs.fetch_add(1, Ordering::Relaxed);
            let rows = call.inputs[0].len();
            Ok(vec![match call.signature.name.as_ref() {
                "c" => Tensor::from_values([rows, 1], &vec![0.5f32; rows])?,
                _ => Tensor::from_values([rows], &vec![0.5f32; rows])?,
            }])
        })
    }

    // tfs: warm-kinds
    #[test]
    fn every_api_that_takes_examples_is_run() {
        static RUNS: AtomicUsize = AtomicUsize::new(0);
        let engine = of_examples(&RUNS);
        for (log, runs) in logs_of_examples(2).iter().zip([1, 1, 2]) {
            RUNS.store(0, Ordering::Relaxed);
            replay(Runner { engine: &engine, batcher: None }, log, 1 << 20).unwrap();
            assert_eq!(RUNS.load(Ordering::Relaxed), runs, "{log:?}");
        }
        let directory = version(&logs_of_examples(2).map(log));
        assert_eq!(warm_up(&engine, None, directory.path(), OPTIONS).unwrap().requests, 3);
    }

    #[test]
    fn logs_whose_requests_are_refused_fail_the_version() {
        static RUNS: AtomicUsize = AtomicUsize::new(0);
        let empty = [
            LogType::ClassifyLog(ClassifyLog::default()),
            LogType::RegressLog(RegressLog::default()),
            LogType::MultiInferenceLog(MultiInferenceLog::default()),
        ];
        for one in empty.into_iter().chain(logs_of_examples(0)) {
            let error = warm_up(&of_examples(&RUNS), None, version(&[log(one)]).path(), OPTIONS).unwrap_err();
            assert_eq!(error.kind, ErrorKind::InvalidArgument);
        }
        assert_eq!(RUNS.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn a_version_without_requests_has_no_run_time() {
        let warmed = warm_up(&FakeEngine::half_plus_two(), None, version(&[]).path(), OPTIONS).unwrap();
        assert_eq!((warmed.requests, warmed.run_time), (0, None));
    }
}
