//! The class that an answer puts first, row by row.

use smallvec::SmallVec;
use taxiway_engine::{DType, Tensor};

use super::unit::Key;

/// The first class of each row, as text whatever type it had.
pub(crate) type Tops = SmallVec<[Key; 1]>;

/// The most rows whose classes are looked at; an answer with more has none.
pub(crate) const MAX_ROWS: usize = 64;

/// The first classes of an answer; `None` when its first output is no class.
///
/// Scores of shape `[rows, classes]` put the largest one's index first, and its label where a Classify answer has labels
/// beside them. Whole numbers and strings of shape `[rows]` or `[rows, 1]` are classes themselves.
pub(crate) fn tops(outputs: &[Tensor]) -> Option<Tops> {
    let first = outputs.first()?;
    let rows = *first.shape().first()?;
    if rows > MAX_ROWS {
        return None;
    }
    match (outputs, first.shape()) {
        ([labels, scores, ..], &[_, classes]) if is_labelled(labels, scores) => {
            let (labels, best) = (labels.strings()?, best(scores, classes)?);
            Some(
                best.iter()
                    .enumerate()
                    .map(|(row, &class)| Key::from_slice(labels.get(row * classes + class)))
                    .collect(),
            )
        }
        (_, &[_, classes]) if classes > 1 => Some(best(first, classes)?.iter().map(|&class| number(class)).collect()),
        (_, &[_] | &[_, 1]) => themselves(first),
        _ => None,
    }
}

/// Whether these are the two outputs of Classify.
fn is_labelled(labels: &Tensor, scores: &Tensor) -> bool {
    labels.dtype() == DType::String && scores.dtype() == DType::Float && labels.shape() == scores.shape()
}

/// The place of the largest score of each row, the first of several.
fn best(scores: &Tensor, classes: usize) -> Option<SmallVec<[usize; 4]>> {
    let largest = |row: &[f64]| {
        let place = |best: usize, (place, score): (usize, &f64)| if *score > row[best] { place } else { best };
        row.iter().enumerate().fold(0, place)
    };
    let values = match scores.dtype() {
        DType::Float | DType::Double | DType::Half | DType::Bfloat16 => numbers(scores)?,
        _ => return None,
    };
    Some(values.chunks_exact(classes).map(largest).collect())
}

fn themselves(classes: &Tensor) -> Option<Tops> {
    if let Some(strings) = classes.strings() {
        return Some(strings.iter().map(Key::from_slice).collect());
    }
    if let Some(values) = classes.values::<i64>() {
        return Some(values.iter().map(|&value| number(value)).collect());
    }
    classes.values::<i32>().map(|values| values.iter().map(|&value| number(value)).collect())
}

fn number(value: impl itoa::Integer) -> Key {
    Key::from_slice(itoa::Buffer::new().format(value).as_bytes())
}

/// The elements of a tensor of plain numbers; `None` for strings and complex numbers.
pub(crate) fn numbers(tensor: &Tensor) -> Option<Vec<f64>> {
    macro_rules! of {
        ($type:ty, $as:expr) => {
            tensor.values::<$type>()?.iter().map($as).collect()
        };
    }
    Some(match tensor.dtype() {
        DType::Float => of!(f32, |&value| f64::from(value)),
        DType::Double => of!(f64, |&value| value),
        DType::Half => of!(half::f16, |value| value.to_f64()),
        DType::Bfloat16 => of!(half::bf16, |value| value.to_f64()),
        DType::Int64 => of!(i64, |&value| value as f64),
        DType::Int32 => of!(i32, |&value| f64::from(value)),
        DType::Uint8 => of!(u8, |&value| f64::from(value)),
        DType::Bool => tensor.bytes()?.iter().map(|&value| f64::from(value)).collect(),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(outputs: &[Tensor]) -> Option<Vec<String>> {
        Some(tops(outputs)?.iter().map(|top| String::from_utf8(top.to_vec()).unwrap()).collect())
    }

    fn strings(shape: &[usize], values: &[&str]) -> Tensor {
        Tensor::from_strings(shape, values.iter().collect()).unwrap()
    }

    #[test]
    fn the_largest_score_wins_and_the_first_of_equals() {
        let scores = Tensor::from_values([2usize, 3], &[0.1f32, 0.7, 0.2, 0.5, 0.5, 0.0]).unwrap();
        assert_eq!(shown(std::slice::from_ref(&scores)).unwrap(), ["1", "0"]);
        let labels = strings(&[2, 3], &["a", "b", "c", "d", "e", "f"]);
        assert_eq!(shown(&[labels, scores]).unwrap(), ["b", "d"]);
    }

    #[test]
    fn whole_numbers_and_strings_are_classes() {
        assert_eq!(shown(&[Tensor::from_values([2usize], &[3i64, -1]).unwrap()]).unwrap(), ["3", "-1"]);
        assert_eq!(shown(&[Tensor::from_values([1usize, 1], &[3i32]).unwrap()]).unwrap(), ["3"]);
        assert_eq!(shown(&[strings(&[1], &["cat"])]).unwrap(), ["cat"]);
    }

    #[test]
    fn other_answers_have_no_class() {
        let many = vec![0i64; MAX_ROWS + 1];
        for output in [
            Tensor::from_values([2usize], &[0.5f32, 1.0]).unwrap(),
            Tensor::from_values([2usize, 1], &[0.5f32, 1.0]).unwrap(),
            Tensor::from_values([1usize, 2, 2], &[0.5f32; 4]).unwrap(),
            Tensor::from_values([0usize; 0], &[1i64]).unwrap(),
            Tensor::from_values([MAX_ROWS + 1], &many).unwrap(),
        ] {
            assert_eq!(shown(std::slice::from_ref(&output)), None, "{output:?}");
        }
        assert_eq!(shown(&[]), None);
    }
}
