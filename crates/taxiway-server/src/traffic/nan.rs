//! Answers that are no numbers.

use taxiway_engine::{DType, Element, Tensor};

/// How many elements are looked at between two questions.
const BLOCK: usize = 256;

/// Whether an element of any of these is not a number.
pub(super) fn any_nan(tensors: &[Tensor]) -> bool {
    tensors.iter().any(|tensor| match tensor.dtype() {
        DType::Float => holds(tensor, |value: &f32| value.is_nan()),
        DType::Double => holds(tensor, |value: &f64| value.is_nan()),
        DType::Half => holds(tensor, |value: &half::f16| value.is_nan()),
        DType::Bfloat16 => holds(tensor, |value: &half::bf16| value.is_nan()),
        _ => false,
    })
}

/// Asks block by block whether one was found, which is several times as quick as after each element: it runs on the
/// request's own thread, and so takes no longer than copying the answer would.
fn holds<T: Element>(tensor: &Tensor, is: impl Fn(&T) -> bool) -> bool {
    let any = |block: &[T]| block.iter().fold(false, |found, value| found | is(value));
    tensor.values::<T>().is_some_and(|values| values.chunks(BLOCK).any(any))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_anywhere_is_found_in_every_type() {
        for place in [0, BLOCK - 1, BLOCK, 2 * BLOCK, 2 * BLOCK + 6] {
            let mut values = vec![0.5f32; 2 * BLOCK + 7];
            assert!(!any_nan(&[Tensor::from_values([values.len()], &values).unwrap()]));
            values[place] = f32::NAN;
            let halves: Vec<half::f16> = values.iter().map(|&value| half::f16::from_f32(value)).collect();
            let doubles: Vec<f64> = values.iter().map(|&value| value.into()).collect();
            let whole = Tensor::from_values([1usize], &[1i64]).unwrap();
            for tensor in [
                Tensor::from_values([values.len()], &values),
                Tensor::from_values([values.len()], &halves),
                Tensor::from_values([values.len()], &doubles),
            ] {
                assert!(any_nan(&[whole.clone(), tensor.unwrap()]), "{place}");
            }
        }
    }
}
