//! What a record holds: a request and its answer.

use prost::Message;
use taxiway_engine::Strings;
use taxiway_engine::proto::Example;

use crate::proto::prediction_log::LogType;
use crate::proto::{
    ClassificationRequest, ClassificationResponse, ClassifyLog, ExampleList, Input, ModelSpec, MultiInferenceLog,
    MultiInferenceRequest, MultiInferenceResponse, PredictLog, PredictRequest, PredictResponse, PredictionLog,
    RegressLog, RegressionRequest, RegressionResponse, input,
};

/// A record of Predict.
pub(crate) fn predict(request: PredictRequest, response: PredictResponse) -> PredictionLog {
    record(LogType::PredictLog(PredictLog { request: Some(request), response: Some(response) }))
}

/// A record of Classify.
pub(crate) fn classify(request: ClassificationRequest, response: ClassificationResponse) -> PredictionLog {
    record(LogType::ClassifyLog(ClassifyLog { request: Some(request), response: Some(response) }))
}

/// A record of Regress.
pub(crate) fn regress(request: RegressionRequest, response: RegressionResponse) -> PredictionLog {
    record(LogType::RegressLog(RegressLog { request: Some(request), response: Some(response) }))
}

/// A record of MultiInference.
pub(crate) fn multi_inference(request: MultiInferenceRequest, response: MultiInferenceResponse) -> PredictionLog {
    record(LogType::MultiInferenceLog(MultiInferenceLog { request: Some(request), response: Some(response) }))
}

fn record(log: LogType) -> PredictionLog {
    PredictionLog { log_type: Some(log) }
}

/// What a request asked, in the messages that it would have been over gRPC.
pub(crate) fn asked(model: &str, signature: &str, examples: &Strings) -> (ModelSpec, Input) {
    let spec = ModelSpec { name: model.to_owned(), signature_name: signature.to_owned(), ..ModelSpec::default() };
    // They were serialised here, so each can be read.
    let examples = examples.iter().filter_map(|example| Example::decode(example).ok()).collect();
    (spec, Input { kind: Some(input::Kind::ExampleList(ExampleList { examples })) })
}
