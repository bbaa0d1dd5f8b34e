//! What callers see of files with and without metadata, a list of signatures, a SavedModel beside them.

use taxiway_engine::DType;
use taxiway_engine::fake::definition as saved_definition;

use super::*;

fn tensor(name: &str, graph_name: &str, dtype: DType, extents: &[i64]) -> FileTensor {
    FileTensor { name: name.to_owned(), tensor: graph_name.to_owned(), dtype, element: 1, extents: extents.to_vec() }
}

fn two_in_one_out(key: &str) -> FileSignature {
    FileSignature {
        key: key.to_owned(),
        inputs: vec![tensor("b", "serve_b:0", DType::Float, &[1, 3]), tensor("a", "serve_a:0", DType::Int32, &[-1])],
        outputs: vec![tensor("y", "Identity", DType::Float, &[1])],
    }
}

fn extents(info: &TensorInfo) -> Vec<i64> {
    info.tensor_shape.as_ref().unwrap().dim.iter().map(|dim| dim.size).collect()
}

fn own_list(file: FileSignature, saved: SignatureDef) -> Described {
    let saved = [(file.key.clone(), saved)].into();
    describe(&[file], None, Naming::Signatures, || saved).unwrap().remove(0)
}

/// A FlexBuffer map of one entry, in widths of one byte, so for short values only.
fn metadata(name: &str, definition: &SignatureDef) -> Vec<u8> {
    let value = definition.encode_to_vec();
    let length = u8::try_from(value.len()).unwrap();
    let mut bytes = [name.as_bytes(), &[0, length], &value, &[0]].concat();
    let value_at = name.len() + 2;
    bytes.push(1); // the keys: one,
    let keys_at = bytes.len();
    bytes.push(keys_at as u8); // which is at the start
    bytes.extend([1, 1, 1]); // the distance to the keys, their width, the number of values
    let map_at = bytes.len();
    bytes[map_at - 3] = (map_at - 3 - keys_at) as u8;
    bytes.extend([(map_at - value_at) as u8, 5 << 2, 2, 9 << 2, 1]);
    bytes
}

fn info_of(graph_name: &str, dtype: DType, extents: &[i64]) -> TensorInfo {
    TensorInfo {
        encoding: Some(Encoding::Name(graph_name.to_owned())),
        dtype: dtype.number(),
        tensor_shape: Some(shape(extents)),
    }
}

#[test]
fn a_saved_model_of_the_same_tensors_fills_in_what_the_file_leaves_open() {
    let file = FileSignature {
        key: "serving_default".to_owned(),
        inputs: vec![tensor("x", "x:0", DType::Float, &[-1, -1, 3])],
        outputs: vec![tensor("y", "y:0", DType::Float, &[1, 2])],
    };
    let saved = saved_definition(&[("x", DType::Float, Some(&[-1, 7, 3]))], &[("y", DType::Float, Some(&[-1, 2]))]);
    let both = own_list(file, saved).definition;
    assert_eq!(extents(&both.inputs["x"]), [-1, 7, 3]);
    assert_eq!(extents(&both.outputs["y"]), [1, 2]);
    assert_eq!(both.inputs["x"].encoding, Some(Encoding::Name("x:0".to_owned())));
}

#[test]
fn a_quantised_file_keeps_its_own_types() {
    let file =
        FileSignature { key: "f".to_owned(), inputs: vec![tensor("x", "x:0", DType::Int8, &[-1])], outputs: vec![] };
    let saved = saved_definition(&[("x", DType::Float, Some(&[-1]))], &[]);
    assert_eq!(own_list(file, saved).definition.inputs["x"].dtype, DType::Int8.number());
}

#[test]
fn the_files_own_list_names_its_tensors_and_their_places() {
    let described = own_list(two_in_one_out("f"), SignatureDef::default());
    assert_eq!((described.name.as_str(), described.resizes), ("f", false));
    assert_eq!(described.definition.inputs.keys().collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!((described.inputs, described.outputs), (vec![1, 0], vec![0]));
}

#[test]
fn without_a_list_or_for_tensorflow_serving_the_graphs_names_count() {
    for (key, naming) in [(NO_SIGNATURE, Naming::Signatures), ("f", Naming::TensorFlowServing)] {
        let described = describe(&[two_in_one_out(key)], None, naming, BTreeMap::new).unwrap();
        assert_eq!(described.len(), 1);
        let only = &described[0];
        assert_eq!((only.name.as_str(), only.resizes), (DEFAULT_SIGNATURE, true));
        assert_eq!(only.definition.inputs.keys().collect::<Vec<_>>(), ["serve_a", "serve_b"]);
        assert_eq!(only.definition.inputs["serve_a"], info_of("serve_a:0", DType::Int32, &[-1]));
        assert_eq!(only.definition.outputs.keys().collect::<Vec<_>>(), ["Identity"]);
        assert_eq!((&only.inputs, &only.outputs), (&vec![1, 0], &vec![0]));
    }
}

#[test]
fn two_tensors_of_one_name_keep_their_numbers() {
    let file = FileSignature {
        key: NO_SIGNATURE.to_owned(),
        inputs: vec![tensor("", "x:0", DType::Float, &[1]), tensor("", "x", DType::Float, &[1])],
        outputs: vec![],
    };
    let described = describe(&[file], None, Naming::Signatures, BTreeMap::new).unwrap().remove(0);
    assert_eq!(described.definition.inputs.keys().collect::<Vec<_>>(), ["x", "x:0"]);
    assert_eq!(described.inputs, [1, 0]);
}

#[test]
fn definitions_in_the_metadata_come_first() {
    let definition = SignatureDef {
        // One name without the file's `:0`, one with a `:0` that the file does not have.
        inputs: [
            ("first".to_owned(), info_of("serve_b", DType::Float, &[-1, 3])),
            ("second".to_owned(), info_of("serve_a:0", DType::Float, &[1, 2])),
        ]
        .into(),
        outputs: [("out".to_owned(), info_of("Identity:0", DType::Float, &[-1]))].into(),
        method_name: "m".to_owned(),
        ..SignatureDef::default()
    };
    let metadata = metadata("tuned", &definition);
    for naming in [Naming::Signatures, Naming::TensorFlowServing] {
        let none = || -> BTreeMap<String, SignatureDef> { panic!("the SavedModel is not asked") };
        let described = describe(&[two_in_one_out("f")], Some(&metadata), naming, none).unwrap();
        assert_eq!(described.len(), 1);
        let only = &described[0];
        assert_eq!((only.name.as_str(), only.definition.method_name.as_str(), only.index), ("tuned", "m", 0));
        assert_eq!((&only.inputs, &only.outputs), (&vec![0, 1], &vec![0]));
        assert_eq!(extents(&only.definition.inputs["first"]), [-1, 3]);
        // The graph takes whole numbers and a vector, whatever the definition says.
        assert_eq!(only.definition.inputs["second"], info_of("serve_a:0", DType::Int32, &[-1]));
    }
}

#[test]
fn metadata_that_do_not_fit_are_refused_with_what_does_not() {
    let of = |inputs: &[&str]| {
        let info = |name: &&str| ((*name).to_owned(), info_of(name, DType::Float, &[1]));
        SignatureDef { inputs: inputs.iter().map(info).collect(), ..SignatureDef::default() }
    };
    let refusal = |metadata: &[u8]| {
        describe(&[two_in_one_out("f")], Some(metadata), Naming::Signatures, BTreeMap::new).unwrap_err()
    };
    let lead = "signature \"s\" in the file's metadata does not fit the graph: ";
    for (inputs, reason) in [
        (&["serve_a", "gone"][..], "the graph has no input or output \"gone\""),
        (&["serve_a"], "it does not name each of the graph's inputs once"),
    ] {
        let error = refusal(&metadata("s", &of(inputs)));
        assert_eq!((error.kind, error.message), (ErrorKind::FailedPrecondition, format!("{lead}{reason}")));
    }
    assert_eq!(refusal(b"nothing").kind, ErrorKind::DataLoss);
    let mut broken = metadata("s", &of(&["serve_a", "serve_b"]));
    broken[3] = 0xff;
    let error = refusal(&broken);
    assert_eq!(error.kind, ErrorKind::DataLoss);
    assert!(
        error.message.starts_with("the file's signature definitions have one that cannot be read, \"s\""),
        "{error}"
    );
}
