//! Answers: layouts, number forms, refusals.

use super::*;
use crate::json::{write_classifications, write_error, write_predict, write_regressions};

fn answer(form: Form, ports: &[(&str, DType)], tensors: &[Tensor]) -> Result<String, String> {
    let outputs: Vec<usize> = (0..tensors.len()).collect();
    let mut out = b"kept ".to_vec();
    write_predict(form, &signature(ports), &outputs, tensors, &mut out).map_err(|error| {
        assert_eq!(error.kind, ErrorKind::InvalidArgument);
        error.message
    })?;
    Ok(String::from_utf8(out).unwrap().strip_prefix("kept ").unwrap().to_owned())
}

fn floats(shape: &[usize], values: &[f32]) -> Tensor {
    Tensor::from_values(shape, values).unwrap()
}

const X: &[(&str, DType)] = &[("x", DType::Float)];

// tfs: answer-row answer-layout answer-empty-batch json-numbers
#[test]
fn rows_are_laid_out_as_tensorflow_serving_does() {
    let rows = [
        (floats(&[2], &[3.0, 3.5]), "{\n    \"predictions\": [3.0, 3.5\n    ]\n}"),
        (floats(&[2, 2], &[1.0, 2.0, 3.0, 4.0]), "{\n    \"predictions\": [[1.0, 2.0], [3.0, 4.0]\n    ]\n}"),
        (floats(&[1, 2, 1], &[1.0, f32::NAN]), "{\n    \"predictions\": [[[1.0], [NaN]]\n    ]\n}"),
        (floats(&[0], &[]), "{\n    \"predictions\": []\n}"),
        (floats(&[0, 7], &[]), "{\n    \"predictions\": []\n}"),
        (floats(&[2, 0], &[]), "{\n    \"predictions\": [[], []\n    ]\n}"),
        (floats(&[1, 2, 0, 3], &[]), "{\n    \"predictions\": [[[], []]\n    ]\n}"),
    ];
    for (tensor, expected) in rows {
        assert_eq!(answer(Form::Row, X, &[tensor]).unwrap(), expected);
    }
}

// tfs: answer-row answer-column answer-bytes
#[test]
fn several_outputs_are_objects() {
    let ports = [("a", DType::Int64), ("b", DType::String), ("c_bytes", DType::String)];
    let texts = |values: [&str; 2]| Tensor::from_strings([2usize], values.iter().collect()).unwrap();
    let tensors = [Tensor::from_values([2usize], &[1i64, -2]).unwrap(), texts(["p\"", "q\n\u{1}é"]), texts(["hi", ""])];
    let expected = "{\n    \"predictions\": [\n        {\n            \"a\": 1,\n            \"b\": \"p\\\"\",\n            \
                    \"c_bytes\": {\n                \"b64\": \"aGk=\"\n            }\n        },\n        {\n            \
                    \"a\": -2,\n            \"b\": \"q\\n\\u0001é\",\n            \"c_bytes\": {\n                \
                    \"b64\": \"\"\n            }\n        }\n    ]\n}";
    assert_eq!(answer(Form::Row, &ports, &tensors).unwrap(), expected);
    let columns = answer(Form::Columnar, &ports[..2], &tensors[..2]).unwrap();
    assert_eq!(
        columns,
        "{\n    \"outputs\": {\n        \"a\": [1, -2],\n        \"b\": [\"p\\\"\", \"q\\n\\u0001é\"]\n    }\n}"
    );
}

// tfs: answer-column
#[test]
fn one_output_in_columnar_form_is_bare() {
    assert_eq!(answer(Form::Columnar, X, &[floats(&[], &[2.0])]).unwrap(), "{\n    \"outputs\": 2.0\n}");
    assert_eq!(
        answer(Form::Columnar, X, &[floats(&[2, 1], &[2.0, 0.1])]).unwrap(),
        "{\n    \"outputs\": [[2.0], [0.1]]\n}"
    );
    let bools = Tensor::from_bools([2usize], &[true, false]).unwrap();
    assert_eq!(
        answer(Form::Columnar, &[("x", DType::Bool)], &[bools]).unwrap(),
        "{\n    \"outputs\": [true, false]\n}"
    );
    let wide = Tensor::from_values([1usize], &[u64::MAX]).unwrap();
    assert_eq!(
        answer(Form::Columnar, &[("x", DType::Uint64)], &[wide]).unwrap(),
        "{\n    \"outputs\": [18446744073709551615]\n}"
    );
}

// tfs: answer-scalar answer-sizes answer-dtype answer-none
#[test]
fn answers_that_cannot_be_written_are_refused() {
    let two = [("x", DType::Float), ("y", DType::Float)];
    let half = Tensor::from_bytes(DType::Half, [1usize], vec![0, 0].into()).unwrap();
    let rows = [
        (answer(Form::Row, X, &[]), "Cannot convert empty tensor map to JSON"),
        (answer(Form::Row, X, &[floats(&[], &[1.0])]), "Tensor name: x has no shape information "),
        (
            answer(Form::Row, &two, &[floats(&[1], &[1.0]), floats(&[2], &[1.0, 2.0])]),
            "Tensor name: y has inconsistent batch size: 2 expecting: 1",
        ),
        (
            answer(Form::Row, &two, &[floats(&[0], &[]), floats(&[1], &[1.0])]),
            "Tensor name: y has inconsistent batch size: 1 expecting: 0",
        ),
        (
            answer(Form::Row, &[("x", DType::Half)], std::slice::from_ref(&half)),
            "Failed to write JSON value for tensor type: half",
        ),
        (answer(Form::Columnar, &[("x", DType::Half)], &[half]), "Failed to write JSON value for tensor type: half"),
    ];
    for (result, expected) in rows {
        assert_eq!(result.unwrap_err(), expected);
    }
}

// tfs: example-results example-empty
#[test]
fn results_of_classify_and_regress() {
    let mut out = Vec::new();
    let classes: [&[(&[u8], f32)]; 2] = [&[(b"cat", 0.25), (b"", 1.0)], &[(b"dog", 0.1)]];
    write_classifications(classes.iter().map(|classes| classes.iter().copied()), &mut out).unwrap();
    let expected = "{\n    \"results\": [[[\"cat\", 0.25], [\"\", 1.0]], [[\"dog\", 0.1]]\n    ]\n}";
    assert_eq!(String::from_utf8(std::mem::take(&mut out)).unwrap(), expected);
    write_regressions(&[1.0, 2.5], &mut out).unwrap();
    assert_eq!(String::from_utf8(std::mem::take(&mut out)).unwrap(), "{\n    \"results\": [1.0, 2.5]\n}");

    let none: [&[(&[u8], f32)]; 0] = [];
    let error = write_classifications(none.iter().map(|classes| classes.iter().copied()), &mut out).unwrap_err();
    assert_eq!(error.message, "Cannot convert empty ClassificationResults to JSON");
    let error = write_regressions(&[], &mut out).unwrap_err();
    assert_eq!(error.message, "Cannot convert empty RegressionResults to JSON");
}

// tfs: error-body
#[test]
fn an_error_is_an_object_of_one_key() {
    let mut out = Vec::new();
    write_error("bad \"x\"\n", &mut out);
    assert_eq!(out, b"{\n    \"error\": \"bad \\\"x\\\"\\n\"\n}");
}
