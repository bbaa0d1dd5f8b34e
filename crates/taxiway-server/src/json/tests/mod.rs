//! Tables of what TensorFlow Serving says, properties against serde_json, and hostile bodies.

mod answers;
mod examples;
mod hostile;
mod lanes;
mod properties;
mod requests;
mod syntax;

use taxiway_engine::{DType, ErrorKind, Port, Signature, SpecShape, Tensor};

use super::{Document, Form};

const NO_LIMIT: usize = 1 << 30;

/// A signature of inputs (and outputs) with these names and types and no known shape.
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

fn one(dtype: DType) -> Signature {
    signature(&[("x", dtype)])
}

/// Reads a request both ways, which must agree.
fn predict(body: impl AsRef<[u8]>, signature: &Signature) -> Result<(Form, Vec<Tensor>), (ErrorKind, String)> {
    let body = body.as_ref();
    let plain = Document::parse(body).and_then(|document| document.predict_inputs(signature, NO_LIMIT));
    let expecting = Document::parse_expecting(body, signature, NO_LIMIT)
        .and_then(|document| document.predict_inputs(signature, NO_LIMIT));
    let told = |result: taxiway_engine::Result<_>| result.map_err(|error| (error.kind, error.message));
    let (plain, expecting) = (told(plain), told(expecting));
    assert_eq!(format!("{plain:?}"), format!("{expecting:?}"), "{}", String::from_utf8_lossy(body));
    plain
}

fn tensors(body: impl AsRef<[u8]>, signature: &Signature) -> Vec<Tensor> {
    predict(body, signature).unwrap().1
}

fn message(body: impl AsRef<[u8]>, signature: &Signature) -> String {
    predict(body, signature).unwrap_err().1
}
