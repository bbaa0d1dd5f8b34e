//! What LiteRT takes beyond the suite: files with several signatures, with and without a SavedModel beside them.

mod fixtures;

use std::time::Duration;

use fixtures::{fixtures, predict, predict_with};
use taxiway_engine::{Call, DEFAULT_SIGNATURE, ErrorKind, SpecShape, Tensor};
use taxiway_runtimes::EngineChoice::{LiteRt, PreferTflite, TensorFlow};

fn images(rows: usize) -> Tensor {
    let values: Vec<f32> = (0..rows * 784).map(|i| (i % 17) as f32 / 17.0).collect();
    Tensor::from_values([rows, 784], &values).expect("784 values a row")
}

#[test]
fn both_runtimes_give_the_same_answers() {
    let Some(fixtures) = fixtures() else { return };
    let (tensorflow, litert) = (fixtures.load("digits", TensorFlow), fixtures.load("digits", LiteRt));
    for rows in [1, 8, 3] {
        let answers = [&tensorflow, &litert].map(|engine| predict(engine.as_ref(), &[images(rows)]).unwrap().remove(0));
        assert_eq!(answers[0].shape(), [rows, 10]);
        assert_eq!(answers[1].shape(), [rows, 10]);
        let [left, right] = answers.each_ref().map(|answer| answer.values::<f32>().unwrap());
        assert!(left.iter().zip(right.iter()).all(|(l, r)| (l - r).abs() < 1e-5), "{left:?} {right:?}");
    }
}

#[test]
fn a_file_alone_tells_its_own_signatures() {
    let Some(fixtures) = fixtures() else { return };
    let (alone, beside) = (fixtures.load("digits_lite", LiteRt), fixtures.load("digits", LiteRt));
    let signature = |engine: &std::sync::Arc<dyn taxiway_engine::Engine>| {
        engine.signatures().get("serving_default").unwrap().unwrap().clone()
    };
    let (alone_signature, beside_signature) = (signature(&alone), signature(&beside));
    assert_eq!(alone_signature.inputs[0].shape, SpecShape(Some(vec![None, Some(784)])));
    assert_eq!(alone_signature.outputs[0].shape, SpecShape(Some(vec![None, Some(10)])));
    assert_eq!(alone_signature.inputs[0].shape, beside_signature.inputs[0].shape);
    assert_eq!(beside_signature.inputs[0].tensor, "serving_default_image:0");
    let answers = [&alone, &beside].map(|engine| predict(engine.as_ref(), &[images(2)]).unwrap());
    assert_eq!(answers[0], answers[1]);
}

#[test]
fn signatures_of_one_file_run_side_by_side() {
    let Some(fixtures) = fixtures() else { return };
    let engine = fixtures.load("signatures", LiteRt);
    let names: Vec<_> = engine.signatures().callable().map(|signature| signature.name.as_str()).collect();
    assert_eq!(names, ["double", "square", "total"]);
    for rows in [1usize, 3, 2] {
        let x = Tensor::from_values([rows, 4], &vec![1.5f32; rows * 4]).unwrap();
        let double = predict_with(engine.as_ref(), "double", std::slice::from_ref(&x)).unwrap();
        assert_eq!(double, [Tensor::from_values([rows, 4], &vec![3.0f32; rows * 4]).unwrap()]);
        let total = predict_with(engine.as_ref(), "total", &[x]).unwrap();
        assert_eq!(total, [Tensor::from_values([], &[6.0 * rows as f32]).unwrap()]);
        let v = Tensor::from_values([3], &[1.0f32, 2.0, 3.0]).unwrap();
        let square = predict_with(engine.as_ref(), "square", &[v]).unwrap();
        assert_eq!(square, [Tensor::from_values([3], &[1.0f32, 4.0, 9.0]).unwrap()]);
    }
}

#[test]
fn an_empty_tensor_cannot_ask_for_a_huge_row() {
    let Some(fixtures) = fixtures() else { return };
    for model in ["tflite_plain", "digits"] {
        let engine = fixtures.load(model, LiteRt);
        let rank_two = Tensor::from_values::<f32>([0, 1 << 32], &[]).unwrap();
        let rank_three = Tensor::from_values::<f32>([1 << 32, 3, 0], &[]).unwrap();
        for huge in [rank_two, rank_three] {
            let signature = engine.signatures().callable().next().unwrap().name.clone();
            let error = predict_with(engine.as_ref(), &signature, &[huge]).unwrap_err();
            assert_eq!(error.kind, ErrorKind::InvalidArgument, "{model}: {error}");
        }
    }
}

#[test]
fn an_empty_batch_without_an_answer_a_row_is_refused() {
    let Some(fixtures) = fixtures() else { return };
    let engine = fixtures.load("signatures", LiteRt);
    let none = Tensor::from_values::<f32>([0, 4], &[]).unwrap();
    assert_eq!(predict_with(engine.as_ref(), "total", &[none]).unwrap_err().kind, ErrorKind::InvalidArgument);
}

#[test]
fn shapes_that_do_not_fit_are_named() {
    let Some(fixtures) = fixtures() else { return };
    let engine = fixtures.load("digits", LiteRt);
    let narrow = Tensor::from_values([2, 783], &vec![0.0f32; 2 * 783]).unwrap();
    let error = predict(engine.as_ref(), &[narrow]).unwrap_err();
    assert_eq!(error.message, "input \"image\" of shape [2, 783] does not fit the signature's [?, 784]");
}

#[test]
fn an_output_whose_size_depends_on_values_is_refused_when_it_is_loaded() {
    let Some(fixtures) = fixtures() else { return };
    let error = taxiway_runtimes::open(&fixtures.spec("positives", LiteRt)).err().unwrap();
    assert_eq!(error.kind, ErrorKind::Unimplemented);
    assert!(error.message.contains("output \"places\""), "{error}");
}

fn vector(values: &[f32]) -> Tensor {
    Tensor::from_values([values.len()], values).expect("a vector has as many values as it is long")
}

// tfs: tflite-plain tflite-resize
#[test]
fn a_file_without_signatures_is_named_by_its_graph_and_resized() {
    let Some(fixtures) = fixtures() else { return };
    for engine in [LiteRt, PreferTflite] {
        let engine = fixtures.load("tflite_plain", engine);
        let signature = engine.signatures().get(DEFAULT_SIGNATURE).unwrap().unwrap();
        assert_eq!((signature.inputs[0].name.as_str(), signature.outputs[0].name.as_str()), ("x", "y"));
        assert_eq!(signature.inputs[0].shape, SpecShape(Some(vec![Some(1)])));
        // The file says one row; any number is taken, and one again after many.
        for values in [&[1.0f32][..], &[1.0, 2.0, 5.0], &[4.0]] {
            let expected: Vec<f32> = values.iter().map(|x| x * 0.5 + 2.0).collect();
            assert_eq!(predict(engine.as_ref(), &[vector(values)]).unwrap(), [vector(&expected)]);
        }
        let matrix = |value: f32| Tensor::from_values([1, 1], &[value]).unwrap();
        assert_eq!(predict(engine.as_ref(), &[matrix(1.0)]).unwrap(), [matrix(2.5)]);
    }
}

// tfs: tflite-metadata
#[test]
fn signature_definitions_in_the_metadata_are_served() {
    let Some(fixtures) = fixtures() else { return };
    for engine in [LiteRt, PreferTflite] {
        let engine = fixtures.load("tflite_metadata", engine);
        let names: Vec<_> = engine.signatures().callable().map(|signature| signature.name.as_str()).collect();
        assert_eq!(names, ["regress_x_to_y", DEFAULT_SIGNATURE]);
        for (name, input, output, method) in
            [("regress_x_to_y", "inputs", "outputs", "regress"), (DEFAULT_SIGNATURE, "input", "answer", "predict")]
        {
            let signature = engine.signatures().get(name).unwrap().unwrap();
            assert_eq!((signature.inputs[0].name.as_str(), signature.outputs[0].name.as_str()), (input, output));
            assert_eq!(signature.method_name, format!("tensorflow/serving/{method}"));
            assert_eq!(signature.inputs[0].shape, SpecShape(Some(vec![None])));
            let answers = predict_with(engine.as_ref(), name, &[vector(&[1.0, 2.0])]).unwrap();
            assert_eq!(answers, [vector(&[2.5, 3.0])]);
        }
    }
    let error = taxiway_runtimes::open(&fixtures.spec("tflite_bad_metadata", LiteRt)).err().unwrap();
    assert_eq!(error.kind, ErrorKind::DataLoss);
    assert!(error.message.contains("model.tflite: the file's signature definitions are not a map"), "{error}");
}

// tfs: tflite-prefer
#[test]
fn tensorflow_servings_way_names_a_file_by_its_graph_and_else_takes_tensorflow() {
    let Some(fixtures) = fixtures() else { return };
    let engine = fixtures.load("half_plus_two", PreferTflite);
    assert_eq!(engine.name(), "litert");
    let signature = engine.signatures().get(DEFAULT_SIGNATURE).unwrap().unwrap();
    assert_eq!(signature.inputs[0].name, "serving_default_x");
    assert_eq!(signature.inputs[0].tensor, "serving_default_x:0");
    assert_eq!(predict(engine.as_ref(), &[vector(&[1.0, 2.0])]).unwrap(), [vector(&[2.5, 3.0])]);
    assert_eq!(fixtures.load("strings", PreferTflite).name(), "tensorflow");
}

#[test]
fn a_run_is_stopped_at_its_deadline_and_the_next_is_whole() {
    let Some(fixtures) = fixtures() else { return };
    let engine = fixtures.load("spin", LiteRt);
    let signature = engine.signatures().get(DEFAULT_SIGNATURE).unwrap().unwrap();
    let run = |n: i32, timeout| {
        let inputs = [Tensor::from_values([], &[n]).unwrap()];
        engine.run(&Call { signature, inputs: &inputs, outputs: &[0], timeout })
    };
    for _ in 0..3 {
        let error = run(i32::MAX, Some(Duration::from_millis(20))).unwrap_err();
        assert_eq!(error.kind, ErrorKind::DeadlineExceeded);
        assert_eq!(error.message, "the run was stopped at its deadline of 20 ms");
        assert_eq!(run(5, None).unwrap(), [Tensor::from_values([], &[5]).unwrap()]);
    }
}
