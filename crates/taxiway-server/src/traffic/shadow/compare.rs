//! Two versions' answers to the same request.

use taxiway_engine::Tensor;

use crate::traffic::top::{numbers, tops};

/// In what two answers differ.
#[derive(Debug, Default, Clone, PartialEq)]
pub(super) struct Difference {
    pub(super) rows: u64,
    /// Rows in which any element differs by more than is tolerated.
    pub(super) differing: u64,
    /// Rows whose first class both answers have.
    pub(super) ranked: u64,
    /// Those of them whose first class is another.
    pub(super) flips: u64,
    /// The largest absolute difference between two numbers.
    pub(super) largest: f64,
    /// Whether an output had another type or shape.
    pub(super) unlike: bool,
}

/// Compares the outputs of both versions, in the same order. Numbers may differ by `tolerance`, times the stable one
/// where that is larger than 1; whatever is no number must be equal. Two elements that are NaN are equal.
pub(super) fn compare(stable: &[Tensor], shadow: &[Tensor], tolerance: f64) -> Difference {
    let rows = stable.first().map_or(1, rows_of);
    let mut differs = vec![false; rows];
    let mut found = Difference { rows: rows as u64, ..Difference::default() };
    for (a, b) in stable.iter().zip(shadow) {
        if a.dtype() != b.dtype() || a.shape() != b.shape() || rows_of(a) != rows {
            found.unlike = true;
            differs.fill(true);
            continue;
        }
        let width = a.len().checked_div(rows).unwrap_or(0).max(1);
        if let (Some(a), Some(b)) = (numbers(a), numbers(b)) {
            for (place, (a, b)) in a.iter().zip(&b).enumerate() {
                let apart = apart(*a, *b);
                found.largest = found.largest.max(apart);
                differs[place / width] |= apart > tolerance * a.abs().max(1.0) || apart.is_infinite();
            }
        } else if let (Some(a), Some(b)) = (a.strings(), b.strings()) {
            a.iter().zip(b.iter()).enumerate().for_each(|(place, (a, b))| differs[place / width] |= a != b);
        } else if a != b {
            differs.fill(true);
        }
    }
    found.differing = differs.iter().filter(|differs| **differs).count() as u64;
    if let (Some(a), Some(b)) = (tops(stable), tops(shadow))
        && a.len() == b.len()
    {
        found.ranked = a.len() as u64;
        found.flips = a.iter().zip(&b).filter(|(a, b)| a != b).count() as u64;
    }
    found
}

fn rows_of(tensor: &Tensor) -> usize {
    tensor.shape().first().copied().unwrap_or(1)
}

/// How far two numbers are apart; infinitely when one is no number and the other is.
fn apart(a: f64, b: f64) -> f64 {
    match (a.is_nan(), b.is_nan()) {
        (true, true) => 0.0,
        (false, false) if a == b => 0.0,
        (false, false) => (a - b).abs(),
        _ => f64::INFINITY,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn floats(shape: &[usize], values: &[f32]) -> Tensor {
        Tensor::from_values(shape, values).unwrap()
    }

    #[test]
    fn rows_differ_beyond_what_is_tolerated() {
        let stable = [floats(&[3, 2], &[0.1, 0.9, 0.6, 0.4, 1000.0, 0.0])];
        let shadow = [floats(&[3, 2], &[0.1, 0.9, 0.4, 0.6, 1000.5, 0.0])];
        let found = compare(&stable, &shadow, 1e-3);
        assert_eq!((found.rows, found.differing, found.ranked, found.flips, found.unlike), (3, 1, 3, 1, false));
        assert!((found.largest - 0.5).abs() < 1e-9);
        assert_eq!(compare(&stable, &shadow, 1e-4).differing, 2);
        assert_eq!(compare(&stable, &stable, 0.0).differing, 0);
    }

    #[test]
    fn what_is_no_number_differs_from_what_is() {
        let stable = [floats(&[3], &[f32::NAN, 1.0, f32::INFINITY])];
        let shadow = [floats(&[3], &[f32::NAN, f32::NAN, f32::INFINITY])];
        let found = compare(&stable, &shadow, 0.1);
        assert_eq!((found.differing, found.largest), (1, f64::INFINITY));
    }

    #[test]
    fn strings_are_equal_or_not_and_other_shapes_are_never() {
        let text = |values: [&str; 2]| [Tensor::from_strings([2usize], values.into_iter().collect()).unwrap()];
        let found = compare(&text(["a", "b"]), &text(["a", "c"]), 0.0);
        assert_eq!((found.rows, found.differing, found.flips), (2, 1, 1));
        let found = compare(&[floats(&[2, 1], &[1.0, 2.0])], &[floats(&[2], &[1.0, 2.0])], 0.0);
        assert!(found.unlike && found.differing == 2);
        let none = compare(&[floats(&[0, 2], &[])], &[floats(&[0, 2], &[])], 0.0);
        assert_eq!((none.rows, none.differing), (0, 0));
    }
}
