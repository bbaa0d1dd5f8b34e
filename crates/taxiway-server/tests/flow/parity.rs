//! The same question over both protocols has the same answer.

use prost::Message;
use serde_json::json;
use taxiway_engine::fake::{FakeEngine, definition};
use taxiway_engine::{DType, Tensor, WireForm};
use taxiway_server::json::{Form, write_predict};
use taxiway_server::proto::{self, PredictRequest};

use crate::grpc_client::spec;
use crate::serving::Serving;

const PORTS: [(&str, DType, Option<&[i64]>); 4] = [
    ("f", DType::Float, Some(&[-1, 2])),
    ("i", DType::Int64, Some(&[])),
    ("s", DType::String, None),
    ("t", DType::Bool, Some(&[-1])),
];

fn tensors() -> Vec<Tensor> {
    vec![
        Tensor::from_values([2usize, 2], &[0.1f32, -1e30, f32::INFINITY, 3.0]).unwrap(),
        Tensor::from_values([0usize; 0], &[i64::MIN]).unwrap(),
        Tensor::from_strings([2usize], ["é\"\\\n", ""].into_iter().collect()).unwrap(),
        Tensor::from_bools([3usize], &[true, false, true]).unwrap(),
    ]
}

const BODY: &str = r#"{"inputs": {"f": [[0.1, -1e30], [Infinity, 3]], "i": -9223372036854775808,
    "s": ["\u00e9\"\\\n", ""], "t": [true, false, true]}}"#;

#[test]
fn both_protocols_run_the_same_thing() {
    let serving = Serving::start(&json!({}));
    let engine = FakeEngine::echo(&PORTS);
    let signature = taxiway_engine::Engine::signatures(&engine).get("serving_default").unwrap().unwrap().clone();
    let version = serving.add("echo", 5, engine);
    serving.publish(&[&version]);

    let answer = serving.http().post("/v1/models/echo:predict", BODY);
    assert_eq!((answer.status, answer.header("x-taxiway-version")), (200, Some("5")), "{answer:?}");

    for form in [WireForm::TypedFields, WireForm::Content] {
        let inputs = PORTS.iter().zip(tensors()).map(|(port, tensor)| (port.0.to_owned(), tensor.to_proto(form)));
        let request =
            PredictRequest { model_spec: Some(spec("echo")), inputs: inputs.collect(), output_filter: vec![] };
        let response = serving.grpc().predict(&request).unwrap();
        assert_eq!(response.metadata().get("x-taxiway-version").unwrap(), "5");
        let response = response.into_inner();
        let echoed = response.model_spec.unwrap();
        assert_eq!((echoed.name.as_str(), echoed.signature_name.as_str()), ("echo", "serving_default"));
        assert_eq!(echoed.version_choice, Some(proto::model_spec::VersionChoice::Version(5)));
        assert!(response.outputs.values().all(|output| output.tensor_content.is_empty()), "not in typed fields");

        let outputs: Vec<Tensor> =
            response.outputs.values().map(|proto| Tensor::from_proto(proto, 1 << 20).unwrap()).collect();
        assert_eq!(outputs, tensors());
        let mut written = Vec::new();
        write_predict(Form::Columnar, &signature, &[0, 1, 2, 3], &outputs, &mut written).unwrap();
        assert_eq!(String::from_utf8(written).unwrap(), answer.body);
    }
}

// tfs: predict-typed predict-content-in predict-filter flags-behaviour
#[test]
fn tensor_content_is_answered_when_asked_for_and_a_filter_picks_outputs() {
    let serving = Serving::start(&json!({"tensor_content": true}));
    let version = serving.add("echo", 1, FakeEngine::echo(&PORTS));
    serving.publish(&[&version]);
    let inputs =
        PORTS.iter().zip(tensors()).map(|(port, tensor)| (port.0.to_owned(), tensor.to_proto(WireForm::Content)));
    let request = PredictRequest {
        model_spec: Some(spec("echo")),
        inputs: inputs.collect(),
        output_filter: vec!["f".to_owned()],
    };
    let outputs = serving.grpc().predict(&request).unwrap().into_inner().outputs;
    assert_eq!(outputs.keys().collect::<Vec<_>>(), ["f"]);
    assert_eq!(outputs["f"].tensor_content.len(), 16);
    assert!(outputs["f"].float_val.is_empty());
}

// tfs: rpc-metadata rpc-status url-status url-metadata
#[test]
fn status_and_metadata_agree() {
    let (serving, _version) = Serving::half_plus_two(&json!({}));
    let (mut http, grpc) = (serving.http(), serving.grpc());
    let status: serde_json::Value = serde_json::from_str(&http.get("/v1/models/half").body).unwrap();
    let request = proto::GetModelStatusRequest { model_spec: Some(spec("half")) };
    let response: proto::GetModelStatusResponse =
        grpc.ask("/tensorflow.serving.ModelService/GetModelStatus", &request).unwrap().into_inner();
    assert_eq!(response.model_version_status.len(), 1);
    let version = &response.model_version_status[0];
    assert_eq!(status["model_version_status"][0]["version"], version.version.to_string());
    assert_eq!(status["model_version_status"][0]["state"], version.state().as_str_name());

    let metadata: serde_json::Value = serde_json::from_str(&http.get("/v1/models/half/metadata").body).unwrap();
    let request = proto::GetModelMetadataRequest {
        model_spec: Some(spec("half")),
        metadata_field: vec!["signature_def".to_owned()],
    };
    let response: proto::GetModelMetadataResponse =
        grpc.ask("/tensorflow.serving.PredictionService/GetModelMetadata", &request).unwrap().into_inner();
    let any = &response.metadata["signature_def"];
    assert_eq!(any.type_url, "type.googleapis.com/tensorflow.serving.SignatureDefMap");
    let map = proto::SignatureDefMap::decode(any.value.as_slice()).unwrap();
    let shown = &metadata["metadata"]["signature_def"]["signature_def"]["serving_default"];
    let definition = &map.signature_def["serving_default"];
    assert_eq!(shown["method_name"], definition.method_name);
    assert_eq!(shown["inputs"]["x"]["name"], "x:0");
    assert_eq!(shown["inputs"]["x"]["dtype"], "DT_FLOAT");
    assert_eq!(shown["inputs"]["x"]["tensor_shape"]["dim"][0]["size"], "-1");
    assert_eq!(definition.inputs["x"].tensor_shape.as_ref().unwrap().dim[0].size, -1);
}

// tfs: url-classify url-regress example-results grpc-prediction
#[test]
fn examples_are_classified_and_regressed_alike() {
    let inputs: &[(&str, DType, Option<&[i64]>)] = &[("inputs", DType::String, None)];
    let definitions = [
        ("c".to_owned(), definition(inputs, &[("scores", DType::Float, Some(&[-1, 2]))])),
        ("r".to_owned(), definition(inputs, &[("outputs", DType::Float, Some(&[-1]))])),
    ];
    let engine = FakeEngine::new(definitions.into(), |call| {
        let rows = call.inputs[0].shape()[0];
        let shape = if call.signature.name == "c" { vec![rows, 2] } else { vec![rows] };
        Tensor::from_values(&shape, &vec![0.5f32; shape.iter().product()]).map(|tensor| vec![tensor])
    });
    let serving = Serving::start(&json!({}));
    let version = serving.add("m", 3, engine);
    serving.publish(&[&version]);

    let body =
        |signature: &str| format!(r#"{{"signature_name": "{signature}", "examples": [{{"x": 1}}, {{"x": 2}}]}}"#);
    for (path, signature, expected) in [
        ("/v1/models/m:classify", "c", json!({"results": [[["", 0.5], ["", 0.5]], [["", 0.5], ["", 0.5]]]})),
        ("/v1/models/m:regress", "r", json!({"results": [0.5, 0.5]})),
    ] {
        let answer = serving.http().post(path, body(signature));
        assert_eq!((answer.status, answer.header("x-taxiway-version")), (200, Some("3")), "{answer:?}");
        assert_eq!(serde_json::from_slice::<serde_json::Value>(answer.body.as_ref()).unwrap(), expected);
    }

    let examples = proto::ExampleList { examples: vec![Default::default(), Default::default()] };
    let input = Some(proto::Input { kind: Some(proto::input::Kind::ExampleList(examples)) });
    let named = |signature: &str| Some(proto::ModelSpec { signature_name: signature.to_owned(), ..spec("m") });
    let request = proto::ClassificationRequest { model_spec: named("c"), input: input.clone() };
    let classified: proto::ClassificationResponse =
        serving.grpc().ask("/tensorflow.serving.PredictionService/Classify", &request).unwrap().into_inner();
    let classes = &classified.result.unwrap().classifications;
    assert_eq!(classes.iter().map(|row| row.classes.len()).collect::<Vec<_>>(), [2, 2]);
    assert!(classes.iter().flat_map(|row| &row.classes).all(|class| class.label.is_empty() && class.score == 0.5));
    let request = proto::RegressionRequest { model_spec: named("r"), input };
    let regressed: proto::RegressionResponse =
        serving.grpc().ask("/tensorflow.serving.PredictionService/Regress", &request).unwrap().into_inner();
    assert_eq!(regressed.result.unwrap().regressions, vec![proto::Regression { value: 0.5 }; 2]);
}
