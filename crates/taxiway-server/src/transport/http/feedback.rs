//! `POST /v1/models/M:feedback`.

use http::StatusCode;
use serde::Deserialize;
use taxiway_engine::{Error, Result};

use super::Refusal;
use super::answer::{Answer, JSON};
use crate::api::feedback::give;
use crate::server::Core;
use crate::traffic::Judgement;

/// What is said of an answer; one of the last three.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Feedback {
    request_id: String,
    label: Option<Labels>,
    value: Option<f64>,
    correct: Option<bool>,
}

/// One row's class, or one of each row.
#[derive(Deserialize)]
#[serde(untagged)]
enum Labels {
    One(Label),
    Each(Vec<Label>),
}

/// An index, a whole number or a text: they are compared as texts.
#[derive(Deserialize)]
#[serde(untagged)]
enum Label {
    Number(i64),
    Text(String),
}

impl Label {
    fn bytes(self) -> Vec<u8> {
        match self {
            Label::Number(number) => number.to_string().into_bytes(),
            Label::Text(text) => text.into_bytes(),
        }
    }
}

impl Feedback {
    fn judgement(self) -> Result<(String, Judgement)> {
        let judgement = match (self.label, self.value, self.correct) {
            (Some(Labels::One(label)), None, None) => Judgement::Labels(vec![label.bytes()]),
            (Some(Labels::Each(labels)), None, None) => {
                Judgement::Labels(labels.into_iter().map(Label::bytes).collect())
            }
            (None, Some(value), None) => Judgement::Value(value),
            (None, None, Some(correct)) => Judgement::Correct(correct),
            _ => return Err(Error::invalid("Feedback says exactly one of label, value and correct")),
        };
        Ok((self.request_id, judgement))
    }
}

/// Takes the feedback in a body.
pub(super) fn answer(core: &Core, model: &str, body: &[u8]) -> Result<Answer, Refusal> {
    let feedback: Feedback = serde_json::from_slice(body).map_err(|error| {
        Error::invalid(format!("The body is no feedback, {{\"request_id\": …, \"label\": …}}: {error}"))
    })?;
    let (id, judgement) = feedback.judgement()?;
    let counted = give(core, model, &id, &judgement)?;
    let body = format!("{{\"counted\": {counted}}}").into_bytes();
    Ok(Answer { status: StatusCode::OK, content_type: JSON, body })
}
