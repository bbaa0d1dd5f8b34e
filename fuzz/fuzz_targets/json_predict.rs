//! A predict request of any bytes against one of several signatures: no panic, the same result in one pass and in
//! two, and what was read is written and read again to the same tensors.
#![no_main]

use libfuzzer_sys::fuzz_target;
use taxiway_engine::{DType, Port, Signature, SpecShape, Tensor};
use taxiway_server::json::{Document, Form, write_predict};

const LIMIT_BYTES: usize = 1 << 20;

/// The first byte of the input picks a row; the rest is the body.
const SIGNATURES: [&[(&str, DType)]; 16] = [
    &[("x", DType::Float)],
    &[("x", DType::Double)],
    &[("x", DType::Int32)],
    &[("x", DType::Int16)],
    &[("x", DType::Int8)],
    &[("x", DType::Uint8)],
    &[("x", DType::Int64)],
    &[("x", DType::Uint32)],
    &[("x", DType::Uint64)],
    &[("x", DType::Bool)],
    &[("x", DType::String)],
    &[("x_bytes", DType::String)],
    &[("x", DType::Half)],
    &[("a", DType::Float), ("b", DType::String)],
    &[("a", DType::Int64), ("b", DType::Bool), ("c_bytes", DType::String)],
    &[],
];

fn signature(ports: &[(&str, DType)]) -> Signature {
    let port = |&(name, dtype): &(&str, DType)| Port {
        name: name.into(),
        tensor: format!("{name}:0"),
        dtype,
        shape: SpecShape(None),
        default: None,
    };
    let ports: Vec<Port> = ports.iter().map(port).collect();
    Signature { name: "serving_default".into(), method_name: String::new(), inputs: ports.clone(), outputs: ports }
}

fn read(body: &[u8], signature: &Signature) -> Result<(Form, Vec<Tensor>), String> {
    let document = Document::parse(body).map_err(|error| error.to_string())?;
    let _ = document.signature_name();
    document.predict_inputs(signature, LIMIT_BYTES).map_err(|error| error.to_string())
}

fn read_expecting(body: &[u8], signature: &Signature) -> Result<(Form, Vec<Tensor>), String> {
    Document::parse_expecting(body, signature, LIMIT_BYTES)
        .and_then(|document| document.predict_inputs(signature, LIMIT_BYTES))
        .map_err(|error| error.to_string())
}

/// All of a tensor that must survive: bit patterns differ only between NaNs.
fn shown(form: Form, tensors: &[Tensor]) -> String {
    let values = |tensor: &Tensor| match (tensor.values::<f32>(), tensor.values::<f64>()) {
        (Some(floats), _) => format!("{floats:?}"),
        (_, Some(doubles)) => format!("{doubles:?}"),
        _ => format!("{:?} {:?}", tensor.bytes(), tensor.strings()),
    };
    let tensors: Vec<String> = tensors.iter().map(|tensor| format!("{tensor:?} {}", values(tensor))).collect();
    format!("{form:?} {tensors:?}")
}

fuzz_target!(|data: &[u8]| {
    let Some((&choice, body)) = data.split_first() else { return };
    let signature = signature(SIGNATURES[usize::from(choice) % SIGNATURES.len()]);
    let result = read(body, &signature);
    match (&result, read_expecting(body, &signature)) {
        (Ok((form, tensors)), Ok((again_form, again))) => {
            assert_eq!(shown(*form, tensors), shown(again_form, &again));
        }
        (Err(error), Err(again)) => assert_eq!(*error, again),
        (result, again) => panic!("one pass and two disagree: {result:?} {again:?}"),
    }
    let Ok((form, tensors)) = result else { return };
    let outputs: Vec<usize> = (0..tensors.len()).collect();
    let mut answer = Vec::new();
    if write_predict(form, &signature, &outputs, &tensors, &mut answer).is_err() {
        return;
    }
    // An empty batch is written but is no request.
    if tensors.iter().any(|tensor| tensor.is_empty()) {
        return;
    }
    let request = replaced(&answer, form);
    let (_, again) = read(&request, &signature).expect("an answer is a request with another key");
    assert_eq!(shown(form, &tensors), shown(form, &again));
});

/// The answer with the request's key in the place of its own.
fn replaced(answer: &[u8], form: Form) -> Vec<u8> {
    let (from, to) = match form {
        Form::Row => ("predictions", "instances"),
        Form::Columnar => ("outputs", "inputs"),
    };
    let start = "{\n    \"".len();
    [&answer[..start], to.as_bytes(), &answer[start + from.len()..]].concat()
}
