//! How far two answers are apart, and how far they may be: the rules of `taxiway.contract`, for what runs here.

use taxiway_engine::{DType, Element, Tensor};

/// As in `taxiway.contract.noise`.
const SMALLEST_TOLERANCE: f64 = 1e-5;
const NOISE_FACTOR: f64 = 8.0;
/// The most that rounding may excuse, of the largest number: a model that it moves further cannot be compared.
const LARGEST_EXCUSE: f64 = 0.01;

/// What comparing found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Difference {
    /// Of any number.
    pub(super) largest: f64,
    /// The largest number of the right answer, at least 1.
    pub(super) scale: f64,
}

/// How far apart answers may be that are meant to be the same.
pub(super) fn allowed(floor: f64, scale: f64) -> f64 {
    let scale = scale.max(1.0);
    (SMALLEST_TOLERANCE * scale).max((NOISE_FACTOR * floor).min(LARGEST_EXCUSE * scale))
}

/// How far an answer is from the right one.
///
/// # Errors
/// What is wrong with it, where that is no distance: another type or shape, another whole number, a number that is not
/// finite.
pub(super) fn difference(right: &[Tensor], other: &[Tensor]) -> Result<Difference, String> {
    let mut found = Difference { largest: 0.0, scale: 1.0 };
    for (right, other) in right.iter().zip(other) {
        if right.dtype() != other.dtype() {
            return Err("with another type".to_owned());
        }
        if right.shape() != other.shape() {
            return Err(format!("with the shape {:?} where {:?} is right", other.shape(), right.shape()));
        }
        match right.dtype() {
            DType::Float => numbers(&mut found, wide::<f32>(right), wide::<f32>(other))?,
            DType::Double => numbers(&mut found, wide::<f64>(right), wide::<f64>(other))?,
            _ if right.bytes() != other.bytes() || right.strings() != other.strings() => {
                return Err("with other values".to_owned());
            }
            _ => {}
        }
    }
    Ok(found)
}

fn wide<T: Element + Into<f64> + Copy>(tensor: &Tensor) -> Vec<f64> {
    tensor.values::<T>().unwrap_or_default().iter().map(|&value| value.into()).collect()
}

fn numbers(found: &mut Difference, right: Vec<f64>, other: Vec<f64>) -> Result<(), String> {
    for (right, other) in right.into_iter().zip(other) {
        if right.is_finite() && other.is_finite() {
            found.largest = found.largest.max((right - other).abs());
            found.scale = found.scale.max(right.abs());
        } else if right != other && !(right.is_nan() && other.is_nan()) {
            return Err(format!("{other} where {right} is right"));
        }
    }
    Ok(())
}

/// Whether a number that is not finite has become one that is.
pub(super) fn hides_what_is_not_finite(right: &[Tensor], other: &[Tensor]) -> bool {
    let numbers = |tensor: &Tensor| match tensor.dtype() {
        DType::Double => wide::<f64>(tensor),
        _ => wide::<f32>(tensor),
    };
    let mut pairs = right.iter().zip(other).flat_map(|(right, other)| numbers(right).into_iter().zip(numbers(other)));
    pairs.any(|(right, other)| !right.is_finite() && other.is_finite())
}

/// The tensors with a NaN for the first number of each that has floating-point ones; `None` where none has.
pub(super) fn spoilt(tensors: &[Tensor]) -> Option<Vec<Tensor>> {
    let mut any = false;
    let mut spoil = |tensor: &Tensor| {
        let spoilt = match tensor.dtype() {
            DType::Float => with_first(tensor, f32::NAN),
            DType::Double => with_first(tensor, f64::NAN),
            _ => None,
        };
        any |= spoilt.is_some();
        spoilt.unwrap_or_else(|| tensor.clone())
    };
    let spoilt = tensors.iter().map(&mut spoil).collect();
    any.then_some(spoilt)
}

fn with_first<T: Element + Copy>(tensor: &Tensor, value: T) -> Option<Tensor> {
    let mut values: Vec<T> = tensor.values::<T>()?.to_vec();
    *values.first_mut()? = value;
    Tensor::from_values(tensor.shape(), &values).ok()
}

/// The tensors with every floating-point number moved by one unit in the last place.
pub(super) fn nudged(tensors: &[Tensor], up: bool) -> Vec<Tensor> {
    let moved = |tensor: &Tensor| match tensor.dtype() {
        DType::Float => mapped(tensor, if up { f32::next_up } else { f32::next_down }),
        DType::Double => mapped(tensor, if up { f64::next_up } else { f64::next_down }),
        _ => None,
    };
    tensors.iter().map(|tensor| moved(tensor).unwrap_or_else(|| tensor.clone())).collect()
}

fn mapped<T: Element + Copy>(tensor: &Tensor, change: fn(T) -> T) -> Option<Tensor> {
    let values: Vec<T> = tensor.values::<T>()?.iter().map(|&value| change(value)).collect();
    Tensor::from_values(tensor.shape(), &values).ok()
}

/// The tensors' rows again and again, up to `rows` of them; `None` where they have no rows in common, or too many.
pub(super) fn repeated(tensors: &[Tensor], rows: usize) -> Option<Vec<Tensor>> {
    let own = *tensors.first()?.shape().first()?;
    let times = rows.checked_div(own).filter(|&times| times > 1)?;
    let more = |tensor: &Tensor| {
        let mut shape = tensor.shape().to_vec();
        (shape.first() == Some(&own)).then_some(())?;
        shape[0] = own * times;
        Tensor::from_bytes(tensor.dtype(), &shape, tensor.bytes()?.repeat(times).into()).ok()
    };
    tensors.iter().map(more).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn floats(values: &[f32]) -> Tensor {
        Tensor::from_values([values.len()], values).unwrap()
    }

    #[test]
    fn numbers_are_a_distance_apart_and_anything_else_is_wrong() {
        let right = [floats(&[1.0, -20.0, f32::NAN])];
        let found = difference(&right, &[floats(&[1.5, -20.0, f32::NAN])]).unwrap();
        assert_eq!(found, Difference { largest: 0.5, scale: 20.0 });
        for (other, said) in [
            (floats(&[1.0, -20.0, 0.0]), "0 where NaN is right"),
            (floats(&[1.0, f32::INFINITY, f32::NAN]), "inf where -20 is right"),
            (floats(&[1.0]), "with the shape [1] where [3] is right"),
            (Tensor::from_values([3usize], &[1.0f64, -20.0, 0.0]).unwrap(), "with another type"),
        ] {
            assert_eq!(difference(&right, &[other]).unwrap_err(), said);
        }
        let [one, two] = [1i64, 2].map(|value| [Tensor::from_values([1usize], &[value]).unwrap()]);
        assert!(difference(&one, &one).is_ok());
        assert_eq!(difference(&one, &two).unwrap_err(), "with other values");
    }

    #[test]
    fn rounding_explains_a_little_and_a_noisy_model_more_but_not_everything() {
        assert_eq!(allowed(0.0, 1.0), 1e-5);
        assert_eq!(allowed(0.0, 300.0), 3e-3);
        assert_eq!(allowed(0.0005, 1.0), 0.004);
        assert_eq!(allowed(0.25, 1.0), 0.01);
    }

    #[test]
    fn only_floating_point_numbers_are_nudged() {
        let whole = Tensor::from_values([1usize], &[7i32]).unwrap();
        let moved = nudged(&[floats(&[1.0]), whole.clone()], true);
        assert_eq!(moved[0].values::<f32>().unwrap()[0], 1.0 + f32::EPSILON);
        assert_eq!(moved[1].bytes(), whole.bytes());
        assert!(nudged(&[floats(&[1.0])], false)[0].values::<f32>().unwrap()[0] < 1.0);
    }

    #[test]
    fn rows_are_repeated_up_to_a_batch() {
        let row = Tensor::from_values([2usize, 1], &[1.0f32, 2.0]).unwrap();
        let batch = repeated(std::slice::from_ref(&row), 5).unwrap();
        assert_eq!((batch[0].shape(), &*batch[0].values::<f32>().unwrap()), (&[4, 1][..], &[1.0, 2.0, 1.0, 2.0][..]));
        assert!(repeated(&[row.clone(), floats(&[1.0])], 8).is_none());
        assert!(repeated(&[row], 3).is_none());
    }
}
