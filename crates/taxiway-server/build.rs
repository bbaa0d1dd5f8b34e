//! Turns TensorFlow Serving's messages into Rust types, without protoc.

use std::path::Path;

const PROTOS: [&str; 8] = [
    "tensorflow_serving/apis/classification.proto",
    "tensorflow_serving/apis/get_model_metadata.proto",
    "tensorflow_serving/apis/get_model_status.proto",
    "tensorflow_serving/apis/inference.proto",
    "tensorflow_serving/apis/model_management.proto",
    "tensorflow_serving/apis/predict.proto",
    "tensorflow_serving/apis/prediction_log.proto",
    "tensorflow_serving/apis/regression.proto",
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../proto");
    println!("cargo:rerun-if-changed={}", root.display());
    let descriptors = protox::compile(PROTOS, [&root])?;
    prost_build::Config::new()
        .bytes(["."]) // slices of the received frame, not copies of it
        .btree_map(["."]) // tensors are shown in one order everywhere
        .extern_path(".tensorflow.Example", "::taxiway_engine::proto::Example")
        .extern_path(".tensorflow.TensorProto", "::taxiway_engine::proto::TensorProto")
        .extern_path(".tensorflow.SignatureDef", "::taxiway_engine::proto::SignatureDef")
        .compile_fds(descriptors)?;
    Ok(())
}
