//! Predict requests: what the forms give, and what TensorFlow Serving says of each mistake.

use super::*;

fn floats(shape: &[usize], values: &[f32]) -> Tensor {
    Tensor::from_values(shape, values).unwrap()
}

fn texts(shape: &[usize], values: &[&str]) -> Tensor {
    Tensor::from_strings(shape, values.iter().collect()).unwrap()
}

// tfs: row-bare row-named row-batch column-one column-extra json-unknown-keys json-trailing
#[test]
fn rows_gain_a_dimension_and_columns_do_not() {
    let x = one(DType::Float);
    assert_eq!(predict(r#"{"instances": [1, 2.5]}"#, &x).unwrap(), (Form::Row, vec![floats(&[2], &[1.0, 2.5])]));
    let rows = [
        (r#"{"instances": [[1, 2], [3,4] , [5,6]]}X"#, floats(&[3, 2], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0])),
        (r#"{"instances": [[[1],[2]]]}"#, floats(&[1, 2, 1], &[1.0, 2.0])),
        (r#"{"instances": [[], []]}"#, floats(&[2, 0], &[])),
        (r#"{"instances": [{"x": [1]}, {"x":[2]}]}"#, floats(&[2, 1], &[1.0, 2.0])),
        (r#"{"instances": [{"x": 1, "x": 7}, {"x":2}]}"#, floats(&[2], &[1.0, 2.0])),
        (r#"{"\u0069nstances": [1], "instances": 5, "other": {}}"#, floats(&[1], &[1.0])),
    ];
    for (body, expected) in rows {
        assert_eq!(tensors(body, &x), [expected], "{body}");
    }
    assert_eq!(predict(r#"{"inputs": 3}"#, &x).unwrap(), (Form::Columnar, vec![floats(&[], &[3.0])]));
    let columns = [
        (r#"{"inputs": [[1,2],[3,4]]}"#, floats(&[2, 2], &[1.0, 2.0, 3.0, 4.0])),
        (r#"{"inputs": []}"#, floats(&[0], &[])),
        (r#"{"inputs": [[[]],[[]]]}"#, floats(&[2, 1, 0], &[])),
        (r#"{"inputs": {"x": [1], "y": "ignored", "x": null}}"#, floats(&[1], &[1.0])),
        (r#"{"inputs": {"\u0078": [1]}, "signature_name": "serving_default"}"#, floats(&[1], &[1.0])),
    ];
    for (body, expected) in columns {
        assert_eq!(tensors(body, &x), [expected], "{body}");
    }
}

// tfs: row-named column-several dtype-string
#[test]
fn several_inputs_come_in_the_signatures_order() {
    let signature = signature(&[("a", DType::Int32), ("b", DType::String)]);
    let a = Tensor::from_values([2usize], &[1i32, 2]).unwrap();
    let b = texts(&[2], &["p", "q"]);
    let rows = r#"{"instances": [{"b": "p", "a": 1}, {"a": 2, "b": {"b64": "cQ=="}}]}"#;
    assert_eq!(tensors(rows, &signature), [a.clone(), b.clone()]);
    let columns = r#"{"inputs": {"b": ["p", {"b64" : "cQ"}], "z": [[1], 2], "a": [1, 2]}}"#;
    assert_eq!(tensors(columns, &signature), [a, b]);
}

// tfs: dtype-string json-utf8
#[test]
fn strings_are_bytes_or_base64() {
    let x = one(DType::String);
    assert_eq!(tensors(r#"{"inputs": {"b64": "aGk="}}"#, &x), [texts(&[], &["hi"])]);
    assert_eq!(tensors(r#"{"instances": [{"b64": "aGk="}, "a\u0000\n"]}"#, &x), [texts(&[2], &["hi", "a\0\n"])]);
    let raw = [b"{\"inputs\": [\"\xff\xfe\"]}".as_slice(), b"junk"].concat();
    assert_eq!(tensors(raw, &x)[0].strings().unwrap().get(0), b"\xff\xfe");
    assert_eq!(tensors(r#"{"inputs": {"b64": "hi"}}"#, &signature(&[("b64", DType::String)])).len(), 1);
}

// tfs: dtype-floats json-numbers
#[test]
fn numbers_are_doubles_rounded_to_floats() {
    let x = one(DType::Float);
    // Rounding 7.038531e-26 once, straight to a float, would give the float below.
    let body = r#"{"inputs": [1e40, -1e40, 1e-50, -1e-50, 16777217, 18446744073709551615, -0, -0.0, 0.1, 36893488147419103232,
                   0.00039215686274509805, 1.00000005960464477540, 7.038531e-26, 1.1754942e-38, 9.9e308]}"#;
    let values = tensors(body, &x)[0].values::<f32>().unwrap().into_owned();
    let expected = [
        f32::INFINITY,
        f32::NEG_INFINITY,
        0.0,
        -0.0,
        16_777_216.0,
        1.844_674_4e19,
        0.0,
        -0.0,
        0.1,
        3.689_349e19,
        0.000_392_156_86,
        1.0,
        7.038_531e-26_f64 as f32,
        1.175_494_2e-38,
        f32::INFINITY,
    ];
    let bits = |values: &[f32]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
    assert_eq!(bits(&values), bits(&expected));
    let words = tensors(r#"{"inputs": [NaN, -NaN, Inf, Infinity, -Inf, -Infinity, NaN.5, -Infe2]}"#, &x);
    let words = words[0].values::<f32>().unwrap().into_owned();
    assert!(words[0].is_nan() && words[1].is_nan());
    let (up, down) = (f32::INFINITY, f32::NEG_INFINITY);
    assert_eq!(words[2..], [up, up, down, down, 0.5, -0.0]);
}

// tfs: dtype-small-ints dtype-wide-ints
#[test]
fn integers_must_fit_as_rapidjson_sees_it() {
    let read =
        |dtype, value: &str| predict(format!("{{\"inputs\": {value}}}"), &one(dtype)).map(|(_, mut all)| all.remove(0));
    for (dtype, good) in [
        (DType::Int32, "-2147483648"),
        (DType::Int64, "-9223372036854775808"),
        (DType::Int64, "9223372036854775807"),
        (DType::Uint32, "4294967295"),
        (DType::Uint64, "18446744073709551615"),
        (DType::Uint8, "300"),
        (DType::Int8, "-0"),
    ] {
        assert!(read(dtype, good).is_ok(), "{good}");
    }
    assert_eq!(read(DType::Uint8, "300").unwrap().values::<u8>().unwrap()[0], 44);
    assert_eq!(read(DType::Uint64, "18446744073709551615").unwrap().values::<u64>().unwrap()[0], u64::MAX);
    for (dtype, bad, shown) in [
        (DType::Int32, "1.0", "1.0"),
        (DType::Int32, "2147483648", "2147483648"),
        (DType::Int16, "1e2", "100.0"),
        (DType::Int64, "9223372036854775808", "9223372036854775808"),
        (DType::Uint32, "-1", "-1"),
        (DType::Uint64, "18446744073709551616", "18446744073709552000.0"),
    ] {
        let expected = format!("JSON Value: {shown} Type: Number is not of expected type: {}", dtype.name());
        assert_eq!(read(dtype, bad).unwrap_err(), (ErrorKind::InvalidArgument, expected));
    }
}

// tfs:  err-both-forms err-no-form err-instances-list err-instances-empty err-json-type row-mixed
// tfs: row-wrapped row-shapes row-ragged column-missing
#[test]
fn wrong_requests_get_tensorflow_servings_texts() {
    let x = one(DType::Float);
    let whole = |text: &str| format!("JSON Value: {text}");
    let rows = [
        (r#"{"inputs": 1, "instances": [1]}"#, whole("{\n    \"inputs\": 1,\n    \"instances\": [1]\n} Not formatted correctly expecting only one of 'inputs' or 'instances' keys to exist ")),
        (r#"{"x": 1}"#, "Missing 'inputs' or 'instances' key".into()),
        (r#"{"instances": 1}"#, whole("{\n    \"instances\": 1\n} Expecting 'instances' to be an list/array")),
        (r#"{"instances": [ ]}"#, whole("{\n    \"instances\": []\n} No values in 'instances' array")),
        (r#"{"inputs": "x"}"#, whole("\"x\" Type: String is not of expected type: float")),
        (r#"{"inputs": null}"#, whole("null Type: Null is not of expected type: float")),
        (r#"{"inputs": true}"#, whole("true Type: True is not of expected type: float")),
        (r#"{"inputs": false}"#, whole("false Type: False is not of expected type: float")),
        (r#"{"inputs": [{"b64": "aGk="}]}"#, whole("{\n    \"b64\": \"aGk=\"\n} Type: Object is not of expected type: float")),
        (r#"{"inputs": {"b64": "aGk="}}"#, whole("{\n    \"b64\": \"aGk=\"\n} Type: Object is not of expected type: float")),
        (r#"{"inputs": {}}"#, "Missing named input: x in 'inputs' object.".into()),
        (r#"{"inputs": [[1, 2], [3]]}"#, "Encountered list at unexpected size: 1 at level: 1 expected size: 2".into()),
        (r#"{"inputs": [[1, 2], ["a"], [1, 2]]}"#, "Encountered list at unexpected size: 1 at level: 1 expected size: 2".into()),
        (r#"{"inputs": [[1], [[2]]]}"#, "Encountered list at unexpected level: 2 expected < 2".into()),
        (r#"{"inputs": [[1], 2]}"#, whole("2 found at incorrect level: 2 in the JSON DOM. Expected at level: 2")),
        (r#"{"inputs": [1, [2]]}"#, "Encountered list at unexpected level: 1 expected < 1".into()),
        (r#"{"inputs": [[], [1]]}"#, "Encountered list at unexpected size: 1 at level: 1 expected size: 0".into()),
        (r#"{"instances": ["a"]}"#, "Failed to process element: 0 of 'instances' list. Error: INVALID_ARGUMENT: JSON Value: \"a\" Type: String is not of expected type: float".into()),
        (r#"{"instances": [[1], [2, 3]]}"#, "Failed to process element: 1 of 'instances' list. Error: INVALID_ARGUMENT: Expecting tensor size: 1 but got: 2".into()),
        (r#"{"instances": [[[1, 2]], [[1], [2]]]}"#, "Failed to process element: 1 of 'instances' list. Error: INVALID_ARGUMENT: Expecting shape [1,2] but got: [2,1]".into()),
        (r#"{"instances": [[1, 2], [[1, 2]]]}"#, "Failed to process element: 1 of 'instances' list. Error: INVALID_ARGUMENT: Expecting shape [2] but got: [1,2]".into()),
        (r#"{"instances": [{"x": 1}, 2]}"#, "Expecting object but got list at item 1 of input list".into()),
        (r#"{"instances": [1, {"x": 2}]}"#, "Expecting value/list but got object at item 1 of input list".into()),
        (r#"{"instances": [{"x": "a"}]}"#, "Failed to process element: 0 key: x of 'instances' list. Error: INVALID_ARGUMENT: JSON Value: \"a\" Type: String is not of expected type: float".into()),
        (r#"{"instances": [{"x": 1, "z": 2}]}"#, "Failed to process element: 0 key: z of 'instances' list. Error: INVALID_ARGUMENT: JSON object: does not have named input: z".into()),
    ];
    for (body, expected) in rows {
        assert_eq!(predict(body, &x), Err((ErrorKind::InvalidArgument, expected)), "{body}");
    }
}

// tfs: row-plain-list row-keys column-plain column-missing err-no-inputs
#[test]
fn several_inputs_have_their_own_mistakes() {
    let two = signature(&[("a", DType::Float), ("b", DType::Float)]);
    let rows = [
        (
            r#"{"instances": [1]}"#,
            "instances is a plain list, but expecting list of objects as multiple input tensors required as per tensorinfo_map",
        ),
        (
            r#"{"inputs": [1]}"#,
            "inputs is a plain value/list, but expecting an object as multiple input tensors required as per tensorinfo_map",
        ),
        (r#"{"inputs": {"a": 1}}"#, "Missing named input: b in 'inputs' object."),
        (
            r#"{"instances": [{"a": 1, "b": 1}, {"a": 1}]}"#,
            "Failed to process element: 1 of 'instances' list. JSON object: {\n    \"a\": 1\n} keys must be equal to: a,b",
        ),
        (
            r#"{"instances": [{}]}"#,
            "Failed to process element: 0 of 'instances' list. JSON object: {} keys must be equal to: a,b",
        ),
    ];
    for (body, expected) in rows {
        assert_eq!(message(body, &two), expected);
    }
    assert_eq!(message(r#"{"inputs": 1}"#, &signature(&[])), "Failed to get input map for signature: serving_default");
}

// tfs: dtype-b64-errors
#[test]
fn base64_has_its_own_mistakes() {
    let x = one(DType::String);
    assert_eq!(message(r#"{"inputs": [{"b64": "?"}]}"#, &x), "Unable to base64 decode");
    assert_eq!(
        message(r#"{"inputs": [{"b64": "aGk=", "c": 1}]}"#, &x),
        "JSON Value: {\n    \"b64\": \"aGk=\",\n    \"c\": 1\n} not formatted correctly for base64 data"
    );
}

// tfs: err-dtype
#[test]
fn types_that_nothing_converts_to_are_unimplemented() {
    let half = one(DType::Half);
    let inner = "Conversion of JSON Value: 1.5 to type: half";
    assert_eq!(predict(r#"{"inputs": [1.5]}"#, &half), Err((ErrorKind::Unimplemented, inner.into())));
    let wrapped = format!("Failed to process element: 0 of 'instances' list. Error: UNIMPLEMENTED: {inner}");
    assert_eq!(predict(r#"{"instances": [1.5]}"#, &half), Err((ErrorKind::InvalidArgument, wrapped)));
    assert_eq!(tensors(r#"{"inputs": []}"#, &half)[0].shape(), [0]);
}

#[test]
fn a_tensor_over_the_limit_is_refused() {
    let x = one(DType::Double);
    let body = br#"{"inputs": [1, 2, 3, 4, 5]}"#;
    let read = |limit| Document::parse(body).unwrap().predict_inputs(&x, limit).map_err(|error| error.kind);
    assert!(read(40).is_ok());
    assert_eq!(read(39), Err(ErrorKind::ResourceExhausted));
    let strings = Document::parse(br#"{"inputs": ["12345678901234567890"]}"#).unwrap();
    assert_eq!(strings.predict_inputs(&one(DType::String), 20).unwrap_err().kind, ErrorKind::ResourceExhausted);
}

#[test]
fn what_was_expected_never_changes_the_result() {
    let (x, y) = (one(DType::Float), signature(&[("x", DType::Int64)]));
    for body in [r#"{"instances": [1, 2]}"#, r#"{"instances": [1, 2.5]}"#, r#"{"inputs": 1, "instances": [1]}"#] {
        let wrong = Document::parse_expecting(body.as_bytes(), &x, NO_LIMIT).unwrap().predict_inputs(&y, NO_LIMIT);
        let none = Document::parse(body.as_bytes()).unwrap().predict_inputs(&y, NO_LIMIT);
        assert_eq!(wrong, none);
    }
}
