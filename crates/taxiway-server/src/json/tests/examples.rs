//! Classify and regress requests as tf.Examples.

use std::collections::BTreeMap;

use prost::Message;

use super::*;

#[derive(Clone, PartialEq, Message)]
struct BytesList {
    #[prost(bytes = "vec", repeated, tag = "1")]
    value: Vec<Vec<u8>>,
}

#[derive(Clone, PartialEq, Message)]
struct FloatList {
    #[prost(float, repeated, tag = "1")]
    value: Vec<f32>,
}

#[derive(Clone, PartialEq, Message)]
struct Int64List {
    #[prost(int64, repeated, tag = "1")]
    value: Vec<i64>,
}

#[derive(Clone, PartialEq, Message)]
struct Feature {
    #[prost(message, optional, tag = "1")]
    bytes: Option<BytesList>,
    #[prost(message, optional, tag = "2")]
    floats: Option<FloatList>,
    #[prost(message, optional, tag = "3")]
    ints: Option<Int64List>,
}

#[derive(Clone, PartialEq, Message)]
struct Features {
    #[prost(btree_map = "string, message", tag = "1")]
    feature: BTreeMap<String, Feature>,
}

#[derive(Clone, PartialEq, Message)]
struct Example {
    #[prost(message, optional, tag = "1")]
    features: Option<Features>,
}

fn ints(value: &[i64]) -> Feature {
    Feature { ints: Some(Int64List { value: value.into() }), ..Feature::default() }
}

fn floats(value: &[f32]) -> Feature {
    Feature { floats: Some(FloatList { value: value.into() }), ..Feature::default() }
}

fn texts(value: &[&[u8]]) -> Feature {
    Feature { bytes: Some(BytesList { value: value.iter().map(|text| text.to_vec()).collect() }), ..Feature::default() }
}

fn read(body: &str) -> Result<Vec<BTreeMap<String, Feature>>, String> {
    let document = Document::parse(body.as_bytes()).map_err(|error| error.message)?;
    let examples = document.examples().map_err(|error| {
        assert_eq!(error.kind, ErrorKind::InvalidArgument);
        error.message
    })?;
    Ok(examples.iter().map(|bytes| Example::decode(bytes).unwrap().features.unwrap().feature).collect())
}

fn features<const N: usize>(rows: [(&str, Feature); N]) -> BTreeMap<String, Feature> {
    rows.into_iter().map(|(name, feature)| (name.to_owned(), feature)).collect()
}

// tfs: example-features
#[test]
fn values_choose_the_kind_of_their_list() {
    let body = r#"{"examples": [
        {"i": [1, -2, true, false], "f": 1.5, "fs": [1.0, NaN], "s": "é\n", "b": [{"b64": "aGk="}, "x"], "none": [], "big": 1e30},
        {"i": -9223372036854775808}, {}]}"#;
    let read = read(body).unwrap();
    let fs = read[0]["fs"].floats.as_ref().unwrap();
    assert!(fs.value[0] == 1.0 && fs.value[1].is_nan());
    let mut first = read[0].clone();
    first.remove("fs");
    let expected = features([
        ("i", ints(&[1, -2, 1, 0])),
        ("f", floats(&[1.5])),
        ("s", texts(&["é\n".as_bytes()])),
        ("b", texts(&[b"hi", b"x"])),
        ("none", Feature::default()),
        ("big", floats(&[1e30])),
    ]);
    assert_eq!(first, expected);
    assert_eq!(read[1..], [features([("i", ints(&[i64::MIN]))]), features([])]);
}

// tfs: example-context
#[test]
fn the_context_stands_under_every_example() {
    let body = r#"{"examples": [{"b": 5}, {"c": 6, "c": 7}], "context": {"a": 1, "b": 2}}"#;
    let expected = [
        features([("a", ints(&[1])), ("b", ints(&[5]))]),
        features([("a", ints(&[1])), ("b", ints(&[2])), ("c", ints(&[7]))]),
    ];
    assert_eq!(read(body).unwrap(), expected);
}

// tfs: example-errors example-uint64
#[test]
fn wrong_examples_get_tensorflow_servings_texts() {
    let rows = [
        ("{}", "JSON Value: {} When method is classify, key 'examples' is expected and was not found"),
        (r#"{"examples": 1}"#, "JSON Value: {\n    \"examples\": 1\n} Expecting 'examples' value to be an list/array"),
        (r#"{"examples": []}"#, "JSON Value: {\n    \"examples\": []\n} 'examples' value is an empty array"),
        (r#"{"examples": [[]]}"#, "Example must be JSON object but got JSON Array"),
        (r#"{"examples": [{}, 3]}"#, "Example must be JSON object but got JSON Number"),
        (r#"{"context": "c", "examples": 1}"#, "Example must be JSON object but got JSON String"),
        (r#"{"examples": [{"f": null}]}"#, "Feature: f has element with unexpected JSON type: Null"),
        (r#"{"examples": [{"f": [[1]]}]}"#, "Feature: f has element with unexpected JSON type: Array"),
        (r#"{"examples": [{"f": {"a": 1}}]}"#, "Feature: f has element with unexpected JSON type: Object"),
        (r#"{"examples": [{"f": [10, 10.0]}]}"#, "Unexpected element type in feature: f expecting type: int64"),
        (r#"{"examples": [{"f": [10.0, 10]}]}"#, "Unexpected element type in feature: f expecting type: float"),
        (r#"{"examples": [{"f": ["a", true]}]}"#, "Unexpected element type in feature: f expecting type: bytes"),
        (
            r#"{"examples": [{"f": [1, {"b64": "aGk="}]}]}"#,
            "Unexpected element type in feature: f expecting type: int64",
        ),
        (r#"{"examples": [{"f": {"b64": "?"}}]}"#, "Unable to base64 decode"),
        (
            r#"{"examples": [{"f": 9223372036854775808}]}"#,
            "Feature: f has uint64_t element. Only int64_t is supported.",
        ),
    ];
    for (body, expected) in rows {
        assert_eq!(read(body).unwrap_err(), expected, "{body}");
    }
}
