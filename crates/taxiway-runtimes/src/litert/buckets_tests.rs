//! Which signatures are for fixed numbers of rows, and what becomes of rows.

use taxiway_engine::proto::{TensorShapeProto, tensor_shape_proto::Dim};

use super::*;

fn info(extents: &[i64]) -> TensorInfo {
    let dim = extents.iter().map(|&size| Dim { size, name: String::new() }).collect();
    TensorInfo { dtype: 1, tensor_shape: Some(TensorShapeProto { dim, unknown_rank: false }), ..TensorInfo::default() }
}

fn taking(name: &str, rows: i64, columns: i64) -> Described {
    let definition = SignatureDef {
        inputs: [("x".to_owned(), info(&[rows, columns]))].into(),
        outputs: [("y".to_owned(), info(&[rows]))].into(),
        ..SignatureDef::default()
    };
    Described { name: name.to_owned(), definition, index: 0, inputs: vec![0], outputs: vec![0], resizes: false }
}

#[test]
fn signatures_for_numbers_of_rows_are_known_by_name_and_shape() {
    let mut described = [
        taking("s", -1, 3),
        taking("s_4", 4, 3),
        taking("s_16", 16, 3),
        taking("s_2", 3, 3),
        taking("s_5", 5, 9),
        taking("s_06", 6, 3),
        taking("s_x", 7, 3),
        taking("t", -1, 3),
    ];
    let found = buckets(&mut described);
    let sizes = vec![(4, "s_4".to_owned()), (16, "s_16".to_owned())];
    assert_eq!(found, [("s".to_owned(), Buckets { sizes, only: false })].into());
}

#[test]
fn a_signature_of_a_fixed_number_takes_any_when_it_has_others() {
    let mut described = [taking("s", 1, 3), taking("s_4", 4, 3)];
    let found = buckets(&mut described);
    assert!(found["s"].only);
    assert_eq!(found["s"].sizes, [(1, "s".to_owned()), (4, "s_4".to_owned())]);
    assert_eq!(extents(&described[0].definition.inputs["x"]), [-1, 3]);
    assert_eq!(extents(&described[1].definition.inputs["x"]), [4, 3]);
}

#[test]
fn rows_go_to_the_smallest_that_holds_them() {
    let sizes = vec![(1, "s_1".to_owned()), (4, "s_4".to_owned())];
    let only = Buckets { sizes: sizes.clone(), only: true };
    assert_eq!(only.parts(3), Some(vec![(0..3, 4, "s_4")]));
    assert_eq!(only.parts(9), Some(vec![(0..4, 4, "s_4"), (4..8, 4, "s_4"), (8..9, 1, "s_1")]));
    let free = Buckets { sizes, only: false };
    assert_eq!(free.parts(1), Some(vec![(0..1, 1, "s_1")]));
    assert_eq!(free.parts(5), None);
}

#[test]
fn missing_rows_are_the_last_one_again_and_are_cut_from_answers() {
    let tensor = Tensor::from_values([3, 2], &[1.0f32, 2.0, 3.0, 4.0, 5.0, 6.0]).unwrap();
    let part = filled(&tensor, &(1..3), 4).unwrap();
    assert_eq!(part, Tensor::from_values([4, 2], &[3.0f32, 4.0, 5.0, 6.0, 5.0, 6.0, 5.0, 6.0]).unwrap());
    assert_eq!(filled(&tensor, &(0..2), 2).unwrap(), Tensor::from_values([2, 2], &[1.0f32, 2.0, 3.0, 4.0]).unwrap());
    let whole = joined(&[(2, part), (1, tensor)]).unwrap();
    assert_eq!(whole, Tensor::from_values([3, 2], &[3.0f32, 4.0, 5.0, 6.0, 1.0, 2.0]).unwrap());
    let other = Tensor::from_values([2, 2], &[0.0f32; 4]).unwrap();
    let three = Tensor::from_values([3], &[0.0f32; 3]).unwrap();
    assert_eq!(rows_of(&[other, three.clone()]), None);
    assert_eq!(rows_of(&[three]), Some(3));
}
