//! RapidJSON's texts and offsets.

use super::*;

fn parse_error(body: impl AsRef<[u8]>) -> String {
    let error = Document::parse(body.as_ref()).unwrap_err();
    assert_eq!(error.kind, ErrorKind::InvalidArgument);
    error.message
}

/// Bodies, what is wrong with them, and where.
const ERRORS: &[(&str, &str, usize)] = &[
    (" ", "The document is empty.", 1),
    ("\0{}", "The document is empty.", 0),
    ("]", "The document is empty.", 0),
    ("  :", "The document is empty.", 2),
    ("nul", "Invalid value.", 3),
    ("trux", "Invalid value.", 3),
    ("falsy", "Invalid value.", 4),
    ("abc", "Invalid value.", 0),
    ("-", "Invalid value.", 1),
    ("[-x]", "Invalid value.", 2),
    ("[", "Invalid value.", 1),
    ("[1,", "Invalid value.", 3),
    ("[1,]", "Invalid value.", 3),
    ("[,1]", "Invalid value.", 1),
    ("[+1]", "Invalid value.", 1),
    ("[.5]", "Invalid value.", 1),
    ("[Nax]", "Invalid value.", 3),
    ("[Infinitx]", "Invalid value.", 8),
    ("{\"a\":}", "Invalid value.", 5),
    ("{\"a\":", "Invalid value.", 5),
    ("{", "Missing a name for object member.", 1),
    ("{x", "Missing a name for object member.", 1),
    ("{1:2}", "Missing a name for object member.", 1),
    ("{\"a\":1,}", "Missing a name for object member.", 7),
    ("{\"a\":1,", "Missing a name for object member.", 7),
    ("{\"a\" 1}", "Missing a colon after a name of object member.", 5),
    ("{\"a\"", "Missing a colon after a name of object member.", 4),
    ("{\"a\":1", "Missing a comma or '}' after an object member.", 6),
    ("{\"a\":1]", "Missing a comma or '}' after an object member.", 6),
    ("{\"a\":01}", "Missing a comma or '}' after an object member.", 6),
    ("[1 2]", "Missing a comma or ']' after an array element.", 3),
    ("[[1]", "Missing a comma or ']' after an array element.", 4),
    ("[1}", "Missing a comma or ']' after an array element.", 2),
    ("[\"\\u12G4\"]", "Incorrect hex digit after \\u escape in string.", 2),
    ("[\"\\u12", "Incorrect hex digit after \\u escape in string.", 2),
    ("[\"ab\\ud800x\"]", "The surrogate pair in string is invalid.", 4),
    ("[\"\\ud800\\u0041\"]", "The surrogate pair in string is invalid.", 2),
    ("[\"\\ud800\\u00\"]", "Incorrect hex digit after \\u escape in string.", 2),
    ("[\"a\\x\"]", "Invalid escape character in string.", 3),
    ("[\"a\nb\"]", "Invalid escape character in string.", 3),
    ("[\"abc", "Missing a closing quotation mark in string.", 5),
    ("[\"ab\0c\"]", "Missing a closing quotation mark in string.", 4),
    ("[1.]", "Miss fraction part in number.", 3),
    ("[1.e5]", "Miss fraction part in number.", 3),
    ("[1e]", "Miss exponent in number.", 3),
    ("[1e+]", "Miss exponent in number.", 4),
    ("[1e309]", "Number too big to be stored in double.", 1),
    ("[ -1e99999999999999999999]", "Number too big to be stored in double.", 2),
    ("[0e400]", "Number too big to be stored in double.", 1),
    ("[0.1e310]", "Number too big to be stored in double.", 1),
];

// tfs: err-bad-json
#[test]
fn every_syntax_error_has_rapidjsons_text_and_offset() {
    for (body, text, offset) in ERRORS {
        assert_eq!(parse_error(body), format!("JSON Parse error: {text} at offset: {offset}"), "{body:?}");
        let wrapped = format!("{{\"inputs\": {body}");
        if body.starts_with('[') {
            let expected = format!("JSON Parse error: {text} at offset: {}", offset + 11);
            assert_eq!(message(&wrapped, &one(DType::Float)), expected, "{body:?}");
        }
    }
    let digits = format!("[{}]", "9".repeat(400));
    assert_eq!(parse_error(digits), "JSON Parse error: Number too big to be stored in double. at offset: 1");
}

// tfs: err-empty-body err-not-object
#[test]
fn an_empty_body_and_other_values_than_objects_are_refused() {
    assert_eq!(parse_error(""), "JSON Parse error: The document is empty");
    assert_eq!(parse_error("[1, 2.50]"), "JSON Value: [1, 2.5] Is not object");
    assert_eq!(parse_error("null x"), "JSON Value: null Is not object");
}

// tfs: json-trailing
#[test]
fn byte_order_marks_and_what_follows_the_document_are_passed_over() {
    for body in ["\u{feff}{}", " \r\n\t{ }", "{}X", "{}]", "{\"a\":{}}\0garbage", "{\"a\":[],\"b\":1} {"] {
        assert!(Document::parse(body.as_bytes()).is_ok(), "{body:?}");
    }
    assert!(Document::parse(b"\xef{}").is_ok());
    assert!(Document::parse(b"\xef\xef{}").is_err());
}

// tfs: err-signature-type
#[test]
fn the_signature_name_is_a_string() {
    let name =
        |body: &str| Document::parse(body.as_bytes()).unwrap().signature_name().map(|name| name.map(String::from));
    assert_eq!(name("{}").unwrap(), None);
    assert_eq!(name(r#"{"signature_name": "f\u00e9", "signature_name": 5}"#).unwrap(), Some("fé".into()));
    assert_eq!(
        name(r#"{"signature_name": 5}"#).unwrap_err().message,
        "JSON Value: {\n    \"signature_name\": 5\n} not formatted correctly. 'signature_name' key must be a string value."
    );
}
