//! TensorFlow Serving's URLs. It matches them by regular expressions, with the query string as part of the path; the
//! same languages are recognised here by hand.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;
use taxiway_engine::{Error, Result};

use crate::table::{Choice, Target};

/// What a URL names: a model and maybe a version or a label, percent-decoded.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Named<'a> {
    model: Cow<'a, str>,
    choice: Chosen<'a>,
}

#[derive(Debug, PartialEq, Eq)]
enum Chosen<'a> {
    Default,
    Version(i64),
    Label(Cow<'a, str>),
}

/// What is done with a model by POST.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verb {
    Predict,
    Classify,
    Regress,
}

impl Verb {
    pub(super) const ALL: [Verb; 3] = [Verb::Predict, Verb::Classify, Verb::Regress];

    /// How a URL ends. The pattern takes any case, but what is done is looked up in lower case only.
    fn word(self) -> &'static str {
        match self {
            Verb::Predict => ":predict",
            Verb::Classify => ":classify",
            Verb::Regress => ":regress",
        }
    }
}

/// What is asked for by GET.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Question<'a> {
    /// `/v1/models`: ours, TensorFlow Serving has no list.
    Models,
    Status(Named<'a>),
    Metadata(Named<'a>),
}

impl Named<'_> {
    /// The same, borrowed.
    pub(super) fn target(&self) -> Target<'_> {
        let choice = match &self.choice {
            Chosen::Default => Choice::Default,
            Chosen::Version(version) => Choice::Version(*version),
            Chosen::Label(label) => Choice::Label(label),
        };
        Target { model: &self.model, choice }
    }
}

/// What is said of a path that names no model.
pub(super) fn missing_name() -> Error {
    Error::invalid("Missing model name in request.")
}

/// Whether a path belongs to TensorFlow Serving's API.
pub(super) fn is_api(path: &str) -> bool {
    strip(path, "/v1/").is_some()
}

/// `/v1/models/M[/versions/N|/labels/L]:VERB`; `None` when the path is not that.
///
/// # Errors
/// `InvalidArgument` when the version does not fit a number of 64 bits.
pub(super) fn call(path: &str) -> Option<Result<(Named<'_>, Verb)>> {
    let (model, rest) = name(strip(path, "/v1/models/")?)?;
    let (choice, rest) = raw_choice(rest);
    let verb = Verb::ALL.into_iter().find(|verb| verb.word() == rest)?;
    Some(named(model, choice).map(|named| (named, verb)))
}

/// The model of `/v1/models/M:feedback`, which is ours; `None` when the path is not that.
pub(super) fn feedback(path: &str) -> Option<Cow<'_, str>> {
    let (model, rest) = name(strip(path, "/v1/models/")?)?;
    (rest == ":feedback").then(|| decode(model))
}

/// `/v1/models/M[/versions/N|/labels/L]/artifacts[/NAME]`, which is ours: what is named, and NAME, empty for the list.
/// A query is no part of it. `None` when the path is not that.
///
/// # Errors
/// `InvalidArgument` when the version does not fit a number of 64 bits.
pub(super) fn artifact(path: &str) -> Option<Result<(Named<'_>, Cow<'_, str>)>> {
    let path = path.split('?').next().unwrap_or(path);
    let (model, rest) = name(strip(path, "/v1/models/")?)?;
    let (choice, rest) = raw_choice(rest);
    let rest = rest.strip_prefix("/artifacts")?;
    let artifact = if rest.is_empty() { rest } else { rest.strip_prefix('/')? };
    Some(named(model, choice).map(|named| (named, decode(artifact))))
}

/// `/v1/models[/M][/versions/N|/labels/L][/metadata]`; `None` when the path is not that.
///
/// # Errors
/// `InvalidArgument` when the version does not fit a number of 64 bits, or there is one and no model.
pub(super) fn question(path: &str) -> Option<Result<Question<'_>>> {
    let rest = strip(path, "/v1/models")?;
    if rest.is_empty() {
        return Some(Ok(Question::Models));
    }
    let with_model = rest.strip_prefix('/').and_then(name).and_then(|(model, rest)| about(model, rest));
    // As a regular expression does, take the first name for a model, and only if that fails go without one.
    with_model.or_else(|| about("", rest))
}

fn about<'a>(model: &'a str, rest: &'a str) -> Option<Result<Question<'a>>> {
    let (choice, rest) = raw_choice(rest);
    let is_metadata = match rest {
        "" => false,
        "/metadata" => true,
        // Matches the pattern, and is then not found to be the word itself.
        rest if rest.eq_ignore_ascii_case("/metadata") => false,
        _ => return None,
    };
    Some(named(model, choice).and_then(|named| match (model, is_metadata) {
        ("", _) => Err(missing_name()),
        (_, true) => Ok(Question::Metadata(named)),
        (_, false) => Ok(Question::Status(named)),
    }))
}

#[derive(Clone, Copy)]
enum RawChoice<'a> {
    None,
    Version(&'a str),
    Label(&'a str),
}

/// `/versions/N` or `/labels/L` if it is there, and the rest.
fn raw_choice(rest: &str) -> (RawChoice<'_>, &str) {
    if let Some(after) = strip(rest, "/versions/") {
        let end = after.find(|c: char| !c.is_ascii_digit()).unwrap_or(after.len());
        if end > 0 {
            return (RawChoice::Version(&after[..end]), &after[end..]);
        }
    }
    match strip(rest, "/labels/").and_then(name) {
        Some((label, rest)) => (RawChoice::Label(label), rest),
        None => (RawChoice::None, rest),
    }
}

fn named<'a>(model: &'a str, choice: RawChoice<'a>) -> Result<Named<'a>> {
    let choice = match choice {
        RawChoice::None => Chosen::Default,
        RawChoice::Label(label) => Chosen::Label(decode(label)),
        RawChoice::Version(digits) => Chosen::Version(
            digits.parse().map_err(|_| Error::invalid(format!("Failed to convert version: {digits} to numeric.")))?,
        ),
    };
    Ok(Named { model: decode(model), choice })
}

/// After the match, so that a name may hold an encoded slash or colon.
fn decode(name: &str) -> Cow<'_, str> {
    percent_decode_str(name).decode_utf8_lossy()
}

/// A name and what follows it; names hold neither slash nor colon.
fn name(text: &str) -> Option<(&str, &str)> {
    let end = text.find(['/', ':']).unwrap_or(text.len());
    (end > 0).then(|| text.split_at(end))
}

/// The text after this prefix, in any case.
fn strip<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let (start, rest) = text.split_at_checked(prefix.len())?;
    start.eq_ignore_ascii_case(prefix).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown_call(path: &str) -> String {
        match call(path) {
            None => "malformed".to_owned(),
            Some(Err(error)) => error.message,
            Some(Ok((named, verb))) => format!("{verb:?} {:?}", named.target()),
        }
    }

    fn shown_question(path: &str) -> String {
        match question(path) {
            None => "malformed".to_owned(),
            Some(Err(error)) => error.message,
            Some(Ok(Question::Models)) => "models".to_owned(),
            Some(Ok(Question::Status(named))) => format!("status {:?}", named.target()),
            Some(Ok(Question::Metadata(named))) => format!("metadata {:?}", named.target()),
        }
    }

    // tfs: url-predict url-predict-version url-predict-label url-classify url-regress url-case url-version-range
    #[test]
    fn calls_are_recognised() {
        for (path, expected) in [
            ("/v1/models/m:predict", "Predict Target { model: \"m\", choice: Default }"),
            ("/V1/Models/M/VERSIONS/12:predict", "Predict Target { model: \"M\", choice: Version(12) }"),
            ("/v1/models/m/labels/l%3A:classify", "Classify Target { model: \"m\", choice: Label(\"l:\") }"),
            ("/v1/models/a%2Fb%3Ac:regress", "Regress Target { model: \"a/b:c\", choice: Default }"),
            (
                "/v1/models/m/versions/9999999999999999999:predict",
                "Failed to convert version: 9999999999999999999 to numeric.",
            ),
        ] {
            assert_eq!(shown_call(path), expected, "{path}");
        }
        for path in [
            "/v1/models/m:PREDICT",
            "/v1/models/m:predict?x=1",
            "/v1/models/m:predict/",
            "/v1/models/:predict",
            "/v1/models/m/versions/:predict",
            "/v1/models/m/versions/1a:predict",
            "/v1/models/m/versions/1/labels/l:predict",
            "/v1/models/m/other/l:predict",
            "/v1/models/m",
            "/v1/modelsm:predict",
            "/v1/models/m:predict:predict",
        ] {
            assert_eq!(shown_call(path), "malformed", "{path}");
        }
    }

    #[test]
    fn feedback_is_about_a_model() {
        assert_eq!(feedback("/v1/models/a%2Fb:feedback").as_deref(), Some("a/b"));
        for path in
            ["/v1/models/:feedback", "/v1/models/m/versions/1:feedback", "/v1/models/m:feedback?x=1", "/v1/models/m"]
        {
            assert_eq!(feedback(path), None, "{path}");
        }
    }

    #[test]
    fn artefacts_are_found_by_name() {
        for (path, expected) in [
            ("/v1/models/m/artifacts", Some("Target { model: \"m\", choice: Default } ")),
            ("/v1/models/m/artifacts/", Some("Target { model: \"m\", choice: Default } ")),
            (
                "/v1/models/a%2Fb/versions/3/artifacts/edge/a%20b?x=1",
                Some("Target { model: \"a/b\", choice: Version(3) } edge/a b"),
            ),
            ("/v1/models/m/labels/l/artifacts/..%2F..", Some("Target { model: \"m\", choice: Label(\"l\") } ../..")),
            ("/v1/models/artifacts", None),
            ("/v1/models/m/artifactsx", None),
            ("/v1/models/m:artifacts", None),
        ] {
            let shown = artifact(path).map(|found| {
                let (named, name) = found.unwrap();
                format!("{:?} {name}", named.target())
            });
            assert_eq!(shown.as_deref(), expected, "{path}");
        }
        assert!(artifact("/v1/models/m/versions/99999999999999999999/artifacts").unwrap().is_err());
    }

    // tfs: url-status url-metadata url-no-name
    #[test]
    fn questions_are_recognised() {
        for (path, expected) in [
            ("/v1/models", "models"),
            ("/v1/models/m", "status Target { model: \"m\", choice: Default }"),
            ("/v1/models/m?x=1", "status Target { model: \"m?x=1\", choice: Default }"),
            ("/v1/models/m/versions/7", "status Target { model: \"m\", choice: Version(7) }"),
            ("/v1/models/m/labels/l/metadata", "metadata Target { model: \"m\", choice: Label(\"l\") }"),
            ("/v1/models/m/metadata", "metadata Target { model: \"m\", choice: Default }"),
            ("/v1/models/m/METADATA", "status Target { model: \"m\", choice: Default }"),
            ("/v1/models/metadata", "status Target { model: \"metadata\", choice: Default }"),
            ("/v1/models/versions/3", "Missing model name in request."),
            (
                "/v1/models/m/versions/99999999999999999999",
                "Failed to convert version: 99999999999999999999 to numeric.",
            ),
        ] {
            assert_eq!(shown_question(path), expected, "{path}");
        }
        for path in [
            "/v1/models/",
            "/v1/models/m/",
            "/v1/models/m/versions/x",
            "/v1/model",
            "/v1/models/m/metadata/x",
            "/v1/models/é/é",
        ] {
            assert_eq!(shown_question(path), "malformed", "{path}");
        }
    }
}
