//! Lists that are read four elements at a time, held to the same lists read one by one.

use super::*;
use crate::json::cursor::Cursor;
use crate::json::predict::{quick, rows};
use proptest::prelude::*;

/// Literals that are plain, of other kinds, and wrong.
fn literals() -> impl Strategy<Value = String> {
    prop_oneof![
        8 => "-?[0-9]\\.[0-9]{1,22}",
        2 => "-?0\\.0{1,9}[0-9]{1,14}",
        8 => "-?(0|[1-9][0-9]{0,9})",
        2 => "-?[1-9][0-9]{1,9}\\.[0-9]{1,12}",
        1 => "-?[0-9]\\.[0-9]{1,9}e[-+]?[0-9]{1,2}",
        1 => any::<f32>().prop_map(|value| format!("{value:?}")),
    ]
}

/// Half-way between two floats, give or take a little, as decimals of any length.
fn near_ties() -> impl Strategy<Value = String> {
    (0x3A80_0000u32..0x4120_0000, -3i64..4, 6usize..24).prop_map(|(bits, nudge, digits)| {
        let middle = (f64::from(f32::from_bits(bits)).to_bits() | 0x1000_0000).wrapping_add_signed(nudge);
        format!("{:.digits$}", f64::from_bits(middle))
    })
}

fn separators() -> impl Strategy<Value = &'static str> {
    prop_oneof![6 => Just(", "), 6 => Just(","), 1 => Just(" , "), 1 => Just(",\n  "), 1 => Just(",  ")]
}

fn list(literals: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    (proptest::collection::vec(literals, 1..90), separators())
        .prop_map(|(literals, separator)| literals.join(separator))
}

/// A request of that list, with so much behind it that none of it is near the end of the text.
fn body(list: &str) -> String {
    format!("{{\"instances\": [[{list}]], \"more\": \"{}\"}}", "x".repeat(100))
}

/// Reads a request both ways, which must agree, and says whether it is right.
fn reads_alike(body: &[u8], dtype: DType) -> bool {
    let signature = one(dtype);
    let start = Cursor::new(body, "{\"instances\": ".len());
    let (mut many, mut single) = (start, start);
    let many_read = quick(&mut many, Form::Row, &signature, NO_LIMIT);
    let single_read = single.skip_value().ok().and_then(|()| rows(start, &signature, NO_LIMIT).ok());
    let shown = |tensors: &Option<Vec<Tensor>>| tensors.as_ref().map(|tensors| values(&tensors[0]));
    assert_eq!(shown(&many_read), shown(&single_read), "{}", String::from_utf8_lossy(body));
    if many_read.is_some() {
        assert_eq!(many.at, single.at);
    }
    many_read.is_some()
}

fn values(tensor: &Tensor) -> (Vec<usize>, Vec<u8>) {
    (tensor.shape().to_vec(), tensor.bytes().unwrap().to_vec())
}

proptest! {
    #[test]
    fn floats_are_those_read_one_by_one(list in list(literals())) {
        prop_assert!(reads_alike(body(&list).as_bytes(), DType::Float));
    }

    #[test]
    fn plain_floats_are_the_nearest(list in list("-?[0-9]\\.[0-9]{1,22}")) {
        let expected: Vec<u32> =
            list.split(',').map(|text| (text.trim().parse::<f64>().unwrap() as f32).to_bits()).collect();
        let read = tensors(body(&list), &one(DType::Float));
        let read: Vec<u32> = read[0].values::<f32>().unwrap().iter().map(|value| value.to_bits()).collect();
        prop_assert_eq!(read, expected);
    }

    #[test]
    fn floats_near_ties_are_those_read_one_by_one(list in list(near_ties())) {
        prop_assert!(reads_alike(body(&list).as_bytes(), DType::Float));
    }

    #[test]
    fn integers_are_those_read_one_by_one(list in list("-?(0|[1-9][0-9]{0,9})")) {
        for dtype in [DType::Int32, DType::Int64, DType::Uint32, DType::Uint64] {
            reads_alike(body(&list).as_bytes(), dtype);
        }
        prop_assert!(reads_alike(body(&list).as_bytes(), DType::Float));
    }

    #[test]
    fn a_changed_byte_is_read_or_refused_alike(list in list(literals()), at in any::<prop::sample::Index>(), byte in "[-+.,eE0-9 \\[\\]x]") {
        let mut text = body(&list).into_bytes();
        let at = 15 + at.index(list.len() + 3);
        text[at] = byte.as_bytes()[0];
        for dtype in [DType::Float, DType::Int32] {
            reads_alike(&text, dtype);
        }
    }
}

#[test]
fn an_integer_that_does_not_fit_its_type_is_refused_wherever_it_stands() {
    for place in 0..40 {
        let mut list = vec!["7"; 40];
        list[place] = "-7";
        let told = message(body(&list.join(", ")), &one(DType::Uint32));
        assert!(told.contains("-7 Type: Number is not of expected type: uint32"), "{told}");
    }
}
