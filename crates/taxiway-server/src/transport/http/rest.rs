//! TensorFlow Serving's REST API: what its URLs ask for, in the order in which it checks a request.

use bytes::Bytes;
use http::header::CONTENT_ENCODING;
use http::request::Parts;
use http::{HeaderMap, Method, StatusCode};
use hyper::body::Incoming;
use taxiway_engine::{DEFAULT_SIGNATURE, Error, ErrorKind, Result, WireForm};

use super::answer::{Answer, JSON};
use super::examples::{classify, regress};
use super::path::{self, Named, Question, Verb};
use super::{Refusal, feedback, gzip};
use crate::admit::{Deadline, timed_out};
use crate::api;
use crate::execute::Run;
use crate::json::{Document, write_predict};
use crate::lease::Lease;
use crate::metrics::{Api, Tracked};
use crate::render::{grpc, models, rest};
use crate::request_log::record;
use crate::server::Core;
use crate::traffic::{self, unit};
use crate::transport::body::{self, Unread};

/// Answers a request to `/v1/…`.
pub(super) async fn answer(
    core: &Core,
    parts: &Parts,
    incoming: &mut Incoming,
    tracked: &mut Tracked<'_>,
) -> Result<Answer, Refusal> {
    let deadline = Deadline::sooner(core.limits.request_timeout(), None);
    let path = parts.uri.path_and_query().map_or("", |path| path.as_str());
    match parts.method {
        Method::POST => {
            if let Some(model) = path::feedback(path) {
                let body = read_body(core, &parts.headers, incoming, deadline).await?;
                tracked.about(&model);
                return feedback::answer(core, &model, &body);
            }
            let (named, verb) = path::call(path).ok_or_else(|| malformed(&parts.method, path))??;
            tracked.asks(match verb {
                Verb::Predict => Api::Predict,
                Verb::Classify => Api::Classify,
                Verb::Regress => Api::Regress,
            });
            let answered = match read_body(core, &parts.headers, incoming, deadline).await {
                Err(refusal) => Err(refusal),
                Ok(body) => match verb {
                    Verb::Predict => predict(core, &named, &body, deadline, tracked).await,
                    Verb::Classify => classify(core, &named, &body, deadline, tracked).await,
                    Verb::Regress => regress(core, &named, &body, deadline, tracked).await,
                },
            };
            // One that went wrong may have reached no version.
            answered.inspect_err(|_| tracked.about(named.target().model))
        }
        Method::GET => {
            let question = path::question(path).ok_or_else(|| malformed(&parts.method, path))??;
            if let Question::Status(named) | Question::Metadata(named) = &question {
                tracked.about(named.target().model);
            }
            Ok(ask(core, &question, tracked)?)
        }
        _ => Err(malformed(&parts.method, path)),
    }
}

fn malformed(method: &Method, path: &str) -> Refusal {
    Error::invalid(format!("Malformed request: {method} {path}")).into()
}

async fn predict(
    core: &Core,
    named: &Named<'_>,
    body: &[u8],
    deadline: Deadline,
    tracked: &mut Tracked<'_>,
) -> Result<Answer, Refusal> {
    let (lease, document) = led(core, named, body, tracked)?;
    tracked.reached(&lease.metrics, &lease.header);
    let signature_name = document.signature_name()?;
    let signature = api::predict::rest_signature(lease.engine.as_ref(), signature_name.as_deref())?.clone();
    api::predict::check_method(&signature, core.method_name_check)?;
    let (form, inputs) = document.predict_inputs(&signature, core.limits.max_tensor_bytes)?;
    let outputs = api::predict::all_outputs(&signature);
    let logged = lease
        .sampled(tracked.caller())
        .map(|sampled| (sampled, api::predict::request(&lease.name, &signature, &inputs)));
    let run = Run { signature: signature.clone(), inputs, outputs: outputs.clone(), deadline };
    let tensors = traffic::run(core, &lease, run, tracked).await?;
    if let Some((sampled, request)) = logged {
        let answer = || grpc::predict(&lease, &signature, &outputs, &tensors, WireForm::Content);
        sampled.log(|| record::predict(request, answer()));
    }
    let mut text = Vec::with_capacity(tensors.iter().map(|tensor| 16 + tensor.len() * 12).sum());
    write_predict(form, &signature, &outputs, &tensors, &mut text)?;
    Ok(Answer { status: StatusCode::OK, content_type: JSON, body: text })
}

/// The version that answers, and the body, whose tensors are read on the way where that can be.
fn led<'b>(core: &Core, named: &Named<'_>, body: &'b [u8], tracked: &mut Tracked<'_>) -> Result<(Lease, Document<'b>)> {
    let max_bytes = core.limits.max_tensor_bytes;
    let table = core.table.load();
    let led = table.find(named.target()).map(|found| found.led(tracked.caller()));
    // The tensors can be read in the same pass as the syntax when the signature is the one everybody calls.
    let expected = led.as_ref().ok().and_then(|led| led.lease().engine.signatures().get(DEFAULT_SIGNATURE)?.ok());
    let document = match expected {
        Some(signature) => Document::parse_expecting(body, signature, max_bytes)?,
        None => Document::parse(body)?,
    };
    let signature_name = document.signature_name()?;
    let lease = led?.go(tracked, |lease, field| {
        let signature = api::predict::rest_signature(lease.engine.as_ref(), signature_name.as_deref()).ok()?;
        let place = signature.inputs.iter().position(|port| port.name == field)?;
        unit::of_tensor(document.predict_inputs(signature, max_bytes).ok()?.1.get(place)?)
    });
    Ok((lease, document))
}

fn ask(core: &Core, question: &Question<'_>, tracked: &mut Tracked<'_>) -> Result<Answer> {
    let table = core.table.load();
    match question {
        Question::Models if !core.model_list => Err(path::missing_name()),
        Question::Models => Ok(Answer::ok(JSON, models::list(&table)?)),
        Question::Status(named) => Ok(Answer::ok(JSON, rest::status(&api::status::status(&table, named.target())?)?)),
        Question::Metadata(named) => {
            let lease = table.lease(named.target())?;
            tracked.told_of(&lease.header);
            Ok(Answer::ok(JSON, rest::metadata(&lease)?))
        }
    }
}

/// The body, inflated, within the limits and in time.
async fn read_body(
    core: &Core,
    headers: &HeaderMap,
    incoming: &mut Incoming,
    deadline: Deadline,
) -> Result<Bytes, Refusal> {
    let max_bytes = core.limits.max_body_bytes;
    let body = match deadline.bound(body::read(incoming, max_bytes, |_| None)).await {
        None => {
            // The one time-out that is the client's doing: it did not send what it announced.
            return Err(Refusal { status: StatusCode::REQUEST_TIMEOUT, error: timed_out() });
        }
        Some(Err(Unread::Broken)) => return Err(Error::invalid("The body of the request is not whole").into()),
        Some(Err(Unread::TooLarge)) => return Err(too_large("", max_bytes)),
        Some(Ok(body)) => body,
    };
    let is_gzip =
        headers.get(CONTENT_ENCODING).is_some_and(|encoding| encoding.as_bytes().eq_ignore_ascii_case(b"gzip"));
    if !is_gzip {
        return Ok(body);
    }
    let max_bytes = core.limits.max_inflated_bytes;
    gzip::inflate(&body, max_bytes).ok_or_else(|| too_large("inflated ", max_bytes))
}

fn too_large(what: &str, max_bytes: usize) -> Refusal {
    let message = format!("The {what}body of the request is larger than the limit of {max_bytes} bytes");
    Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, ErrorKind::ResourceExhausted, message)
}
