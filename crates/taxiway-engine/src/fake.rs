//! Engines without a runtime, for the tests of everything above them.

use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex};

use crate::proto::{SignatureDef, TensorInfo, TensorShapeProto, tensor_info::Encoding, tensor_shape_proto::Dim};
use crate::{Call, DEFAULT_SIGNATURE, DType, Engine, Result, Signatures, Tensor};

type Answer = Box<dyn Fn(&Call<'_>) -> Result<Vec<Tensor>> + Send + Sync>;

/// An engine whose graph is a closure.
pub struct FakeEngine {
    signatures: Signatures,
    answer: Answer,
}

impl FakeEngine {
    /// An engine with these signatures that answers with `answer`.
    pub fn new(
        definitions: BTreeMap<String, SignatureDef>,
        answer: impl Fn(&Call<'_>) -> Result<Vec<Tensor>> + Send + Sync + 'static,
    ) -> FakeEngine {
        FakeEngine { signatures: Signatures::new(definitions), answer: Box::new(answer) }
    }

    /// TensorFlow Serving's own example: `y = x / 2 + 2` for a float `x` of shape `[-1]`.
    pub fn half_plus_two() -> FakeEngine {
        let definition = definition(&[("x", DType::Float, Some(&[-1]))], &[("y", DType::Float, Some(&[-1]))]);
        FakeEngine::new([(DEFAULT_SIGNATURE.to_owned(), definition)].into(), |call| {
            let x = &call.inputs[0];
            let values = x.values::<f32>().ok_or_else(|| crate::Error::invalid("x must be float"))?;
            let y: Vec<f32> = values.iter().map(|x| x / 2.0 + 2.0).collect();
            call.outputs.iter().map(|_| Tensor::from_values(x.shape(), &y)).collect()
        })
    }

    /// Gives back what it is given: an input and an output of each named type and shape (`None`: unknown rank).
    pub fn echo(ports: &[(&str, DType, Option<&[i64]>)]) -> FakeEngine {
        let definition = definition(ports, ports);
        FakeEngine::new([(DEFAULT_SIGNATURE.to_owned(), definition)].into(), |call| {
            Ok(call.outputs.iter().map(|&index| call.inputs[index].clone()).collect())
        })
    }
}

impl Engine for FakeEngine {
    fn name(&self) -> &'static str {
        "fake"
    }

    fn signatures(&self) -> &Signatures {
        &self.signatures
    }

    fn run(&self, call: &Call<'_>) -> Result<Vec<Tensor>> {
        (self.answer)(call)
    }
}

/// A signature definition with these inputs and outputs: alias, type, extents (`None`: unknown rank).
pub fn definition(inputs: &[(&str, DType, Option<&[i64]>)], outputs: &[(&str, DType, Option<&[i64]>)]) -> SignatureDef {
    let infos = |ports: &[(&str, DType, Option<&[i64]>)]| {
        ports.iter().map(|&(name, dtype, extents)| (name.to_owned(), tensor_info(name, dtype, extents))).collect()
    };
    SignatureDef {
        inputs: infos(inputs),
        outputs: infos(outputs),
        method_name: "tensorflow/serving/predict".to_owned(),
        defaults: BTreeMap::new(),
    }
}

fn tensor_info(name: &str, dtype: DType, extents: Option<&[i64]>) -> TensorInfo {
    let dim = extents.unwrap_or_default().iter().map(|&size| Dim { size, name: String::new() }).collect();
    TensorInfo {
        encoding: Some(Encoding::Name(format!("{name}:0"))),
        dtype: dtype.number(),
        tensor_shape: Some(TensorShapeProto { dim, unknown_rank: extents.is_none() }),
    }
}

/// Wraps an engine so that its runs wait at a gate: a test holds requests in flight without sleeping.
pub struct Gated<E> {
    inner: E,
    gate: Mutex<Gate>,
    changed: Condvar,
}

#[derive(Default)]
struct Gate {
    open: bool,
    waiting: usize,
}

impl<E: Engine> Gated<E> {
    /// The engine behind a closed gate.
    pub fn closed(inner: E) -> Gated<E> {
        Gated { inner, gate: Mutex::default(), changed: Condvar::new() }
    }

    /// Lets every run through, now and later.
    pub fn open(&self) {
        self.lock().open = true;
        self.changed.notify_all();
    }

    /// Blocks until `count` runs wait at the gate.
    pub fn wait_for(&self, count: usize) {
        let mut gate = self.lock();
        while gate.waiting < count {
            gate = self.changed.wait(gate).unwrap_or_else(std::sync::PoisonError::into_inner);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Gate> {
        self.gate.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl<E: Engine> Engine for Gated<E> {
    fn name(&self) -> &'static str {
        self.inner.name()
    }

    fn signatures(&self) -> &Signatures {
        self.inner.signatures()
    }

    fn run(&self, call: &Call<'_>) -> Result<Vec<Tensor>> {
        let mut gate = self.lock();
        gate.waiting += 1;
        self.changed.notify_all();
        while !gate.open {
            gate = self.changed.wait(gate).unwrap_or_else(std::sync::PoisonError::into_inner);
        }
        gate.waiting -= 1;
        drop(gate);
        self.inner.run(call)
    }
}
