//! Bodies that mean harm: an error, never a crash, never a hang.

use super::*;
use proptest::prelude::*;

const DEPTH: usize = 500_000;

// tfs: json-deep
#[test]
fn deep_nesting_is_an_error_or_ignored() {
    let x = one(DType::Float);
    let lists = "[".repeat(DEPTH) + &"]".repeat(DEPTH);
    let objects = r#"{"a":"#.repeat(DEPTH) + "1" + &"}".repeat(DEPTH);
    for deep in [&lists, &objects] {
        assert_eq!(tensors(format!(r#"{{"instances": [1], "nested": {deep}}}"#), &x).len(), 1);
        for key in ["instances", "inputs", "signature_name", "examples", "context"] {
            let body = format!(r#"{{"{key}": {deep}}}"#);
            assert!(predict(&body, &x).is_err());
            assert!(Document::parse(body.as_bytes()).unwrap().examples().is_err());
        }
        assert!(Document::parse(&deep.as_bytes()[..DEPTH]).is_err());
        let inside = format!(r#"{{"inputs": [1, {deep}], "examples": [{{"f": [{deep}]}}]}}"#);
        assert!(predict(&inside, &x).is_err());
        assert!(Document::parse(inside.as_bytes()).unwrap().examples().is_err());
    }
    let message = message(format!(r#"{{"inputs": {lists}}}"#), &x);
    assert_eq!(message, "lists are nested deeper than the 254 dimensions of a tensor");
    let most = "[".repeat(254) + "1" + &"]".repeat(254);
    assert_eq!(tensors(format!(r#"{{"inputs": {most}}}"#), &x)[0].shape().len(), 254);
}

const REQUEST: &str = r#"{"signature_name": "serving_default", "context": {"k": [1.5e1, -2]},
    "instances": [{"a": [1, -2.5e-3], "b": "\u00e9\ud83d\ude00\n"}, {"b": {"b64": "aGk="}, "a": [NaN, 1e2]}],
    "examples": [{"f": [true, 3], "g": {"b64": "aGk="}}]}"#;

#[test]
fn a_request_cut_at_any_byte_is_an_error() {
    let two = signature(&[("a", DType::Float), ("b", DType::String)]);
    assert!(predict(REQUEST, &two).is_ok());
    for end in 0..REQUEST.len() {
        let text = message(&REQUEST.as_bytes()[..end], &two);
        assert!(text.starts_with("JSON Parse error: "), "{end}: {text}");
    }
}

proptest! {
    #[test]
    fn changed_bytes_never_crash(changes in proptest::collection::vec((0..REQUEST.len(), any::<u8>()), 1..6)) {
        let mut body = REQUEST.as_bytes().to_vec();
        changes.into_iter().for_each(|(at, byte)| body[at] = byte);
        let _ = predict(&body, &signature(&[("a", DType::Float), ("b", DType::String)]));
        let _ = Document::parse(&body).and_then(|document| document.examples());
    }

    #[test]
    fn random_bytes_never_crash(body in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = predict(&body, &one(DType::Float));
        let _ = predict([b"{\"inputs\":[", body.as_slice()].concat(), &one(DType::Int64));
        let _ = predict([b"{\"instances\":[\"", body.as_slice()].concat(), &one(DType::String));
    }

    #[test]
    fn tokens_in_any_order_never_crash(tokens in proptest::collection::vec(0..TOKENS.len(), 0..40)) {
        let text: String = tokens.into_iter().map(|token| TOKENS[token]).collect();
        for start in ["{", "{\"inputs\":", "{\"instances\":[", "{\"examples\":[{"] {
            let body = format!("{start}{text}");
            let _ = predict(&body, &one(DType::Float));
            let _ = predict(&body, &one(DType::String));
            let _ = Document::parse(body.as_bytes()).and_then(|document| document.examples());
        }
    }
}

const TOKENS: [&str; 18] = [
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "\"x\"",
    "\"b64\"",
    "\"aGk=\"",
    "1",
    "-0.5",
    "1e5",
    "true",
    "null",
    " ",
    "NaN",
    "\"\\u0000\"",
    "18446744073709551615",
];
