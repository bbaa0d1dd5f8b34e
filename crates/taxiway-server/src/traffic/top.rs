//! The class that an answer puts first, row by row.

use smallvec::SmallVec;
use taxiway_engine::{DType, Element, Tensor};

use super::unit::Key;

/// The first class of each row, as text whatever type it had.
pub(crate) type Tops = SmallVec<[Key; 1]>;

/// The most rows whose classes are looked at; an answer with more has none.
pub(crate) const MAX_ROWS: usize = 64;

/// How many values are compared side by side.
const LANES: usize = 16;

/// How many are searched before asking whether one was found.
const BLOCK: usize = 256;

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
    fn of<T: Element + PartialOrd>(scores: &Tensor, classes: usize) -> Option<SmallVec<[usize; 4]>> {
        Some(scores.values::<T>()?.chunks_exact(classes).map(largest).collect())
    }
    match scores.dtype() {
        DType::Float => of::<f32>(scores, classes),
        DType::Double => of::<f64>(scores, classes),
        DType::Half => of::<half::f16>(scores, classes),
        DType::Bfloat16 => of::<half::bf16>(scores, classes),
        _ => None,
    }
}

/// The place of the first of the largest values. What is no number is never larger, and nothing is larger than it.
///
/// It goes in lanes that do not wait for each other: this runs on the request's own thread, and so takes about twice what
/// copying the row would.
fn largest<T: Copy + PartialOrd>(row: &[T]) -> usize {
    let Some(&first) = row.first() else { return 0 };
    let larger = |a: T, b: T| if b > a { b } else { a };
    let mut lanes = [first; LANES];
    let blocks = row.chunks_exact(LANES);
    let rest = blocks.remainder();
    for block in blocks {
        for (lane, &value) in lanes.iter_mut().zip(block) {
            *lane = larger(*lane, value);
        }
    }
    let most = lanes.iter().chain(rest).fold(first, |most, &value| larger(most, value));
    let holds = |block: &[T]| block.iter().fold(false, |found, value| found | (*value == most));
    let begin = row.chunks(BLOCK).position(holds).unwrap_or(0) * BLOCK;
    row[begin..].iter().position(|value| *value == most).map_or(0, |place| begin + place)
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
    fn the_largest_of_many_is_the_one_that_a_plain_search_finds() {
        let plain = |row: &[f32]| {
            let place = |best: usize, (place, score): (usize, &f32)| if *score > row[best] { place } else { best };
            row.iter().enumerate().fold(0, place)
        };
        let mut row: Vec<f32> = (0u32..700).map(|place| (place.wrapping_mul(2_654_435_761) >> 20) as f32).collect();
        for place in [0, 1, 15, 16, 255, 256, 511, 512, 688, 699] {
            row[place] = 5000.0 + place as f32;
            for end in [place + 1, 700] {
                assert_eq!(largest(&row[..end]), plain(&row[..end]), "{place} of {end}");
            }
            row[699] = row[place]; // the first of equals
            assert_eq!(largest(&row), place);
            row[350] = f32::NAN;
        }
        row[0] = f32::NAN;
        assert_eq!((largest(&row), plain(&row)), (0, 0));
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
