//! Feedback: what is said of an answer, by the id of its request.

use std::time::Instant;

use taxiway_engine::{Error, ErrorKind, Result};

use crate::server::Core;
use crate::traffic::{Heard, Judgement, key_of};

/// The longest label, in bytes, and the most of them.
const MAX_LABEL_BYTES: usize = 1024;
const MAX_LABELS: usize = 1024;

/// The largest value, on either side of 0: its square, and the sum of as many as can ever come, are still numbers.
const MAX_VALUE: f64 = 1e100;

/// Takes feedback. Whether it counts: what was said before does not count twice.
///
/// # Errors
/// `NotFound` when no such answer is remembered; `FailedPrecondition` when labels cannot be compared with it;
/// `InvalidArgument` when nothing can be made of them at all.
pub(crate) fn give(core: &Core, model: &str, request_id: &str, judgement: &Judgement) -> Result<bool> {
    check(request_id, judgement)?;
    match core.memory.hear(key_of(model, request_id.as_bytes()), judgement, Instant::now()) {
        Heard::Counted => Ok(true),
        Heard::Again => Ok(false),
        Heard::Unknown => {
            let seconds = core.memory.window().as_secs_f64();
            let message = format!(
                "No answer of model \"{model}\" to a request with the id \"{request_id}\" is remembered: no route led \
                 one, or it is more than {seconds} s ago, or many came since"
            );
            Err(Error::new(ErrorKind::NotFound, message))
        }
        Heard::NoClass { rows } => Err(Error::new(
            ErrorKind::FailedPrecondition,
            match rows {
                None => "The answer's first output is no class; give correct or value".to_owned(),
                Some(rows) => format!("The answer has {rows} rows; give a label for each"),
            },
        )),
    }
}

fn check(request_id: &str, judgement: &Judgement) -> Result<()> {
    if request_id.is_empty() {
        return Err(Error::invalid("request_id is missing: it is the x-request-id of the answer"));
    }
    match judgement {
        // Not `value.abs() > MAX_VALUE`, which NaN is not.
        Judgement::Value(value) if !(-MAX_VALUE..=MAX_VALUE).contains(value) => {
            Err(Error::invalid(format!("value must be a number from -{MAX_VALUE:e} to {MAX_VALUE:e}; was {value:e}")))
        }
        Judgement::Labels(labels) if labels.is_empty() || labels.len() > MAX_LABELS => {
            Err(Error::invalid(format!("1 to {MAX_LABELS} labels are wanted")))
        }
        Judgement::Labels(labels) if labels.iter().any(|label| label.len() > MAX_LABEL_BYTES) => {
            Err(Error::invalid(format!("a label has more than {MAX_LABEL_BYTES} bytes")))
        }
        _ => Ok(()),
    }
}
