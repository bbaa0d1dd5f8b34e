//! Libraries of more operations.

mod fixtures;

use std::path::PathBuf;

use fixtures::{fixtures, predict};
use taxiway_engine::{Error, ErrorKind, Tensor};
use taxiway_runtimes::EngineChoice::{Auto, LiteRt, TensorFlow};
use taxiway_runtimes::open;

// What a library registers stays for the whole process, so this is one story and not several tests.
// tfs: op-libraries
#[test]
fn a_model_finds_the_operations_of_a_library_from_the_first_version_that_names_it() {
    let Some(fixtures) = fixtures() else { return };
    let mut spec = fixtures.spec("plus_one", TensorFlow);
    let missing = open(&spec).err().unwrap();
    assert_eq!(missing.kind, ErrorKind::NotFound);
    assert!(missing.message.contains("Op type not registered 'TaxiwayPlusOne'"), "{missing}");
    assert!(missing.message.contains(&spec.path.display().to_string()), "{missing}");

    spec.op_libraries = vec![fixtures.file("op_libraries/plus_one.so")];
    let run = |spec: &taxiway_runtimes::LoadSpec| {
        let x = Tensor::from_values([3], &[0.5f32, -1.0, 41.0]).unwrap();
        predict(open(spec).unwrap().as_ref(), &[x]).unwrap()
    };
    let expected = [Tensor::from_values([3], &[1.5f32, 0.0, 42.0]).unwrap()];
    assert_eq!(run(&spec), expected);
    // Naming it again changes nothing, and later versions need not name it.
    spec.op_libraries.push(fixtures.file("op_libraries/plus_one.so"));
    assert_eq!(run(&spec), expected);
    assert_eq!(run(&fixtures.spec("plus_one", Auto)), expected);
}

#[test]
fn a_library_that_is_no_op_library_is_named_with_the_reason() {
    let Some(fixtures) = fixtures() else { return };
    let refusal = |path: PathBuf| -> Error {
        let mut spec = fixtures.spec("half_plus_two", TensorFlow);
        spec.op_libraries = vec![path];
        open(&spec).err().unwrap()
    };
    let error = refusal("/nowhere/ops.so".into());
    assert_eq!(error, Error::new(ErrorKind::NotFound, "there is no op library /nowhere/ops.so"));
    let error = refusal("ops.so".into());
    assert_eq!(error, Error::invalid("the path of op library ops.so is not absolute"));
    let broken = fixtures.file("op_libraries/not_a_library.so");
    for _ in 0..2 {
        let error = refusal(broken.clone());
        assert_eq!(error.kind, ErrorKind::FailedPrecondition);
        let start = format!(
            "op library {} cannot be loaded, it may be built for another TensorFlow than this 2.",
            broken.display()
        );
        assert!(error.message.starts_with(&start), "{error}");
    }
}

#[test]
fn a_library_without_operations_and_an_engine_without_libraries_are_fine() {
    let Some(fixtures) = fixtures() else { return };
    let mut spec = fixtures.spec("half_plus_two", TensorFlow);
    spec.op_libraries = vec![fixtures.libraries.tensorflow.clone().unwrap().framework];
    open(&spec).unwrap();
    spec.engine = LiteRt;
    spec.op_libraries = vec!["/nowhere/ops.so".into()];
    open(&spec).unwrap();
}
