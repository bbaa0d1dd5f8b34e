//! Answers that are no numbers.

use taxiway_engine::{DType, Element, Tensor};

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

fn holds<T: Element>(tensor: &Tensor, is: impl Fn(&T) -> bool) -> bool {
    tensor.values::<T>().is_some_and(|values| values.iter().any(is))
}
