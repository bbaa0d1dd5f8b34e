//! Signatures for fixed numbers of rows, `NAME_N` beside `NAME`: which ones a file has, and rows cut up for them.

use std::collections::BTreeMap;
use std::ops::Range;

use bytes::{Bytes, BytesMut};
use taxiway_engine::proto::{SignatureDef, TensorInfo};
use taxiway_engine::{Error, Result, Shape, Tensor};

use super::describe::Described;

/// What there is beside a signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Buckets {
    /// Numbers of rows, rising, and the signature for each; the signature itself where it takes a fixed number.
    pub(crate) sizes: Vec<(usize, String)>,
    /// Whether the signature takes no number but those.
    pub(crate) only: bool,
}

impl Buckets {
    /// The rows cut up: the largest signature while it is full, then the smallest that holds the rest. `None` when
    /// the signature is better asked itself.
    pub(crate) fn parts(&self, rows: usize) -> Option<Vec<(Range<usize>, usize, &str)>> {
        let (largest, _) = self.sizes.last()?;
        if rows > *largest && !self.only {
            return None;
        }
        let mut parts = Vec::new();
        let mut start = 0;
        while start < rows {
            let (size, name) = self.sizes.iter().find(|(size, _)| *size >= rows - start).or(self.sizes.last())?;
            parts.push((start..rows.min(start + size), *size, name.as_str()));
            start += size;
        }
        Some(parts)
    }
}

/// The signatures that have others for fixed numbers of rows. One that takes a fixed number itself takes any from then
/// on.
pub(crate) fn buckets(described: &mut [Described]) -> BTreeMap<String, Buckets> {
    let mut found = BTreeMap::new();
    for one in described.iter().filter(|one| !one.resizes) {
        let mut sizes: Vec<(usize, String)> =
            described.iter().filter_map(|other| Some((size_of_bucket(one, other)?, other.name.clone()))).collect();
        if sizes.is_empty() {
            continue;
        }
        let own = fixed_rows(&one.definition.inputs);
        sizes.extend(own.map(|rows| (rows, one.name.clone())));
        sizes.sort();
        sizes.dedup_by_key(|(rows, _)| *rows);
        found.insert(one.name.clone(), Buckets { sizes, only: own.is_some() });
    }
    for one in described.iter_mut().filter(|one| found.get(&one.name).is_some_and(|buckets| buckets.only)) {
        open(&mut one.definition);
    }
    found
}

/// How many rows `other` takes, if it is `one` for a fixed number of them.
fn size_of_bucket(one: &Described, other: &Described) -> Option<usize> {
    let number = other.name.strip_prefix(one.name.as_str())?.strip_prefix('_')?;
    let rows: usize = number.parse().ok().filter(|rows: &usize| *rows > 0 && rows.to_string() == number)?;
    let (plain, fixed) = (&one.definition, &other.definition);
    let alike = plain.inputs.len() == fixed.inputs.len()
        && plain.outputs.len() == fixed.outputs.len()
        && plain.inputs.iter().all(|(name, info)| {
            fixed
                .inputs
                .get(name)
                .is_some_and(|f| f.dtype == info.dtype && extents(f).get(1..) == extents(info).get(1..))
        })
        && plain.outputs.iter().all(|(name, info)| fixed.outputs.get(name).is_some_and(|f| f.dtype == info.dtype));
    let all = fixed_rows(&fixed.inputs) == Some(rows) && fixed_rows(&fixed.outputs) == Some(rows);
    (alike && all).then_some(rows)
}

/// The first extent, where each tensor has the same fixed one.
fn fixed_rows(infos: &BTreeMap<String, TensorInfo>) -> Option<usize> {
    let mut firsts = infos.values().map(|info| extents(info).first().copied());
    let first = firsts.next()??;
    firsts.all(|other| other == Some(first)).then_some(first).and_then(|rows| usize::try_from(rows).ok())
}

fn extents(info: &TensorInfo) -> Vec<i64> {
    info.tensor_shape.as_ref().map(|shape| shape.dim.iter().map(|dim| dim.size).collect()).unwrap_or_default()
}

fn open(definition: &mut SignatureDef) {
    for info in definition.inputs.values_mut().chain(definition.outputs.values_mut()) {
        if let Some(first) = info.tensor_shape.as_mut().and_then(|shape| shape.dim.first_mut()) {
            first.size = -1;
        }
    }
}

/// How many rows all tensors have; `None` when they differ, or one has none.
pub(crate) fn rows_of(tensors: &[Tensor]) -> Option<usize> {
    let mut rows = tensors.iter().map(|tensor| tensor.bytes().and(tensor.shape().first()).copied());
    let first = rows.next()??;
    rows.all(|other| other == Some(first)).then_some(first)
}

/// These rows of a tensor, filled up to `size` with the last one again: a real row computes as real rows do.
pub(crate) fn filled(tensor: &Tensor, rows: &Range<usize>, size: usize) -> Result<Tensor> {
    let (bytes, length) = row_bytes(tensor)?;
    let part = bytes.slice(rows.start * length..rows.end * length);
    let missing = size - rows.len();
    if missing == 0 {
        return Tensor::from_bytes(tensor.dtype(), with_rows(tensor, size), part);
    }
    let mut whole = BytesMut::with_capacity(size * length);
    whole.extend_from_slice(&part);
    for _ in 0..missing {
        whole.extend_from_slice(&part[part.len() - length..]);
    }
    Tensor::from_bytes(tensor.dtype(), with_rows(tensor, size), whole.freeze())
}

/// The answers to parts as one, each cut to as many rows as were asked.
pub(crate) fn joined(parts: &[(usize, Tensor)]) -> Result<Tensor> {
    let cut = |(rows, tensor): &(usize, Tensor)| {
        let (bytes, length) = row_bytes(tensor)?;
        Ok(bytes.slice(..rows * length))
    };
    let cuts = parts.iter().map(cut).collect::<Result<Vec<Bytes>>>()?;
    let rows = parts.iter().map(|(rows, _)| rows).sum();
    let Some((_, first)) = parts.first() else { return Err(Error::internal("there are no parts to join")) };
    let whole = match cuts.as_slice() {
        [one] => one.clone(),
        many => Bytes::from(many.concat()),
    };
    Tensor::from_bytes(first.dtype(), with_rows(first, rows), whole)
}

fn row_bytes(tensor: &Tensor) -> Result<(&Bytes, usize)> {
    match (tensor.bytes(), tensor.shape().first()) {
        (Some(bytes), Some(&rows)) if rows > 0 => Ok((bytes, bytes.len() / rows)),
        _ => Err(Error::internal("a signature for a number of rows has a tensor without rows")),
    }
}

fn with_rows(tensor: &Tensor, rows: usize) -> Shape {
    let mut shape = Shape::from_slice(tensor.shape());
    shape[0] = rows;
    shape
}

#[cfg(test)]
#[path = "buckets_tests.rs"]
mod tests;
