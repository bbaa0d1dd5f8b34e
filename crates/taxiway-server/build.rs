//! Turns TensorFlow Serving's messages and our own into Rust types, without protoc.

use std::path::{Path, PathBuf};

use prost::Message;

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

/// Our own service.
const FEEDBACK: &str = "taxiway/v1/feedback.proto";

const PROFILER: &str = "tsl/profiler/protobuf/profiler_service.proto";

/// The services themselves and gRPC's own: what reflection tells of.
const SERVICES: [&str; 7] = [
    "tensorflow_serving/apis/model_service.proto",
    "tensorflow_serving/apis/prediction_service.proto",
    PROFILER,
    FEEDBACK,
    "grpc/health/v1/health.proto",
    "grpc/reflection/v1/reflection.proto",
    "grpc/reflection/v1alpha/reflection.proto",
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (root, grpc) = (here.join("../../proto"), here.join("proto"));
    println!("cargo:rerun-if-changed={}", root.display());
    println!("cargo:rerun-if-changed={}", grpc.display());
    let descriptors = protox::compile(PROTOS, [&root])?;
    prost_build::Config::new()
        .bytes(["."]) // slices of the received frame, not copies of it
        .btree_map(["."]) // tensors are shown in one order everywhere
        .extern_path(".tensorflow.Example", "::taxiway_engine::proto::Example")
        .extern_path(".tensorflow.TensorProto", "::taxiway_engine::proto::TensorProto")
        .extern_path(".tensorflow.SignatureDef", "::taxiway_engine::proto::SignatureDef")
        .compile_fds(descriptors)?;
    prost_build::Config::new().bytes(["."]).compile_fds(protox::compile(&SERVICES[4..], [&grpc])?)?;
    let profile = PathBuf::from(std::env::var("OUT_DIR")?).join("profile");
    std::fs::create_dir_all(&profile)?;
    prost_build::Config::new()
        .bytes(["."])
        .btree_map(["."])
        .out_dir(&profile)
        .compile_fds(protox::compile([PROFILER], [&root])?)?;
    let own = PathBuf::from(std::env::var("OUT_DIR")?).join("own");
    std::fs::create_dir_all(&own)?;
    prost_build::Config::new().bytes(["."]).out_dir(&own).compile_fds(protox::compile([FEEDBACK], [&root])?)?;
    let services = protox::compile(SERVICES, [&root, &grpc])?;
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    std::fs::write(out.join("services.binpb"), services.encode_to_vec())?;
    Ok(())
}
