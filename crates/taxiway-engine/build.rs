//! Turns TensorFlow's own messages into Rust types, without protoc.

use std::path::Path;

const PROTOS: [&str; 3] = [
    "tensorflow/core/example/example.proto",
    "tensorflow/core/framework/tensor.proto",
    "tensorflow/core/protobuf/meta_graph.proto",
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../proto");
    println!("cargo:rerun-if-changed={}", root.join("tensorflow").display());
    let descriptors = protox::compile(PROTOS, [&root])?;
    prost_build::Config::new()
        .bytes(["."]) // slices of the received frame, not copies of it
        .btree_map(["."]) // signatures and their tensors are shown in one order everywhere
        .compile_fds(descriptors)?;
    Ok(())
}
