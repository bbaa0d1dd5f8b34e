//! Against serde_json, which is another's reading of the same standard.

use super::*;
use crate::json::write_predict;
use proptest::prelude::*;
use serde_json::Value;

/// A JSON document with nothing in which the dialects differ: numbers are finite and keys are unique.
fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        (-1e300f64..1e300).prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 60, 6, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            proptest::collection::hash_map(any::<String>(), inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

fn nested(shape: &[usize], values: &mut impl Iterator<Item = Value>) -> Value {
    match shape.split_first() {
        None => values.next().unwrap(),
        Some((&extent, inner)) => (0..extent).map(|_| nested(inner, values)).collect::<Vec<_>>().into(),
    }
}

/// A shape with at least one element, and how many.
fn shapes() -> impl Strategy<Value = (Vec<usize>, usize)> {
    proptest::collection::vec(1usize..4, 0..4).prop_map(|shape| (shape.clone(), shape.iter().product()))
}

/// What a literal is read as where many follow it.
fn first_of_many(text: &str) -> f32 {
    let body = format!("{{\"inputs\": [{text}{}]}}", ", 0.125".repeat(9));
    tensors(body, &one(DType::Float))[0].values::<f32>().unwrap()[0]
}

fn finite_doubles() -> impl Strategy<Value = f64> {
    any::<u64>().prop_map(f64::from_bits).prop_filter("finite", |value| value.is_finite())
}

proptest! {
    #[test]
    fn what_serde_json_writes_is_accepted(document in json(), pretty in any::<bool>()) {
        let wrapped = serde_json::json!({ "key": document });
        let text = if pretty { serde_json::to_string_pretty(&wrapped) } else { serde_json::to_string(&wrapped) };
        prop_assert!(Document::parse(text.unwrap().as_bytes()).is_ok());
    }

    #[test]
    fn both_accept_or_refuse_a_changed_document(document in json(), at in any::<prop::sample::Index>(), byte in 0x20u8..0x7F) {
        let mut text = serde_json::to_vec(&serde_json::json!({ "key": document })).unwrap();
        let at = at.index(text.len());
        text[at] = byte;
        let theirs = serde_json::from_slice::<Value>(&text);
        let ours = Document::parse(&text);
        // Where the dialects differ: what follows the document, NaN and infinities, lone surrogates, numbers too big.
        let told = theirs.as_ref().err().map(ToString::to_string).unwrap_or_default();
        let differs = told.contains("trailing") || told.contains("surrogate") || told.contains("out of range")
            || told.contains("hex escape")
            || told.contains("unicode") || text.windows(3).any(|three| three == b"NaN" || three == b"Inf");
        prop_assert!(differs || theirs.is_ok() == ours.is_ok(), "{} {told}", String::from_utf8_lossy(&text));
    }

    #[test]
    fn doubles_are_the_nearest(values in proptest::collection::vec(finite_doubles(), 1..20), digits in 0usize..25) {
        for value in values {
            let value = if value.abs() > 1e300 { value / 1e10 } else { value };
            for text in [format!("{value:e}"), format!("{value:.digits$e}"), format!("{:.digits$}", value % 1e18)] {
                let expected: f64 = text.parse().unwrap();
                // RapidJSON reads an integer `-0` as plain zero.
                let expected = if expected == 0.0 && !text.contains(['.', 'e']) { 0.0 } else { expected };
                let body = format!("{{\"inputs\": {text}}}");
                let double = tensors(&body, &one(DType::Double))[0].values::<f64>().unwrap()[0];
                prop_assert_eq!(double.to_bits(), expected.to_bits(), "{}", text);
                let float = tensors(&body, &one(DType::Float))[0].values::<f32>().unwrap()[0];
                prop_assert_eq!(float.to_bits(), (expected as f32).to_bits(), "{}", text);
                prop_assert_eq!(first_of_many(&text).to_bits(), (expected as f32).to_bits(), "{}", text);
            }
        }
    }

    #[test]
    fn floats_of_many_digits_are_the_nearest(whole in 0u64..12, digits in "[0-9]{15,25}", zeros in 0usize..8, sign in "-?") {
        let text = format!("{sign}{whole}.{}{digits}", "0".repeat(zeros));
        let expected = text.parse::<f64>().unwrap() as f32;
        prop_assert_eq!(first_of_many(&text).to_bits(), expected.to_bits(), "{}", text);
    }

    #[test]
    fn floats_between_two_floats_round_as_the_double_does(bits in any::<u32>(), digits in 8usize..22, nudge in -3i64..4) {
        let float = f32::from_bits(bits & 0x7FFF_FFFF);
        prop_assume!(float.is_finite() && float.is_normal());
        // Half-way to the next float, give or take a few units of the double.
        let middle = f64::from_bits((f64::from(float).to_bits() | 0x1000_0000).wrapping_add_signed(nudge));
        let text = format!("{middle:.digits$e}");
        let expected = text.parse::<f64>().unwrap() as f32;
        let read = tensors(format!("{{\"inputs\": {text}}}"), &one(DType::Float))[0].values::<f32>().unwrap()[0];
        prop_assert_eq!(read.to_bits(), expected.to_bits(), "{}", text);
    }

    #[test]
    fn long_floats_between_two_floats_do_too(bits in 0x3A80_0000u32..0x4120_0000, digits in 15usize..24, nudge in -3i64..4) {
        let middle = (f64::from(f32::from_bits(bits)).to_bits() | 0x1000_0000).wrapping_add_signed(nudge);
        let text = format!("{:.digits$}", f64::from_bits(middle));
        let expected = text.parse::<f64>().unwrap() as f32;
        prop_assert_eq!(first_of_many(&text).to_bits(), expected.to_bits(), "{}", text);
    }

    #[test]
    fn integers_are_those_of_serde_json((shape, count) in shapes(), seed in proptest::collection::vec(any::<i64>(), 27)) {
        let values = &seed[..count];
        let mut list = values.iter().map(|&value| Value::from(value));
        let body = serde_json::json!({ "inputs": nested(&shape, &mut list) }).to_string();
        let expected = Tensor::from_values(&shape, values).unwrap();
        prop_assert_eq!(tensors(body, &one(DType::Int64)), vec![expected]);
    }

    #[test]
    fn strings_are_those_of_serde_json(values in proptest::collection::vec(any::<String>(), 1..9)) {
        let body = serde_json::json!({ "instances": values }).to_string();
        let expected = Tensor::from_strings([values.len()], values.iter().collect()).unwrap();
        prop_assert_eq!(tensors(body, &one(DType::String)), vec![expected]);
    }

    #[test]
    fn written_floats_are_read_by_serde_json((shape, count) in shapes(), seed in proptest::collection::vec(any::<u32>(), 27)) {
        let finite = |bits: u32| Some(f32::from_bits(bits)).filter(|value| value.is_finite()).unwrap_or(0.5);
        let values: Vec<f32> = seed[..count].iter().map(|&bits| finite(bits)).collect();
        let tensor = Tensor::from_values(&shape, &values).unwrap();
        let mut out = Vec::new();
        write_predict(Form::Columnar, &one(DType::Float), &[0], std::slice::from_ref(&tensor), &mut out).unwrap();
        let answer: Value = serde_json::from_slice(&out).unwrap();
        let mut list = values.iter().map(|&value| Value::from(f64::from(value)));
        prop_assert_eq!(floats_of(&answer["outputs"]), floats_of(&nested(&shape, &mut list)));
        let request = String::from_utf8(out).unwrap().replacen("outputs", "inputs", 1);
        prop_assert_eq!(tensors(request, &one(DType::Float)), vec![tensor]);
    }

    #[test]
    fn what_is_written_in_rows_is_read_back(rows in proptest::collection::vec((any::<i64>(), any::<Vec<u8>>(), any::<f64>()), 1..9)) {
        let ports = signature(&[("a", DType::Int64), ("b_bytes", DType::String), ("c", DType::Double)]);
        let finite = |value: f64| if value.is_finite() { value } else { 0.0 };
        let tensors_out = vec![
            Tensor::from_values([rows.len()], &rows.iter().map(|row| row.0).collect::<Vec<_>>()).unwrap(),
            Tensor::from_strings([rows.len()], rows.iter().map(|row| &row.1).collect()).unwrap(),
            Tensor::from_values([rows.len()], &rows.iter().map(|row| finite(row.2)).collect::<Vec<_>>()).unwrap(),
        ];
        let mut out = Vec::new();
        write_predict(Form::Row, &ports, &[0, 1, 2], &tensors_out, &mut out).unwrap();
        prop_assert!(serde_json::from_slice::<Value>(&out).is_ok());
        let request = String::from_utf8(out).unwrap().replacen("predictions", "instances", 1);
        prop_assert_eq!(predict(request, &ports).unwrap(), (Form::Row, tensors_out));
    }
}

/// A document with its numbers as floats.
fn floats_of(value: &Value) -> String {
    match value {
        Value::Array(items) => format!("[{}]", items.iter().map(floats_of).collect::<Vec<_>>().join(",")),
        number => (number.as_f64().unwrap() as f32).to_string(),
    }
}
