//! What operators and orchestrators ask, and what programs ask to learn the API.

use http::{Method, StatusCode};

use super::answer::{Answer, JSON, METRICS_TEXT, PLAIN_TEXT};
use crate::render::{self, models};
use crate::server::Core;
use crate::table::Readiness;

/// What the whole port answers, as an OpenAPI document.
const OPENAPI: &str = include_str!("../../../../../src/taxiway/serve/openapi.json");

/// What can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked<'a> {
    Health,
    Metrics,
    Readiness,
    ModelReadiness(&'a str),
    OpenApi,
}

/// What is at which path; below `/readyz/` stand the models.
const ROUTES: [(&str, Asked<'static>); 4] = [
    ("/healthz", Asked::Health),
    ("/metrics", Asked::Metrics),
    ("/readyz", Asked::Readiness),
    ("/openapi.json", Asked::OpenApi),
];

/// What is at a path without its query.
fn find(path: &str) -> Option<Asked<'_>> {
    let route = ROUTES.into_iter().find(|(known, _)| *known == path);
    route.map(|(_, asked)| asked).or_else(|| path.strip_prefix("/readyz/").map(Asked::ModelReadiness))
}

pub(super) fn answer(core: &Core, method: &Method, path: &str) -> Answer {
    let path = path.split('?').next().unwrap_or(path);
    let Some(asked) = find(path) else {
        return Answer::error(StatusCode::NOT_FOUND, &format!("There is nothing at {path}"));
    };
    if !matches!(*method, Method::GET | Method::HEAD) {
        let message = format!("{path} is asked for with GET, not {method}");
        return Answer::error(StatusCode::METHOD_NOT_ALLOWED, &message);
    }
    match asked {
        Asked::Health => Answer::ok(PLAIN_TEXT, b"ok\n".to_vec()),
        Asked::Metrics => Answer::ok(METRICS_TEXT, core.metrics_page().into_bytes()),
        Asked::Readiness => readiness(core, &core.table.load().readiness),
        Asked::ModelReadiness(model) => model_readiness(core, model),
        Asked::OpenApi => Answer::ok(JSON, OPENAPI.into()),
    }
}

fn model_readiness(core: &Core, model: &str) -> Answer {
    let model = percent_encoding::percent_decode_str(model).decode_utf8_lossy();
    match core.table.load().model(&model) {
        Some(found) => readiness(core, found.readiness()),
        None => Answer::error(StatusCode::NOT_FOUND, &format!("There is no model {model}")),
    }
}

fn readiness(core: &Core, of: &Readiness) -> Answer {
    let stopping = Readiness { ready: false, reason: "the server is stopping".to_owned() };
    let of = if core.draining() { &stopping } else { of };
    let status = if of.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    match models::readiness(of) {
        Ok(body) => Answer { status, content_type: JSON, body },
        Err(error) => Answer::error(render::http_status(error.kind), &error.message),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;
    use taxiway_engine::ErrorKind;

    use super::super::path::{self, Question, Verb};
    use super::*;

    /// A page whose path is configured; the document describes it at the path of TensorFlow Serving's examples.
    const CONFIGURED: &str = "/monitoring/prometheus/metrics";

    fn document() -> Value {
        serde_json::from_str(OPENAPI).unwrap()
    }

    /// What the router makes of `GET` or `POST` of a path; nothing when it knows no such route.
    fn routed(method: &str, path: &str) -> Option<String> {
        match method {
            "post" if path::feedback(path).is_some() => Some("Feedback".to_owned()),
            "post" => path::call(path).map(|call| {
                let (named, verb) = call.unwrap();
                format!("{verb:?} {:?}", named.target().choice)
            }),
            _ if path::artifact(path).is_some() => path::artifact(path).map(|artifact| {
                let (named, name) = artifact.unwrap();
                let what = if name.is_empty() { "Artifacts" } else { "Artifact" };
                format!("{what} {:?}", named.target().choice)
            }),
            _ if path::is_api(path) => path::question(path).map(|question| match question.unwrap() {
                Question::Models => "Models".to_owned(),
                Question::Status(named) => format!("Status {:?}", named.target().choice),
                Question::Metadata(named) => format!("Metadata {:?}", named.target().choice),
            }),
            _ => find(path).map(|asked| format!("{asked:?}")),
        }
    }

    /// Every route there is, by what `routed` calls it.
    fn every_route() -> BTreeSet<String> {
        let choices = ["Default", "Version(1)", "Label(\"l\")"];
        let about_models = ["Status", "Metadata", "Artifacts", "Artifact"].map(str::to_owned).into_iter();
        let about_models = about_models.chain(Verb::ALL.map(|verb| format!("{verb:?}")));
        let operations = ROUTES.into_iter().map(|(_, asked)| asked).chain([Asked::ModelReadiness("m")]);
        about_models
            .flat_map(|what| choices.map(|choice| format!("{what} {choice}")))
            .chain(operations.map(|asked| format!("{asked:?}")))
            .chain(["Models".to_owned(), "Feedback".to_owned()])
            .collect()
    }

    #[test]
    fn the_document_has_every_route_and_no_other() {
        let document = document();
        let mut described = BTreeSet::new();
        for (template, item) in document["paths"].as_object().unwrap() {
            if template == CONFIGURED {
                continue;
            }
            let path = template
                .replace("{model}", "m")
                .replace("{version}", "1")
                .replace("{label}", "l")
                .replace("{artifact}", "a");
            for method in ["get", "post"].into_iter().filter(|method| item.get(method).is_some()) {
                let route = routed(method, &path).unwrap_or_else(|| panic!("{method} {template} is no route"));
                assert!(described.insert(route), "{method} {template} is described twice");
            }
        }
        assert_eq!(described, every_route());
    }

    #[test]
    fn the_document_has_the_status_of_every_kind() {
        let document = document();
        for kind in ErrorKind::ALL {
            let status = render::http_status(kind).as_u16();
            let kinds = &document["components"]["responses"][format!("Error{status}")]["x-kinds"];
            assert!(kinds.as_array().unwrap().contains(&kind.name().into()), "{kind:?} is not at {status}: {kinds}");
        }
    }
}
