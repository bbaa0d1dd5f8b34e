//! `taxiway-count OPERATION REPETITIONS` does one operation of the codecs so many times, to be run under callgrind by
//! `bench/instructions.py`. Inputs are the same in each run.
#![forbid(unsafe_code)]

use std::hint::black_box;

use bytes::Bytes;
use mimalloc::MiMalloc;
use prost::Message;
use taxiway_engine::proto::TensorProto;
use taxiway_engine::{DType, Error, Port, Result, Signature, SpecShape, Tensor, WireForm};
use taxiway_server::json::{Document, Form, write_predict};
use taxiway_server::proto::{ModelSpec, PredictRequest, PredictResponse};

/// As in taxiway-python.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

const PIXELS: usize = 784;
const CLASSES: usize = 10;
/// As the setting is by default.
const MAX_TENSOR_BYTES: usize = 256 << 20;

type Operation = Box<dyn Fn() -> Result<()>>;

fn main() -> Result<(), String> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [name, repetitions] = arguments.as_slice() else {
        return Err("usage: taxiway-count OPERATION REPETITIONS".to_owned());
    };
    let repetitions: usize = repetitions.parse().map_err(|_| format!("{repetitions} is no number of repetitions"))?;
    let told = |error: Error| format!("{name}: {}", error.message);
    let operation = find(name).map_err(told)?;
    (0..repetitions).try_for_each(|_| operation()).map_err(told)
}

fn find(name: &str) -> Result<Operation> {
    match name {
        "json-decode-fractions" => Ok(json_decode(list(fractions().map(|value| value.to_string())))),
        "json-decode-28x28x1" => Ok(json_decode(image())),
        "json-decode-pixels" => Ok(json_decode(list((0..PIXELS).map(|i| (i * 37 % 256).to_string())))),
        "json-encode-10" => json_encode(CLASSES),
        "json-encode-784" => json_encode(PIXELS),
        "grpc-decode-784" => grpc_decode(),
        "grpc-encode-10" => grpc_encode(),
        _ => Err(Error::invalid("there is no such operation")),
    }
}

/// Reads a request of one row.
fn json_decode(row: String) -> Operation {
    let (signature, body) = (signature(), format!("{{\"instances\": [{row}]}}"));
    Box::new(move || {
        let document = Document::parse_expecting(black_box(body.as_bytes()), &signature, MAX_TENSOR_BYTES)?;
        black_box(document.predict_inputs(&signature, MAX_TENSOR_BYTES)?);
        Ok(())
    })
}

/// Writes an answer of one row, into as much room as the server makes.
fn json_encode(length: usize) -> Result<Operation> {
    let (signature, tensors) = (signature(), [probabilities(length)?]);
    Ok(Box::new(move || {
        let mut text = Vec::with_capacity(16 + length * 12);
        write_predict(Form::Row, &signature, &[0], black_box(&tensors), &mut text)?;
        black_box(text);
        Ok(())
    }))
}

fn grpc_decode() -> Result<Operation> {
    let tensor = Tensor::from_values([1, PIXELS], &fractions().map(|value| value as f32).collect::<Vec<_>>())?;
    let inputs = [("x".to_owned(), tensor.to_proto(WireForm::Content))].into();
    let request = PredictRequest { model_spec: Some(spec()), inputs, output_filter: Vec::new() };
    let request = Bytes::from(request.encode_to_vec());
    Ok(Box::new(move || {
        let request =
            PredictRequest::decode(black_box(request.clone())).map_err(|error| Error::internal(error.to_string()))?;
        let tensors = request.inputs.values().map(|proto: &TensorProto| Tensor::from_proto(proto, MAX_TENSOR_BYTES));
        black_box(tensors.collect::<Result<Vec<_>>>()?);
        Ok(())
    }))
}

fn grpc_encode() -> Result<Operation> {
    let tensor = probabilities(CLASSES)?;
    Ok(Box::new(move || {
        let outputs = [("x".to_owned(), black_box(&tensor).to_proto(WireForm::TypedFields))].into();
        black_box(PredictResponse { model_spec: Some(spec()), outputs }.encode_to_vec());
        Ok(())
    }))
}

/// Of about 18 characters each, as Python prints a pixel ÷ 255.
fn fractions() -> impl Iterator<Item = f64> {
    (0..PIXELS).map(|i| (i * 37 % 254 + 1) as f64 / 255.0)
}

fn image() -> String {
    let pixels: Vec<String> = fractions().map(|value| format!("[{value}]")).collect();
    list(pixels.chunks(28).map(|line| list(line.iter().cloned())))
}

fn list(elements: impl Iterator<Item = String>) -> String {
    format!("[{}]", elements.collect::<Vec<_>>().join(", "))
}

fn probabilities(length: usize) -> Result<Tensor> {
    let weights: Vec<f32> = (0..length).map(|i| (i * 7919 % 1009 + 1) as f32).collect();
    let total: f32 = weights.iter().sum();
    Tensor::from_values([1, length], &weights.iter().map(|weight| weight / total).collect::<Vec<_>>())
}

fn signature() -> Signature {
    let port =
        Port { name: "x".into(), tensor: "x:0".into(), dtype: DType::Float, shape: SpecShape(None), default: None };
    let ports = vec![port];
    Signature { name: "serving_default".into(), method_name: String::new(), inputs: ports.clone(), outputs: ports }
}

fn spec() -> ModelSpec {
    ModelSpec { name: "digits".to_owned(), signature_name: "serving_default".to_owned(), version_choice: None }
}
