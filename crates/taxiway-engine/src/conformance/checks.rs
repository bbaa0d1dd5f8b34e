//! The checks: a rule in words, and what tests it on one model.

use std::time::Duration;

use bytes::Bytes;

use super::Subject;
use crate::{ALIGNMENT, Call, DEFAULT_SIGNATURE, DType, Engine, ErrorKind, Signature, Tensor};

type Check = fn(&Subject<'_>) -> Outcome;
type Outcome = Result<(), String>;

/// Every rule. They hold for every model that the runtime can express.
pub(super) const CHECKS: [(&str, Check); 10] = [
    ("signatures tell names, types and shapes", signatures),
    ("answers are the model's, whatever shape came before", answers),
    ("outputs come in the order they are asked for, and only they", order),
    ("a wrong request is refused as such, and the next one answered", refusal),
    ("an empty batch gives an empty answer", empty_batch),
    ("bytes may start anywhere", unaligned),
    ("inputs stay as they were", untouched_inputs),
    ("threads get what one caller gets", threads),
    ("answers outlive later runs and the engine", lasting_answers),
    ("a run stops at its deadline, and one in time is answered", deadline),
];

/// A deadline that no run of the suite needs.
const AMPLE: Duration = Duration::from_secs(600);

fn signatures(subject: &Subject<'_>) -> Outcome {
    let (ours, theirs) = (subject.model.reference(), &subject.engine);
    let (expected, found) = (signature(&ours)?, signature(theirs.as_ref())?);
    for (expected, found) in [(&expected.inputs, &found.inputs), (&expected.outputs, &found.outputs)] {
        let tell = |ports: &[crate::Port]| -> Vec<_> {
            ports.iter().map(|port| (port.name.clone(), port.dtype, port.shape.clone())).collect()
        };
        same("", tell(expected), tell(found))?;
    }
    same("signature of another name", false, theirs.signatures().get("no such signature").is_some())
}

fn answers(subject: &Subject<'_>) -> Outcome {
    let requests = subject.requests()?;
    // Forth and back: every shape comes after a larger one and after a smaller one.
    for request in requests.iter().chain(requests.iter().rev()) {
        subject.expect(request, &subject.all_outputs()?)?;
    }
    Ok(())
}

fn order(subject: &Subject<'_>) -> Outcome {
    let all = subject.all_outputs()?;
    for request in subject.requests()?.iter().take(2) {
        let mut reversed = all.clone();
        reversed.reverse();
        subject.expect(request, &reversed)?;
        for &index in &all {
            subject.expect(request, &[index])?;
        }
        subject.expect(request, &[])?;
    }
    Ok(())
}

fn refusal(subject: &Subject<'_>) -> Outcome {
    let requests = subject.requests()?;
    for wrong in subject.model.wrong_requests().map_err(|error| error.to_string())? {
        match subject.run(&wrong, &subject.all_outputs()?, None) {
            Ok(answer) => return Err(format!("{wrong:?} was answered with {answer:?}")),
            Err(error) => same(&format!("{wrong:?} was refused: {error}"), ErrorKind::InvalidArgument, error.kind)?,
        }
        for request in requests.iter().take(1) {
            subject.expect(request, &subject.all_outputs()?)?;
        }
    }
    Ok(())
}

fn empty_batch(subject: &Subject<'_>) -> Outcome {
    match subject.model.empty_request().map_err(|error| error.to_string())? {
        Some(request) => subject.expect(&request, &subject.all_outputs()?),
        None => Ok(()),
    }
}

fn unaligned(subject: &Subject<'_>) -> Outcome {
    for request in subject.requests()? {
        let shifted = request.iter().map(shift).collect::<Result<Vec<_>, _>>()?;
        subject.expect(&shifted, &subject.all_outputs()?)?;
    }
    Ok(())
}

fn untouched_inputs(subject: &Subject<'_>) -> Outcome {
    for request in subject.requests()? {
        let copies = request.iter().map(shift).collect::<Result<Vec<_>, _>>()?;
        subject.run(&request, &subject.all_outputs()?, None).map_err(|error| error.to_string())?;
        same("inputs after a run", &copies, &request)?;
    }
    Ok(())
}

fn threads(subject: &Subject<'_>) -> Outcome {
    const THREADS: usize = 4;
    const ROUNDS: usize = 25;
    let requests = subject.requests()?;
    let outputs = subject.all_outputs()?;
    let reference = subject.model.reference();
    let engine = subject.engine.as_ref();
    let work = |thread: usize| -> Outcome {
        for round in 0..ROUNDS {
            // Neighbours run different shapes at any moment.
            let Some(request) = requests.get((thread + round) % requests.len().max(1)) else { break };
            compare(engine, &reference, request, &outputs)?;
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let running: Vec<_> = (0..THREADS).map(|thread| scope.spawn(move || work(thread))).collect();
        running.into_iter().try_for_each(|thread| thread.join().map_err(|_| "a thread panicked".to_owned())?)
    })
}

fn lasting_answers(subject: &Subject<'_>) -> Outcome {
    let engine = (subject.open)(subject.model);
    let (requests, outputs, reference) = (subject.requests()?, subject.all_outputs()?, subject.model.reference());
    let mut kept = Vec::new();
    for request in requests.iter().chain(&requests) {
        let given = request.clone();
        kept.push((request, run(engine.as_ref(), &given, &outputs, None).map_err(|error| error.to_string())?));
    }
    drop(engine);
    for (request, answer) in kept {
        let expected = run(&reference, request, &outputs, None).map_err(|error| error.to_string())?;
        all_close(&expected, &answer)?;
    }
    Ok(())
}

fn deadline(subject: &Subject<'_>) -> Outcome {
    let outputs = subject.all_outputs()?;
    for request in subject.requests()? {
        // The second run may be timed in another way than the first, once an engine knows how long runs take.
        for _ in 0..2 {
            subject.run(&request, &outputs, Some(AMPLE)).map_err(|error| error.to_string())?;
        }
    }
    if subject.model != super::Model::Endless {
        return Ok(());
    }
    let request = [Tensor::from_values([1], &[1.0f32]).map_err(|error| error.to_string())?];
    for _ in 0..2 {
        match subject.run(&request, &outputs, Some(Duration::from_millis(30))) {
            Ok(answer) => return Err(format!("a run without end answered {answer:?}")),
            Err(error) => same(&error.to_string(), ErrorKind::DeadlineExceeded, error.kind)?,
        }
    }
    Ok(())
}

impl Subject<'_> {
    fn requests(&self) -> Result<Vec<Vec<Tensor>>, String> {
        self.model.requests().map_err(|error| error.to_string())
    }

    fn all_outputs(&self) -> Result<Vec<usize>, String> {
        Ok((0..signature(self.engine.as_ref())?.outputs.len()).collect())
    }

    fn run(&self, inputs: &[Tensor], outputs: &[usize], timeout: Option<Duration>) -> crate::Result<Vec<Tensor>> {
        run(self.engine.as_ref(), inputs, outputs, timeout)
    }

    /// The engine answers as the reference does.
    fn expect(&self, inputs: &[Tensor], outputs: &[usize]) -> Outcome {
        compare(self.engine.as_ref(), &self.model.reference(), inputs, outputs)
    }
}

fn compare(engine: &dyn Engine, reference: &dyn Engine, inputs: &[Tensor], outputs: &[usize]) -> Outcome {
    let expected = run(reference, inputs, outputs, None).map_err(|error| error.to_string())?;
    let found = run(engine, inputs, outputs, None).map_err(|error| format!("{inputs:?} failed: {error}"))?;
    all_close(&expected, &found)
}

fn run(
    engine: &dyn Engine,
    inputs: &[Tensor],
    outputs: &[usize],
    timeout: Option<Duration>,
) -> crate::Result<Vec<Tensor>> {
    let signature = signature(engine).map_err(crate::Error::internal)?;
    engine.run(&Call { signature, inputs, outputs, timeout })
}

fn signature(engine: &dyn Engine) -> Result<&Signature, String> {
    match engine.signatures().get(DEFAULT_SIGNATURE) {
        Some(Ok(signature)) => Ok(signature),
        Some(Err(error)) => Err(error.to_string()),
        None => Err(format!("there is no {DEFAULT_SIGNATURE}")),
    }
}

/// The same tensor, its bytes copied to an address that suits no type.
fn shift(tensor: &Tensor) -> Result<Tensor, String> {
    let Some(bytes) = tensor.bytes() else { return Ok(tensor.clone()) };
    let mut block = vec![0u8; bytes.len() + 2 * ALIGNMENT];
    let start = block.as_ptr().align_offset(ALIGNMENT).min(ALIGNMENT) + 1;
    block[start..start + bytes.len()].copy_from_slice(bytes);
    let shifted = Bytes::from(block).slice(start..start + bytes.len());
    Tensor::from_bytes(tensor.dtype(), tensor.shape(), shifted).map_err(|error| error.to_string())
}

fn all_close(expected: &[Tensor], found: &[Tensor]) -> Outcome {
    same("number of outputs", expected.len(), found.len())?;
    expected.iter().zip(found).try_for_each(|(expected, found)| close(expected, found))
}

/// Floats may differ in their last digits, as engines add them up in different orders.
fn close(expected: &Tensor, found: &Tensor) -> Outcome {
    same("type", expected.dtype(), found.dtype())?;
    same("shape", expected.shape(), found.shape())?;
    let (Some(left), Some(right), DType::Float) = (expected.values::<f32>(), found.values::<f32>(), expected.dtype())
    else {
        return same("values", expected, found);
    };
    let differs = |(l, r): (&f32, &f32)| (l - r).abs() > 1e-5 * l.abs().max(1.0) || l.is_nan() != r.is_nan();
    match left.iter().zip(right.iter()).any(differs) {
        true => Err(format!("values: expected {left:?}, found {right:?}")),
        false => Ok(()),
    }
}

fn same<T: PartialEq + std::fmt::Debug>(what: &str, expected: T, found: T) -> Outcome {
    match expected == found {
        true => Ok(()),
        false => Err(format!("{what}: expected {expected:?}, found {found:?}")),
    }
}
