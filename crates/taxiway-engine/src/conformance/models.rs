//! The models of the suite: what each takes, gives and computes.

use std::sync::{Condvar, Mutex};

use crate::fake::{FakeEngine, definition};
use crate::{Call, DEFAULT_SIGNATURE, DType, Error, ErrorKind, Result, Shape, Tensor};

/// A model that an engine under test opens. Its one signature is `serving_default`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Model {
    /// `y = x / 2 + 2` for floats `x` of shape `[?]`.
    HalfPlusTwo,
    /// Floats `a` `[?, 2]` and `b` `[?, 3]` and a scalar `scale`: `both` `[?, 5]`, side by side; `scaled` `[?, 2]`,
    /// `a` times `scale`; `sum` `[?]`, `b` added up along its rows.
    Several,
    /// `y = 3 x` for a float scalar.
    Scalars,
    /// `next`, an int64 `count` plus one; `unlike`, a bool `flag` negated; `inverse`, 255 less a uint8 `pixel`; all `[?]`.
    Types,
    /// `y` `[?, 1] = x · (1, 10)` for floats `x` `[?, 2]`, by a product of matrices that refuses other shapes.
    Product,
    /// For strings `text` `[?]`: `length`, int32; `place`, int64, 1 for "one", 2 for "two", else -1; `twice`, the
    /// string two times over.
    Strings,
    /// `y = 2 x` for floats of any rank.
    AnyRank,
    /// Floats `x` `[?]` to `y` `[?]`, in a run that never ends by itself.
    Endless,
}

type Ports = &'static [(&'static str, DType, Option<&'static [i64]>)];

const ROWS: Option<&[i64]> = Some(&[-1]);

impl Model {
    /// Every model.
    pub const ALL: [Model; 8] = [
        Model::HalfPlusTwo,
        Model::Several,
        Model::Scalars,
        Model::Types,
        Model::Product,
        Model::Strings,
        Model::AnyRank,
        Model::Endless,
    ];

    /// Its name, which is also that of its directory among test data.
    pub fn name(self) -> &'static str {
        match self {
            Model::HalfPlusTwo => "half_plus_two",
            Model::Several => "several",
            Model::Scalars => "scalars",
            Model::Types => "types",
            Model::Product => "product",
            Model::Strings => "strings",
            Model::AnyRank => "any_rank",
            Model::Endless => "endless",
        }
    }

    /// An engine that computes it in Rust: what the others are compared with.
    pub fn reference(self) -> FakeEngine {
        let (inputs, outputs) = self.ports();
        let definitions = [(DEFAULT_SIGNATURE.to_owned(), definition(inputs, outputs))].into();
        FakeEngine::new(definitions, move |call| {
            refuse_misfits(call)?;
            let mut all: Vec<Option<Tensor>> = self.compute(call)?.into_iter().map(Some).collect();
            let take =
                |&index: &usize| all[index].take().ok_or_else(|| Error::internal("an output was asked for twice"));
            call.outputs.iter().map(take).collect()
        })
    }

    fn ports(self) -> (Ports, Ports) {
        use DType::{Bool, Float, Int32, Int64, String, Uint8};
        match self {
            Model::HalfPlusTwo | Model::Endless => (&[("x", Float, ROWS)], &[("y", Float, ROWS)]),
            Model::Several => (
                &[("a", Float, Some(&[-1, 2])), ("b", Float, Some(&[-1, 3])), ("scale", Float, Some(&[]))],
                &[("both", Float, Some(&[-1, 5])), ("scaled", Float, Some(&[-1, 2])), ("sum", Float, ROWS)],
            ),
            Model::Scalars => (&[("x", Float, Some(&[]))], &[("y", Float, Some(&[]))]),
            Model::Types => (
                &[("count", Int64, ROWS), ("flag", Bool, ROWS), ("pixel", Uint8, ROWS)],
                &[("inverse", Uint8, ROWS), ("next", Int64, ROWS), ("unlike", Bool, ROWS)],
            ),
            Model::Product => (&[("x", Float, Some(&[-1, 2]))], &[("y", Float, Some(&[-1, 1]))]),
            Model::Strings => {
                (&[("text", String, ROWS)], &[("length", Int32, ROWS), ("place", Int64, ROWS), ("twice", String, ROWS)])
            }
            Model::AnyRank => (&[("x", Float, None)], &[("y", Float, None)]),
        }
    }

    /// Requests that fit, of several shapes; none for a run without end.
    pub(crate) fn requests(self) -> Result<Vec<Vec<Tensor>>> {
        let floats = |shape: &[usize], first: u16| {
            let count: usize = shape.iter().product();
            Tensor::from_values(shape, &(0..count as u16).map(|i| f32::from(i + first) * 0.5).collect::<Vec<f32>>())
        };
        Ok(match self {
            Model::HalfPlusTwo => vec![vec![floats(&[3], 2)?], vec![floats(&[1], 9)?], vec![floats(&[70], 0)?]],
            Model::Several => [(1, 3.0f32), (4, -0.5), (2, 0.0)]
                .into_iter()
                .map(|(rows, scale)| {
                    Ok(vec![floats(&[rows, 2], 1)?, floats(&[rows, 3], 5)?, Tensor::from_values([], &[scale])?])
                })
                .collect::<Result<_>>()?,
            Model::Scalars => vec![vec![floats(&[], 3)?], vec![floats(&[], 8)?]],
            Model::Types => vec![types(&[i64::MAX - 1, -5], &[true, false], &[0, 200])?, types(&[7], &[true], &[255])?],
            Model::Product => vec![vec![floats(&[1, 2], 1)?], vec![floats(&[5, 2], 3)?], vec![floats(&[2, 2], 0)?]],
            Model::Strings => {
                let long = [b'x'; 300];
                let several = [&b"one"[..], b"", b"\xff\x00\xfe", &long].into_iter().collect();
                vec![
                    vec![Tensor::from_strings([4], several)?],
                    vec![Tensor::from_strings([1], ["two"].into_iter().collect())?],
                ]
            }
            Model::AnyRank => vec![vec![floats(&[], 3)?], vec![floats(&[2], 1)?], vec![floats(&[2, 1, 2], 4)?]],
            Model::Endless => vec![],
        })
    }

    /// A request of no rows, where the model has rows.
    pub(crate) fn empty_request(self) -> Result<Option<Vec<Tensor>>> {
        let floats = |shape: &[usize]| Tensor::from_values::<f32>(shape, &[]);
        Ok(Some(match self {
            Model::HalfPlusTwo => vec![floats(&[0])?],
            Model::Several => vec![floats(&[0, 2])?, floats(&[0, 3])?, Tensor::from_values([], &[2.0f32])?],
            Model::Types => types(&[], &[], &[])?,
            Model::Product => vec![floats(&[0, 2])?],
            Model::Strings => vec![Tensor::from_strings([0], [""; 0].into_iter().collect())?],
            Model::Scalars | Model::AnyRank | Model::Endless => return Ok(None),
        }))
    }

    /// Requests that no engine can run: each input of another type, and shapes that do not go together.
    pub(crate) fn wrong_requests(self) -> Result<Vec<Vec<Tensor>>> {
        let mut wrong = Vec::new();
        if let Some(right) = self.requests()?.first() {
            for index in 0..right.len() {
                let mut request = right.clone();
                request[index] = Tensor::from_values(right[index].shape(), &vec![1i16; right[index].len()])?;
                wrong.push(request);
            }
        }
        match self {
            Model::Product => wrong.push(vec![Tensor::from_values([1, 3], &[1.0f32; 3])?]),
            Model::Several => wrong.push(vec![
                Tensor::from_values([3, 2], &[1.0f32; 6])?,
                Tensor::from_values([2, 3], &[1.0f32; 6])?,
                Tensor::from_values([], &[1.0f32])?,
            ]),
            _ => {}
        }
        Ok(wrong)
    }

    /// All outputs of a request, in the order of their aliases.
    fn compute(self, call: &Call<'_>) -> Result<Vec<Tensor>> {
        let first = &call.inputs[0];
        let map = |f: fn(f32) -> f32| {
            Tensor::from_values(first.shape(), &floats(first)?.iter().map(|&v| f(v)).collect::<Vec<_>>())
        };
        Ok(match self {
            Model::HalfPlusTwo => vec![map(|x| x / 2.0 + 2.0)?],
            Model::Scalars => vec![map(|x| x * 3.0)?],
            Model::AnyRank => vec![map(|x| x * 2.0)?],
            Model::Several => several(&call.inputs[0], &call.inputs[1], &call.inputs[2])?,
            Model::Product => {
                let sums: Vec<f32> = floats(first)?.chunks(2).map(|row| row[0] + 10.0 * row[1]).collect();
                vec![Tensor::from_values([sums.len(), 1], &sums)?]
            }
            Model::Types => other_types(&call.inputs[0], &call.inputs[1], &call.inputs[2])?,
            Model::Strings => about_strings(first)?,
            Model::Endless => return Err(wait_for_deadline(call)),
        })
    }
}

fn types(counts: &[i64], flags: &[bool], pixels: &[u8]) -> Result<Vec<Tensor>> {
    Ok(vec![
        Tensor::from_values([counts.len()], counts)?,
        Tensor::from_bools([flags.len()], flags)?,
        Tensor::from_values([pixels.len()], pixels)?,
    ])
}

fn floats(tensor: &Tensor) -> Result<std::borrow::Cow<'_, [f32]>> {
    tensor.values().ok_or_else(|| Error::invalid("an input is not float"))
}

fn several(a: &Tensor, b: &Tensor, scale: &Tensor) -> Result<Vec<Tensor>> {
    let rows = a.shape()[0];
    if b.shape()[0] != rows {
        return Err(Error::invalid("a and b are of different numbers of rows"));
    }
    let (a, b, scale) = (floats(a)?, floats(b)?, floats(scale)?[0]);
    let both: Vec<f32> = a.chunks(2).zip(b.chunks(3)).flat_map(|(a, b)| [a, b].concat()).collect();
    let scaled: Vec<f32> = a.iter().map(|v| v * scale).collect();
    let sum: Vec<f32> = b.chunks(3).map(|row| row.iter().sum()).collect();
    Ok(vec![
        Tensor::from_values([rows, 5], &both)?,
        Tensor::from_values([rows, 2], &scaled)?,
        Tensor::from_values([rows], &sum)?,
    ])
}

fn other_types(count: &Tensor, flag: &Tensor, pixel: &Tensor) -> Result<Vec<Tensor>> {
    let wrong = || Error::invalid("an input is of another type");
    let counts: Vec<i64> = count.values::<i64>().ok_or_else(wrong)?.iter().map(|c| c + 1).collect();
    let flags: Vec<bool> = flag.bytes().ok_or_else(wrong)?.iter().map(|&flag| flag == 0).collect();
    let pixels: Vec<u8> = pixel.values::<u8>().ok_or_else(wrong)?.iter().map(|p| 255 - p).collect();
    let [next, unlike, inverse]: [Tensor; 3] =
        types(&counts, &flags, &pixels)?.try_into().map_err(|_| Error::internal("three types"))?;
    Ok(vec![inverse, next, unlike])
}

fn about_strings(text: &Tensor) -> Result<Vec<Tensor>> {
    let strings = text.strings().ok_or_else(|| Error::invalid("text is not string"))?;
    let lengths: Vec<i32> = strings.iter().map(|s| s.len() as i32).collect();
    let place = |s: &[u8]| match s {
        b"one" => 1i64,
        b"two" => 2,
        _ => -1,
    };
    let places: Vec<i64> = strings.iter().map(place).collect();
    let twice = strings.iter().map(|s| s.repeat(2)).collect();
    Ok(vec![
        Tensor::from_values(text.shape(), &lengths)?,
        Tensor::from_values(text.shape(), &places)?,
        Tensor::from_strings(text.shape(), twice)?,
    ])
}

/// A run without end: over at its deadline.
fn wait_for_deadline(call: &Call<'_>) -> Error {
    let Some(timeout) = call.timeout else { return Error::internal("a run without end and without a deadline") };
    let (nobody, never) = (Mutex::new(()), Condvar::new());
    let guard = nobody.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    // Nobody notifies it: it comes back when the time is up.
    drop(never.wait_timeout_while(guard, timeout, |()| true));
    Error::new(ErrorKind::DeadlineExceeded, "the run was stopped at its deadline")
}

fn refuse_misfits(call: &Call<'_>) -> Result<()> {
    for (tensor, port) in call.inputs.iter().zip(&call.signature.inputs) {
        if tensor.dtype() != port.dtype || !port.shape.accepts(tensor.shape()) {
            let shape = Shape::from_slice(tensor.shape());
            return Err(Error::invalid(format!("{} {shape:?} does not fit \"{}\"", tensor.dtype().name(), port.name)));
        }
    }
    Ok(())
}
