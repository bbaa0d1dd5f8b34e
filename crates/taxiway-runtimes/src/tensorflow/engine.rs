//! The TensorFlow engine.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use prost::Message;
use smallvec::SmallVec;
use taxiway_engine::proto::MetaGraphDef;
use taxiway_engine::{Call, Engine, Error, ErrorKind, Port, Result, Signature, Signatures, Tensor};

use super::deadline::Pace;
use super::executor::{self, Executor};
use super::library::{self, Functions, Output};
use super::op_libraries;
use super::options;
use super::session::{Buffer, Handles, Session};
use super::tensor::Handle;
use super::variables;
use crate::{LoadSpec, TensorFlowLibraries};

/// Loads a SavedModel.
///
/// # Errors
/// `NotFound` in TensorFlow Serving's words when the directory holds none, else TensorFlow's own with the path.
pub(crate) fn open(spec: &LoadSpec, files: &TensorFlowLibraries) -> Result<Arc<dyn Engine>> {
    if !holds_saved_model(&spec.path) {
        return Err(no_saved_model(&spec.path));
    }
    let functions = library::load(files)?;
    op_libraries::load(functions, &spec.op_libraries)?;
    TensorFlowEngine::load(functions, spec).map(|engine| Arc::new(engine) as Arc<dyn Engine>).map_err(|error| {
        let path = spec.path.display().to_string();
        match error.message.contains(&path) {
            true => error,
            false => Error::new(error.kind, format!("{} (in the SavedModel {path})", error.message)),
        }
    })
}

/// Whether a directory is one that TensorFlow takes for a SavedModel.
pub(crate) fn holds_saved_model(directory: &Path) -> bool {
    ["saved_model.pb", "saved_model.pbtxt"].iter().any(|name| directory.join(name).is_file())
}

/// What TensorFlow Serving says of a directory without a SavedModel.
pub(crate) fn no_saved_model(directory: &Path) -> Error {
    if directory.join("export.meta").is_file() {
        return Error::new(ErrorKind::Unimplemented, "Session Bundle is deprecated and removed.");
    }
    Error::new(
        ErrorKind::NotFound,
        format!(
            "Specified file path does not appear to contain a SavedModel bundle (should have a file called \
             `saved_model.pb`)\nSpecified file path: {}",
            directory.display()
        ),
    )
}

struct TensorFlowEngine {
    functions: &'static Functions,
    session: Session,
    signatures: Signatures,
    /// What each signature runs, or why it cannot: one that names a tensor the graph lacks must not take the others away.
    plans: BTreeMap<String, Result<Plan>>,
    executor: Executor,
    on_calling_thread: Buffer,
    in_pool: Buffer,
}

/// A signature as positions in the graph, found once.
struct Plan {
    feeds: Vec<Output>,
    fetches: Vec<Fetch>,
    pace: Pace,
}

/// Where an output comes from.
#[derive(Clone, Copy)]
enum Fetch {
    /// A tensor of the graph.
    Graph(Output),
    /// The input of this index itself, which TensorFlow refuses to fetch.
    Input(usize),
}

impl TensorFlowEngine {
    fn load(functions: &'static Functions, spec: &LoadSpec) -> Result<TensorFlowEngine> {
        let load = |executor| {
            Session::load(functions, &spec.path, &spec.tags, &options::config(&spec.session, executor))
                .map(|(session, meta_graph)| (session, meta_graph, executor))
        };
        let (session, meta_graph, executor) = match executor::choose(&spec.path, &spec.session) {
            Executor::General => load(Executor::General)?,
            // An operation that the choice does not know of: the general executor takes all of them.
            Executor::Calling => load(Executor::Calling).or_else(|error| match is_refusal(&error) {
                true => load(Executor::General),
                false => Err(error),
            })?,
        };
        let signatures = Signatures::new(decoded::<MetaGraphDef>(&meta_graph)?.signature_def);
        let plans =
            signatures.callable().map(|signature| (signature.name.clone(), plan(&session, signature))).collect();
        let buffer = |bytes: Vec<u8>| Buffer::new(functions, &bytes);
        let (on_calling_thread, in_pool) = (buffer(options::on_calling_thread()), buffer(options::in_pool(None)));
        let engine = TensorFlowEngine { functions, session, signatures, plans, executor, on_calling_thread, in_pool };
        let callable = engine.signatures.callable().map(AsRef::as_ref);
        variables::check(&decoded(&meta_graph)?, callable, |tensor| engine.reads(tensor))?;
        Ok(engine)
    }

    /// Whether a tensor that depends on no input can be had.
    fn reads(&self, tensor: &str) -> bool {
        let Some(output) = self.session.output(tensor) else { return true };
        let options = match self.executor {
            Executor::General => &self.in_pool,
            Executor::Calling => &self.on_calling_thread,
        };
        self.session.run(options, &[], &Handles::new(), &[output]).is_ok()
    }

    /// The plan of a call of one of our own signatures.
    fn plan_of(&self, call: &Call<'_>) -> Result<&Plan> {
        let plan = self.plans.get(&call.signature.name).ok_or_else(|| foreign(call.signature))?;
        let plan = plan.as_ref().map_err(Error::clone)?;
        if call.inputs.len() != plan.feeds.len() || call.outputs.iter().any(|&index| index >= plan.fetches.len()) {
            return Err(Error::internal(format!(
                "signature \"{}\" was called with the tensors of another one",
                call.signature.name
            )));
        }
        Ok(plan)
    }

    /// Runs calls whose inputs are the same in one run of the graph. Each tensor is fed once and fetched once, however
    /// many calls name it.
    fn run_once(&self, calls: &[Call<'_>]) -> Result<Vec<Vec<Tensor>>> {
        let plans = calls.iter().map(|call| self.plan_of(call)).collect::<Result<SmallVec<[&Plan; 2]>>>()?;
        let (mut feeds, mut inputs) = (SmallVec::<[Output; 4]>::new(), Handles::new());
        let mut fetches = SmallVec::<[Output; 4]>::new();
        for (call, plan) in calls.iter().zip(&plans) {
            for (&feed, tensor) in plan.feeds.iter().zip(call.inputs) {
                if !feeds.contains(&feed) {
                    feeds.push(feed);
                    inputs.push(Handle::from_tensor(self.functions, tensor)?);
                }
            }
            for &index in call.outputs {
                if let Fetch::Graph(output) = plan.fetches[index]
                    && !fetches.contains(&output)
                {
                    fetches.push(output);
                }
            }
        }
        let timeout = calls.first().and_then(|call| call.timeout);
        let started = Instant::now();
        let handles = match fetches.is_empty() {
            true => Handles::new(),
            false => self.fetch(&plans, (&feeds, &inputs), &fetches, timeout)?,
        };
        let elapsed = started.elapsed();
        plans.iter().for_each(|plan| plan.pace.note(elapsed));
        if let Some(timeout) = timeout.filter(|&timeout| elapsed > timeout) {
            return Err(too_late(elapsed, timeout));
        }
        let fetched = handles.into_iter().map(Handle::into_tensor).collect::<Result<SmallVec<[Tensor; 4]>>>()?;
        let answer = |call: &Call<'_>, plan: &Plan, index: usize| match plan.fetches[index] {
            Fetch::Input(input) => Ok(call.inputs[input].clone()),
            Fetch::Graph(output) => {
                let place = fetches.iter().position(|fetch| *fetch == output);
                place.and_then(|place| fetched.get(place)).cloned().ok_or_else(too_few)
            }
        };
        let answers = calls.iter().zip(&plans);
        answers.map(|(call, plan)| call.outputs.iter().map(|&index| answer(call, plan, index)).collect()).collect()
    }

    fn fetch(
        &self,
        plans: &[&Plan],
        (feeds, inputs): (&[Output], &Handles),
        fetches: &[Output],
        timeout: Option<Duration>,
    ) -> Result<Handles> {
        let run = |options: &Buffer| self.session.run(options, feeds, inputs, fetches);
        match (self.executor, timeout) {
            (Executor::General, None) => run(&self.in_pool),
            (Executor::Calling, None) => run(&self.on_calling_thread),
            (Executor::Calling, Some(timeout)) if plans.iter().all(|plan| plan.pace.is_well_within(timeout)) => {
                run(&self.on_calling_thread)
            }
            (_, timeout) => run(&Buffer::new(self.functions, &options::in_pool(timeout))),
        }
    }
}

impl Engine for TensorFlowEngine {
    fn name(&self) -> &'static str {
        "tensorflow"
    }

    fn signatures(&self) -> &Signatures {
        &self.signatures
    }

    fn run(&self, call: &Call<'_>) -> Result<Vec<Tensor>> {
        self.run_once(std::slice::from_ref(call))?.pop().ok_or_else(too_few)
    }

    fn run_together(&self, calls: &[Call<'_>]) -> Result<Vec<Vec<Tensor>>> {
        match calls.windows(2).all(|pair| std::ptr::eq(pair[0].inputs, pair[1].inputs)) {
            true => self.run_once(calls),
            false => calls.iter().map(|call| self.run(call)).collect(),
        }
    }
}

fn decoded<M: Message + Default>(meta_graph: &Buffer) -> Result<M> {
    M::decode(meta_graph.bytes())
        .map_err(|error| Error::new(ErrorKind::DataLoss, format!("the SavedModel's signatures: {error}")))
}

fn plan(session: &Session, signature: &Signature) -> Result<Plan> {
    let find = |port: &Port| {
        session.output(&port.tensor).ok_or_else(|| {
            Error::new(
                ErrorKind::FailedPrecondition,
                format!(
                    "signature \"{}\" names the tensor \"{}\", which the graph does not have",
                    signature.name, port.tensor
                ),
            )
        })
    };
    let feeds = signature.inputs.iter().map(find).collect::<Result<Vec<_>>>()?;
    let fetches = signature.outputs.iter().map(|port| {
        let output = find(port)?;
        Ok(feeds.iter().position(|feed| *feed == output).map_or(Fetch::Graph(output), Fetch::Input))
    });
    Ok(Plan { fetches: fetches.collect::<Result<_>>()?, feeds, pace: Pace::default() })
}

/// Whether the single-threaded executor refused the graph.
fn is_refusal(error: &Error) -> bool {
    error.message.contains("Single-threaded executor does not support")
}

fn too_few() -> Error {
    Error::internal("TensorFlow returned too few tensors")
}

fn foreign(signature: &Signature) -> Error {
    Error::internal(format!("signature \"{}\" is not one of this version", signature.name))
}

fn too_late(elapsed: Duration, timeout: Duration) -> Error {
    Error::new(
        ErrorKind::DeadlineExceeded,
        format!("the run took {} ms, its deadline was {} ms", elapsed.as_millis(), timeout.as_millis()),
    )
}
