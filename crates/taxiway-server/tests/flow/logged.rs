//! Requests and their answers in a request log.

use std::path::Path;
use std::sync::Arc;

use prost::Message;
use serde_json::json;
use taxiway_engine::fake::{FakeEngine, definition};
use taxiway_engine::proto::Example;
use taxiway_engine::{DType, Tensor};
use taxiway_server::Fresh;
use taxiway_server::batch::{BatchParams, Batching};
use taxiway_server::proto::prediction_log::LogType;
use taxiway_server::proto::{self, PredictionLog, input};
use taxiway_server::request_log::LogConfig;

use crate::grpc_client::spec;
use crate::serving::Serving;

/// An engine with a signature for each API; everything is 0.5.
fn engine() -> FakeEngine {
    let examples = [("inputs", DType::String, None)];
    let predict = definition(&[("x", DType::Float, None)], &[("y", DType::Float, None)]);
    let classify = definition(&examples, &[("scores", DType::Float, None)]);
    let regress = definition(&examples, &[("outputs", DType::Float, None)]);
    let signatures = [("serving_default", predict), ("c", classify), ("r", regress)];
    FakeEngine::new(signatures.map(|(name, definition)| (name.to_owned(), definition)).into(), |call| {
        let rows = call.inputs[0].len();
        let values = vec![0.5f32; rows];
        Ok(vec![match call.signature.name.as_ref() {
            "c" => Tensor::from_values([rows, 1], &values)?,
            _ => Tensor::from_values([rows], &values)?,
        }])
    })
}

/// What a request logs: records of the one file in a directory, once its writer has gone.
fn logged(ask: impl FnOnce(&Serving)) -> Vec<LogType> {
    let directory = tempfile::tempdir().unwrap();
    let serving = Serving::start(&json!({}));
    let config = LogConfig {
        prefix: directory.path().join("log"),
        sampling_rate: 1.0,
        max_file_bytes: 1 << 20,
        max_files: 1,
        queue_records: 10,
    };
    let version = Fresh { request_log: Some(config), ..Fresh::new("m", 3, Arc::new(engine())) };
    let version = serving.add_fresh(version);
    serving.publish(&[&version]);
    ask(&serving);
    serving.server.stop(crate::serving::LONG);
    drop((version, serving));
    records(directory.path())
}

/// The records of TFRecord files: a length, four bytes, the record, four bytes.
fn records(directory: &Path) -> Vec<LogType> {
    let mut records = Vec::new();
    for file in std::fs::read_dir(directory).unwrap() {
        let mut bytes = &std::fs::read(file.unwrap().path()).unwrap()[..];
        while let Some((length, rest)) = bytes.split_first_chunk() {
            let length = u64::from_le_bytes(*length) as usize;
            records.push(PredictionLog::decode(&rest[4..4 + length]).unwrap().log_type.unwrap());
            bytes = &rest[8 + length..];
        }
    }
    records
}

fn signature(name: &str) -> Option<proto::ModelSpec> {
    Some(proto::ModelSpec { signature_name: name.to_owned(), ..spec("m") })
}

fn one_example() -> Option<proto::Input> {
    let examples = vec![Example { features: Some(Default::default()) }];
    Some(proto::Input { kind: Some(input::Kind::ExampleList(proto::ExampleList { examples })) })
}

fn version(spec: Option<&proto::ModelSpec>) -> Option<&proto::model_spec::VersionChoice> {
    spec.and_then(|spec| spec.version_choice.as_ref())
}

#[test]
fn predict_is_logged_with_its_answer_over_both_protocols() {
    let logged = logged(|serving| {
        serving.http().post("/v1/models/m:predict", r#"{"instances": [2.0, 3.0]}"#);
        serving.http().post("/v1/models/m:predict", r#"{"instances": ["no number"]}"#); // fails: not logged
        let x = Tensor::from_values([2usize], &[2.0f32, 3.0]).unwrap().to_proto(taxiway_engine::WireForm::Content);
        let inputs = [("x".to_owned(), x)].into();
        serving
            .grpc()
            .predict(&proto::PredictRequest { model_spec: signature(""), inputs, output_filter: Vec::new() })
            .unwrap();
    });
    assert_eq!(logged.len(), 2);
    for log in logged {
        let LogType::PredictLog(log) = log else { panic!("{log:?}") };
        let (request, response) = (log.request.unwrap(), log.response.unwrap());
        assert_eq!(request.model_spec.unwrap().name, "m");
        assert_eq!(Tensor::from_proto(&request.inputs["x"], 1 << 20).unwrap().len(), 2);
        let answered = Tensor::from_proto(&response.outputs["y"], 1 << 20).unwrap();
        assert_eq!(answered.values::<f32>().unwrap(), [0.5, 0.5].as_slice());
        assert_eq!(version(response.model_spec.as_ref()), Some(&proto::model_spec::VersionChoice::Version(3)));
    }
}

#[test]
fn classify_and_regress_are_logged_over_both_protocols() {
    let logged = logged(|serving| {
        let body = |name: &str| format!(r#"{{"signature_name": "{name}", "examples": [{{}}]}}"#);
        assert_eq!(serving.http().post("/v1/models/m:classify", body("c")).status, 200);
        assert_eq!(serving.http().post("/v1/models/m:regress", body("r")).status, 200);
        let request = proto::ClassificationRequest { model_spec: signature("c"), input: one_example() };
        let path = "/tensorflow.serving.PredictionService/Classify";
        serving.grpc().ask::<proto::ClassificationResponse>(path, &request).unwrap();
        let request = proto::RegressionRequest { model_spec: signature("r"), input: one_example() };
        let path = "/tensorflow.serving.PredictionService/Regress";
        serving.grpc().ask::<proto::RegressionResponse>(path, &request).unwrap();
    });
    let (LogType::ClassifyLog(rest), LogType::ClassifyLog(grpc)) = (&logged[0], &logged[2]) else {
        panic!("{logged:?}")
    };
    assert_eq!(rest, grpc);
    assert_eq!(rest.request.as_ref().unwrap().input, one_example());
    let classes = &rest.response.as_ref().unwrap().result.as_ref().unwrap().classifications[0].classes;
    assert_eq!(classes[0].score, 0.5);
    let (LogType::RegressLog(rest), LogType::RegressLog(grpc)) = (&logged[1], &logged[3]) else { panic!("{logged:?}") };
    assert_eq!(rest, grpc);
    assert_eq!(rest.response.as_ref().unwrap().result.as_ref().unwrap().regressions[0].value, 0.5);
}

/// Asks `m` for classes and regressions of one example at once.
fn ask_both(serving: &Serving) -> proto::MultiInferenceResponse {
    let tasks = [("c", "tensorflow/serving/classify"), ("r", "tensorflow/serving/regress")];
    let task = |(name, method): (&str, &str)| proto::InferenceTask {
        model_spec: signature(name),
        method_name: method.to_owned(),
    };
    let request = proto::MultiInferenceRequest { tasks: tasks.map(task).into(), input: one_example() };
    serving.grpc().ask("/tensorflow.serving.PredictionService/MultiInference", &request).unwrap().into_inner()
}

#[test]
fn tasks_are_one_run_and_in_batches_one_each_with_the_same_answers() {
    let answers = [(Batching::Off, 1), (Batching::Asked(params()), 2)].map(|(batching, runs)| {
        let serving = Serving::start(&json!({}));
        let version = serving.add_fresh(Fresh { batching, ..Fresh::new("m", 3, Arc::new(engine())) });
        serving.publish(&[&version]);
        let answer = ask_both(&serving);
        assert_eq!(serving.server.counter("/tensorflow/core/graph_runs"), runs);
        answer
    });
    assert_eq!(answers[0].results.len(), 2);
    assert_eq!(answers[0], answers[1]);
}

fn params() -> BatchParams {
    BatchParams {
        max_batch_size: 4,
        batch_timeout_micros: 0,
        max_enqueued_batches: 10,
        allowed_batch_sizes: Vec::new(),
        pad_variable_length_inputs: false,
        enable_large_batch_splitting: false,
        max_execution_batch_size: 0,
    }
}

#[test]
fn multi_inference_is_logged_whole() {
    let logged = logged(|serving| drop(ask_both(serving)));
    let [LogType::MultiInferenceLog(log)] = &logged[..] else { panic!("{logged:?}") };
    assert_eq!(log.request.as_ref().unwrap().tasks.len(), 2);
    assert_eq!(log.response.as_ref().unwrap().results.len(), 2);
}
