//! Rows to ask: those of warm-up requests, each once, and rows made of them. Pure.

use taxiway_engine::{DType, Element, StringsBuilder, Tensor};

use crate::batch::rows as batch;

/// One tensor for each input, of one row.
pub(super) type Row = Vec<Tensor>;

/// The most rows that are asked, and how many must be before the time counts.
const MOST: usize = 8;
pub(super) const LEAST: usize = 3;

/// Unlike rows of one shape.
pub(super) struct Rows {
    pub(super) all: Vec<Row>,
    /// The first so many are the requests' own.
    pub(super) own: usize,
}

/// The rows of requests, and variants of them up to a number: a model with one warm-up request has one row, and the mean
/// over a batch of equal rows is that row.
///
/// # Errors
/// Why they cannot run together.
pub(super) fn rows_of(requests: &[Vec<Tensor>]) -> Result<Rows, String> {
    let mut all: Vec<Row> = Vec::new();
    for request in requests {
        let count = batch::count(request).map_err(|_| "its requests are not made of rows".to_owned())?;
        for at in 0..count.min(MOST) {
            add(&mut all, batch::slices(request, at, 1).map_err(|error| error.to_string())?);
        }
    }
    let Some(first) = all.first().cloned() else { return Err("its requests have no rows".to_owned()) };
    let own = all.len();
    for change in [rolled, halved, reversed, negated, emptied] {
        add(&mut all, first.iter().map(|tensor| change(tensor).unwrap_or_else(|| tensor.clone())).collect());
    }
    Ok(Rows { all, own })
}

/// Adds a row of the first one's shape that is not there yet, while there is room.
fn add(all: &mut Vec<Row>, row: Row) {
    let is_alike = |first: &Row| first.iter().zip(&row).all(|(own, other)| own.shape() == other.shape());
    if all.len() < MOST && all.first().is_none_or(is_alike) && !all.contains(&row) {
        all.push(row);
    }
}

fn rolled(tensor: &Tensor) -> Option<Tensor> {
    picked(tensor, |at, len| (at + 1) % len)
}

fn reversed(tensor: &Tensor) -> Option<Tensor> {
    picked(tensor, |at, len| len - 1 - at)
}

fn picked(tensor: &Tensor, from: impl Fn(usize, usize) -> usize) -> Option<Tensor> {
    let len = tensor.len();
    match (tensor.bytes(), tensor.strings()) {
        (Some(bytes), _) => {
            let size = tensor.dtype().size()?;
            let chosen = (0..len).map(|at| from(at, len) * size).flat_map(|at| &bytes[at..at + size]).copied();
            Tensor::from_bytes(tensor.dtype(), tensor.shape(), chosen.collect::<Vec<u8>>().into()).ok()
        }
        (None, strings) => {
            let strings = strings?;
            Tensor::from_strings(tensor.shape(), (0..len).map(|at| strings.get(from(at, len))).collect()).ok()
        }
    }
}

fn halved(tensor: &Tensor) -> Option<Tensor> {
    match tensor.dtype() {
        DType::Float => mapped::<f32>(tensor, |value| value / 2.0),
        DType::Double => mapped::<f64>(tensor, |value| value / 2.0),
        DType::Int32 => mapped::<i32>(tensor, |value| value / 2),
        DType::Int64 => mapped::<i64>(tensor, |value| value / 2),
        DType::Uint8 => mapped::<u8>(tensor, |value| value / 2),
        _ => None,
    }
}

fn negated(tensor: &Tensor) -> Option<Tensor> {
    match tensor.dtype() {
        DType::Float => mapped::<f32>(tensor, |value| 1.0 - value),
        DType::Double => mapped::<f64>(tensor, |value| 1.0 - value),
        _ => None,
    }
}

/// Whole numbers become 0 and texts empty: what most vocabularies have a place for.
fn emptied(tensor: &Tensor) -> Option<Tensor> {
    match tensor.dtype() {
        DType::Int32 => mapped::<i32>(tensor, |_| 0),
        DType::Int64 => mapped::<i64>(tensor, |_| 0),
        DType::String => {
            let mut none = StringsBuilder::default();
            (0..tensor.len()).for_each(|_| none.push(b""));
            Tensor::from_strings(tensor.shape(), none.finish()).ok()
        }
        _ => None,
    }
}

fn mapped<T: Element + Copy>(tensor: &Tensor, change: impl Fn(T) -> T) -> Option<Tensor> {
    let values: Vec<T> = tensor.values::<T>()?.iter().map(|&value| change(value)).collect();
    Tensor::from_values(tensor.shape(), &values).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn floats(shape: &[usize], values: &[f32]) -> Tensor {
        Tensor::from_values(shape, values).unwrap()
    }

    #[test]
    fn rows_of_requests_come_once_and_are_joined_by_unlike_ones() {
        let two = vec![floats(&[2, 2], &[1.0, 2.0, 1.0, 2.0])];
        let other_shape = vec![floats(&[1, 3], &[1.0, 2.0, 3.0])];
        let rows = rows_of(&[two, other_shape]).unwrap();
        assert_eq!((rows.own, &rows.all[0][0]), (1, &floats(&[1, 2], &[1.0, 2.0])));
        assert_eq!(rows.all[1][0], floats(&[1, 2], &[2.0, 1.0]));
        assert!(rows.all.len() >= LEAST && rows.all.iter().all(|row| row[0].shape() == [1, 2]));
    }

    #[test]
    fn texts_and_whole_numbers_have_variants_too() {
        let text = Tensor::from_strings([1usize], [b"a".as_slice()].into_iter().collect()).unwrap();
        let whole = Tensor::from_values([1usize], &[9i64]).unwrap();
        let rows = rows_of(&[vec![text, whole]]).unwrap();
        let last = rows.all.last().unwrap();
        assert_eq!((last[0].strings().unwrap().get(0), &*last[1].values::<i64>().unwrap()), (b"".as_slice(), &[0][..]));
    }

    #[test]
    fn what_has_no_rows_is_refused() {
        assert!(rows_of(&[vec![floats(&[], &[1.0])]]).is_err());
        assert!(rows_of(&[vec![floats(&[0, 2], &[])]]).is_err());
        assert!(rows_of(&[vec![floats(&[1], &[1.0]), floats(&[2], &[1.0, 2.0])]]).is_err());
    }
}
