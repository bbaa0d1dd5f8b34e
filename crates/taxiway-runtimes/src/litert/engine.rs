//! The LiteRT engine.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use smallvec::SmallVec;
use taxiway_engine::{Call, Engine, Error, ErrorKind, Result, Shape, Signatures, SpecShape, Tensor};

use super::buckets::{self, Buckets};
use super::describe::{self, Described, Naming};
use super::instance::Run;
use super::library;
use super::model::{FileSignature, FileTensor, Model};
use super::pool::Pool;
use crate::LoadSpec;

/// Loads `model.tflite`.
///
/// # Errors
/// `NotFound` when the directory has none, else LiteRT's own with the path.
pub(crate) fn open(spec: &LoadSpec, library: &Path, naming: Naming) -> Result<Arc<dyn Engine>> {
    let path = spec.path.join(super::MODEL_FILE);
    if !path.is_file() {
        return Err(Error::new(
            ErrorKind::NotFound,
            format!("no {} for the LiteRT engine in {}", super::MODEL_FILE, spec.path.display()),
        ));
    }
    let model = Arc::new(Model::read(library::load(library)?, &path)?);
    let with_path = |error: Error| Error::new(error.kind, format!("{}: {}", path.display(), error.message));
    LiteRtEngine::new(model, spec, naming).map(|engine| Arc::new(engine) as Arc<dyn Engine>).map_err(with_path)
}

struct LiteRtEngine {
    signatures: Signatures,
    plans: BTreeMap<String, Plan>,
    /// By signature, those for fixed numbers of its rows.
    buckets: BTreeMap<String, Buckets>,
    pool: Pool,
}

/// A signature's place in the file, and how the orders of its tensors differ: callers' is by alias.
struct Plan {
    index: usize,
    file: FileSignature,
    /// For each input of the file, its index in `Call::inputs`.
    inputs: Vec<usize>,
    /// For each output of the signature, its index in the file.
    outputs: Vec<usize>,
    /// Whether inputs may have other extents than the signature says.
    resizes: bool,
}

impl LiteRtEngine {
    fn new(model: Arc<Model>, spec: &LoadSpec, naming: Naming) -> Result<LiteRtEngine> {
        let file = model.signatures()?;
        let saved = || describe::saved_signatures(&spec.path, &spec.tags);
        let mut described = describe::describe(&file, model.metadata(describe::METADATA_KEY), naming, saved)?;
        let buckets = buckets::buckets(&mut described);
        let definitions = described.iter().map(|one| (one.name.clone(), one.definition.clone())).collect();
        let signatures = Signatures::new(definitions);
        let pool = Pool::new(model, file.len(), spec.session.intra_op_threads)?;
        let callable = |one: &Described| signatures.get(&one.name).is_some_and(|signature| signature.is_ok());
        let plans = described.into_iter().filter(callable).map(|one| Ok((one.name.clone(), plan(one, &file)?)));
        Ok(LiteRtEngine { plans: plans.collect::<Result<_>>()?, buckets, signatures, pool })
    }

    /// Asks the signature, or those for fixed numbers of its rows.
    fn run_any(&self, plan: &Plan, call: &Call<'_>, inputs: &[Tensor]) -> Result<Vec<Tensor>> {
        let Some(buckets) = self.buckets.get(&call.signature.name) else { return self.run_rows(plan, call, inputs) };
        let parts = match buckets::rows_of(inputs) {
            Some(rows) => buckets.parts(rows),
            None if buckets.only => return Err(Error::invalid("the inputs have different numbers of rows")),
            None => None,
        };
        let Some(parts) = parts else { return self.run_rows(plan, call, inputs) };
        let mut answers: Vec<Vec<(usize, Tensor)>> = vec![Vec::with_capacity(parts.len()); call.outputs.len()];
        for (rows, size, name) in parts {
            let plan = self.plans.get(name).ok_or_else(|| Error::internal(format!("\"{name}\" cannot be called")))?;
            let given = inputs.iter().map(|tensor| buckets::filled(tensor, &rows, size)).collect::<Result<Vec<_>>>()?;
            for (all, answer) in answers.iter_mut().zip(self.run_rows(plan, call, &given)?) {
                all.push((rows.len(), answer));
            }
        }
        answers.iter().map(|parts| buckets::joined(parts)).collect()
    }

    fn run_rows(&self, plan: &Plan, call: &Call<'_>, inputs: &[Tensor]) -> Result<Vec<Tensor>> {
        let inputs: SmallVec<[&Tensor; 4]> = plan.inputs.iter().map(|&index| &inputs[index]).collect();
        let wanted: SmallVec<[usize; 4]> = call.outputs.iter().map(|&index| plan.outputs[index]).collect();
        let deadline = call.timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let run = self.pool.lend(call.timeout, |instance| {
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            instance.run(plan.index, &plan.file, &inputs, &wanted, left)
        })?;
        match run {
            Run::Done(answers) => Ok(answers),
            Run::Stopped => {
                let deadline = call.timeout.unwrap_or_default().as_millis();
                let message = format!("the run was stopped at its deadline of {deadline} ms");
                Err(Error::new(ErrorKind::DeadlineExceeded, message))
            }
        }
    }

    /// LiteRT runs no empty batch. What it would answer is the answer to one row of zeros, less the row.
    fn run_no_rows(&self, plan: &Plan, call: &Call<'_>) -> Result<Vec<Tensor>> {
        let one_row = call.inputs.iter().map(with_one_row).collect::<Result<Vec<_>>>()?;
        let answers = self.run_any(plan, call, &one_row)?;
        let empty = |(answer, &index): (Tensor, &usize)| {
            let port = &call.signature.outputs[index];
            match &port.shape {
                SpecShape(Some(extents)) if extents.first() == Some(&None) => {
                    let mut shape = Shape::from_slice(answer.shape());
                    shape[0] = 0;
                    Tensor::from_bytes(answer.dtype(), shape, bytes::Bytes::new())
                }
                _ => Err(Error::invalid(format!(
                    "LiteRT runs no empty batch, and output \"{}\" is not one value a row",
                    port.name
                ))),
            }
        };
        answers.into_iter().zip(call.outputs).map(empty).collect()
    }
}

impl Engine for LiteRtEngine {
    fn name(&self) -> &'static str {
        "litert"
    }

    fn signatures(&self) -> &Signatures {
        &self.signatures
    }

    fn run(&self, call: &Call<'_>) -> Result<Vec<Tensor>> {
        let plan = self.plans.get(&call.signature.name).ok_or_else(|| {
            Error::internal(format!("signature \"{}\" is not one of this version", call.signature.name))
        })?;
        // LiteRT's own checks are of names and positions; it would read past a tensor that is too small.
        check_inputs(call, plan.resizes)?;
        if call.outputs.is_empty() {
            return Ok(Vec::new());
        }
        let started = Instant::now();
        let answers = match call.inputs.iter().any(Tensor::is_empty) {
            true => self.run_no_rows(plan, call),
            false => self.run_any(plan, call, call.inputs),
        }?;
        let elapsed = started.elapsed();
        match call.timeout {
            // The last operation cannot be stopped midway; an answer that is too late is not given all the same.
            Some(timeout) if elapsed > timeout => Err(Error::new(
                ErrorKind::DeadlineExceeded,
                format!("the run took {} ms, its deadline was {} ms", elapsed.as_millis(), timeout.as_millis()),
            )),
            _ => Ok(answers),
        }
    }
}

fn plan(described: Described, file: &[FileSignature]) -> Result<Plan> {
    let file = file[described.index].clone();
    let is_open = |tensor: &&FileTensor| tensor.extents.contains(&-1);
    if let (None, Some(output)) = (file.inputs.iter().find(is_open), file.outputs.iter().find(is_open)) {
        return Err(Error::new(
            ErrorKind::Unimplemented,
            format!(
                "the size of output \"{}\" of signature \"{}\" depends on values, which LiteRT cannot be given a \
                 buffer for: serve the SavedModel on the TensorFlow engine",
                output.name, described.name
            ),
        ));
    }
    let mut inputs = vec![0; file.inputs.len()];
    for (argument, &position) in described.inputs.iter().enumerate() {
        inputs[position] = argument;
    }
    Ok(Plan { index: described.index, file, inputs, outputs: described.outputs, resizes: described.resizes })
}

fn check_inputs(call: &Call<'_>, resizes: bool) -> Result<()> {
    let ports = &call.signature.inputs;
    if call.inputs.len() != ports.len() || call.outputs.iter().any(|&index| index >= call.signature.outputs.len()) {
        return Err(Error::internal(format!(
            "signature \"{}\" was called with the tensors of another one",
            call.signature.name
        )));
    }
    for (tensor, port) in call.inputs.iter().zip(ports) {
        if tensor.dtype() != port.dtype {
            return Err(Error::invalid(format!(
                "input \"{}\" is to be {} but {} is provided",
                port.name,
                port.dtype.name(),
                tensor.dtype().name()
            )));
        }
        // What such a file says of shapes is what it was converted with; TensorFlow Serving resizes to any other, of
        // another rank too, and the graph can follow or not.
        if !resizes && !port.shape.accepts(tensor.shape()) {
            return Err(Error::invalid(format!(
                "input \"{}\" of shape {:?} does not fit the signature's {}",
                port.name,
                tensor.shape(),
                show(&port.shape)
            )));
        }
    }
    Ok(())
}

fn show(shape: &SpecShape) -> String {
    let Some(extents) = &shape.0 else { return "unknown rank".to_owned() };
    let extents: Vec<String> =
        extents.iter().map(|extent| extent.map_or_else(|| "?".to_owned(), |extent| extent.to_string())).collect();
    format!("[{}]", extents.join(", "))
}

/// The most that stands in for a tensor without elements, whose other extents cost its sender nothing.
const MAX_STAND_IN_BYTES: usize = 1 << 30;

/// The tensor with an extent of 1 wherever it has 0, all zeros; itself when it is not empty.
///
/// # Errors
/// `InvalidArgument` when that would take more than [`MAX_STAND_IN_BYTES`].
fn with_one_row(tensor: &Tensor) -> Result<Tensor> {
    if !tensor.is_empty() {
        return Ok(tensor.clone());
    }
    let shape: Shape = tensor.shape().iter().map(|&extent| extent.max(1)).collect();
    let size = tensor.dtype().size().unwrap_or(1);
    let length = shape.iter().try_fold(size, |bytes, &extent| bytes.checked_mul(extent));
    let length = length.filter(|&bytes| bytes <= MAX_STAND_IN_BYTES).ok_or_else(|| {
        Error::invalid(format!("LiteRT takes no empty tensor of shape {:?}: a row of it is too large", tensor.shape()))
    })?;
    Tensor::from_bytes(tensor.dtype(), shape, bytes::Bytes::from(vec![0; length]))
}
