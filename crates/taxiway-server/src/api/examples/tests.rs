//! Fit signatures, unfit ones with their texts, and what runs give.

use std::collections::BTreeMap;

use prost::Message;
use taxiway_engine::fake::{FakeEngine, definition};
use taxiway_engine::proto::{self, SignatureDef};
use taxiway_engine::{DType, Result, Tensor};

use super::multi::Answer;
use super::*;
use crate::proto::{ExampleList, ExampleListWithContext, InferenceTask, ModelSpec};

type Ports<'a> = &'a [(&'a str, DType, Option<&'a [i64]>)];

const EXAMPLES: Ports<'static> = &[("inputs", DType::String, None)];

fn engine(signatures: &[(&str, SignatureDef)]) -> FakeEngine {
    let definitions: BTreeMap<_, _> = signatures.iter().map(|(name, def)| ((*name).to_owned(), def.clone())).collect();
    FakeEngine::new(definitions, |_| Ok(Vec::new()))
}

fn plan(method: Method, inputs: Ports<'_>, outputs: Ports<'_>) -> Result<Plan> {
    Plan::new(&engine(&[("serving_default", definition(inputs, outputs))]), method, "", false)
}

fn refusal(method: Method, inputs: Ports<'_>, outputs: Ports<'_>) -> String {
    plan(method, inputs, outputs).unwrap_err().message
}

const LABELS: (&str, DType, Option<&[i64]>) = ("classes", DType::String, None);
const SCORES: (&str, DType, Option<&[i64]>) = ("scores", DType::Float, None);

// tfs: examples-signature
#[test]
fn unfit_signatures_are_refused_in_tensorflow_servings_words() {
    use Method::{Classify, Regress};
    let two = &[("a", DType::String, None), ("inputs", DType::String, None)];
    let other = &[("x", DType::String, None)];
    assert_eq!(refusal(Classify, two, &[SCORES]), "Expected one input Tensor.");
    assert_eq!(refusal(Classify, EXAMPLES, &[]), "Expected one or two output Tensors, found 0");
    assert!(refusal(Classify, other, &[SCORES]).starts_with("No classification inputs found in SignatureDef: "));
    assert!(refusal(Classify, EXAMPLES, other).starts_with(
        "Expected classification signature outputs to contain at least one of \"classes\" or \"scores\"."
    ));
    assert_eq!(refusal(Regress, two, &[SCORES]), "Expected one input Tensor.");
    assert_eq!(refusal(Regress, EXAMPLES, &[LABELS, SCORES]), "Expected one output Tensor.");
    assert!(refusal(Regress, other, &[SCORES]).starts_with("No regression inputs found in SignatureDef: "));
    assert!(refusal(Regress, EXAMPLES, &[SCORES]).starts_with("No regression outputs found in SignatureDef: "));
}

// tfs: examples-method examples-missing
#[test]
fn the_method_name_counts_only_when_asked_for() {
    let engine = engine(&[("s", definition(EXAMPLES, &[SCORES]))]);
    assert!(Plan::new(&engine, Method::Classify, "s", false).is_ok());
    assert_eq!(
        Plan::new(&engine, Method::Classify, "s", true).unwrap_err().message,
        "Expected classification signature method_name to be tensorflow/serving/classify. Was: tensorflow/serving/predict"
    );
    let missing = Plan::new(&engine, Method::Regress, "absent", false).unwrap_err();
    assert_eq!(missing.message, "No signature was found with the name: absent");
}

fn labels(shape: [usize; 2], labels: &[&str]) -> Tensor {
    Tensor::from_strings(shape, labels.iter().collect()).unwrap()
}

fn scores(shape: &[usize]) -> Tensor {
    let count: usize = shape.iter().product();
    Tensor::from_values(shape, &(0..count).map(|v| v as f32).collect::<Vec<_>>()).unwrap()
}

// tfs: examples-outputs
#[test]
fn classes_are_labels_and_scores_row_by_row() {
    let plan = plan(Method::Classify, EXAMPLES, &[LABELS, SCORES]).unwrap();
    let read = Classes::read(&plan, &[labels([2, 2], &["a", "b", "c", "d"]), scores(&[2, 2])], 2).unwrap();
    let got: Vec<Vec<_>> = read.examples().map(Iterator::collect).collect();
    assert_eq!(got, [[(&b"a"[..], 0.0), (b"b", 1.0)], [(b"c", 2.0), (b"d", 3.0)]]);
    assert_eq!(read.to_proto().classifications[1].classes[0].label, "c");
}

// tfs: examples-results
#[test]
fn classes_of_wrong_types_or_shapes_are_refused() {
    let both = plan(Method::Classify, EXAMPLES, &[LABELS, SCORES]).unwrap();
    let only = plan(Method::Classify, EXAMPLES, &[SCORES]).unwrap();
    let refuse = |plan: &Plan, tensors: &[Tensor]| Classes::read(plan, tensors, 2).unwrap_err().message;
    assert_eq!(refuse(&only, &[scores(&[2])]), "Expected Tensor shape: [batch_size num_classes] but got [2]");
    assert_eq!(refuse(&only, &[labels([2, 1], &["a", "b"])]), "Expected scores Tensor of DT_FLOAT. Got: DT_STRING");
    assert_eq!(refuse(&only, &[scores(&[3, 1])]), "Expected scores output batch size of 2. Got: 3");
    assert_eq!(
        refuse(&both, &[labels([2, 1], &["a", "b"]), scores(&[2, 2])]),
        "Tensors class and score should match in dim_size(1). Got 1 vs. 2"
    );
}

// tfs: examples-results examples-outputs
#[test]
fn regressions_are_one_number_a_row() {
    assert_eq!(regressions(&[scores(&[3])], 3), Ok(vec![0.0, 1.0, 2.0]));
    assert_eq!(regressions(&[scores(&[3, 1])], 3), Ok(vec![0.0, 1.0, 2.0]));
    let refuse = |tensor| regressions(&[tensor], 2).unwrap_err().message;
    assert_eq!(
        refuse(scores(&[2, 2])),
        "Expected output Tensor shape to be either [batch_size] or [batch_size, 1] but got [2,2]"
    );
    assert_eq!(refuse(scores(&[3])), "Input batch size did not match output batch size: 2 vs. 3");
    assert_eq!(refuse(labels([2, 1], &["a", "b"])), "Expected output Tensor of DT_FLOAT.  Got: DT_STRING");
}

fn example(name: &str, value: i64) -> proto::Example {
    let list = proto::Int64List { value: vec![value] };
    let feature = proto::Feature { kind: Some(proto::feature::Kind::Int64List(list)) };
    proto::Example { features: Some(proto::Features { feature: [(name.to_owned(), feature)].into() }) }
}

// tfs: examples-kinds
#[test]
fn an_example_wins_over_the_context() {
    let kind = crate::proto::input::Kind::ExampleListWithContext(ExampleListWithContext {
        examples: vec![example("a", 1), example("b", 2)],
        context: Some(example("a", 9)),
    });
    let strings = serialised(Some(&Input { kind: Some(kind) })).unwrap();
    let read: Vec<_> = strings.iter().map(|bytes| proto::Example::decode(bytes).unwrap()).collect();
    assert_eq!(read[0], example("a", 1));
    let features = read[1].features.as_ref().unwrap();
    assert_eq!(features.feature.keys().collect::<Vec<_>>(), ["a", "b"]);
}

// tfs: examples-empty
#[test]
fn no_example_is_an_error() {
    let empty = Input { kind: Some(crate::proto::input::Kind::ExampleList(ExampleList::default())) };
    for input in [None, Some(&Input::default()), Some(&empty)] {
        assert_eq!(serialised(input).unwrap_err().message, "Input is empty.");
    }
}

fn task(model: &str, signature: &str, method: &str) -> InferenceTask {
    let spec = ModelSpec { name: model.into(), signature_name: signature.into(), version_choice: None };
    InferenceTask { model_spec: Some(spec), method_name: method.into() }
}

// tfs: multi-one-model multi-duplicate
#[test]
fn tasks_must_be_of_one_model_and_different_signatures() {
    let refuse = |tasks: &[InferenceTask]| check_tasks(tasks).unwrap_err().message;
    assert_eq!(refuse(&[task("", "a", CLASSIFY)]), "Found ModelSpec with an empty model name.");
    assert_eq!(
        refuse(&[task("m", "a", CLASSIFY), task("n", "b", CLASSIFY)]),
        "All ModelSpecs in a MultiInferenceRequest must access the same model name."
    );
    assert_eq!(refuse(&[task("m", "a", CLASSIFY), task("m", "a", REGRESS)]), "Duplicate evaluation of signature: a");
    assert_eq!(check_tasks(&[task("m", "a", CLASSIFY), task("m", "b", REGRESS)]).unwrap().name, "m");
}

// tfs: multi-missing multi-method
#[test]
fn a_task_is_read_as_its_method_says() {
    let engine = engine(&[
        ("c", definition(EXAMPLES, &[SCORES])),
        ("r", definition(EXAMPLES, &[("outputs", DType::Float, None)])),
    ]);
    let classify = Task::new(&engine, &task("m", "c", CLASSIFY), false).unwrap();
    assert!(matches!(classify.read(&[scores(&[2, 2])], 2), Ok(Answer::ClassificationResult(_))));
    let regress = Task::new(&engine, &task("m", "r", REGRESS), false).unwrap();
    assert!(matches!(regress.read(&[scores(&[2])], 2), Ok(Answer::RegressionResult(_))));
    let refuse = |task: &InferenceTask| Task::new(&engine, task, false).unwrap_err().message;
    assert_eq!(refuse(&task("m", "c", "predict")), "Unsupported signature method_name: predict");
    assert_eq!(refuse(&task("m", "x", CLASSIFY)), "Requested signature not found in model graph: x");
}
