//! Which engine a version gets, and what is said when it gets none.

mod fixtures;

use std::path::PathBuf;

use fixtures::fixtures;
use taxiway_engine::{Error, ErrorKind};
use taxiway_runtimes::{Candidates, EngineChoice, Libraries, LoadSpec, TensorFlowLibraries, Threads, candidates, open};

fn refusal(spec: &LoadSpec) -> Error {
    open(spec).err().unwrap_or_else(|| panic!("{} was loaded", spec.path.display()))
}

#[test]
fn auto_takes_tensorflow_then_litert() {
    let Some(fixtures) = fixtures() else { return };
    let chosen = |model, change: fn(&mut Libraries)| {
        let mut spec = fixtures.spec(model, EngineChoice::Auto);
        change(&mut spec.libraries);
        open(&spec).map(|engine| engine.name())
    };
    assert_eq!(chosen("digits", |_| ()), Ok("tensorflow"));
    assert_eq!(chosen("digits", |libraries| libraries.tensorflow = None), Ok("litert"));
    assert_eq!(chosen("digits_lite", |_| ()), Ok("litert"));
    let neither = chosen("digits", |libraries| *libraries = Libraries { tensorflow: None, litert: None }).unwrap_err();
    assert!(neither.message.contains("install taxiway[tensorflow]"), "{neither}");
    let no_litert = chosen("digits_lite", |libraries| libraries.litert = None).unwrap_err();
    assert!(no_litert.message.contains("install taxiway[litert]"), "{no_litert}");
    assert_eq!(no_litert.kind, ErrorKind::FailedPrecondition);
}

#[test]
fn both_engines_are_candidates_where_there_are_files_for_both_and_nothing_is_shown_yet() {
    let Some(fixtures) = fixtures() else { return };
    let found = |model, engine, change: fn(&mut LoadSpec)| {
        let mut spec = fixtures.spec(model, engine);
        change(&mut spec);
        let Candidates { engine, litert, why } = candidates(&spec, Threads::Any).unwrap().unwrap();
        (engine.name(), litert.map(|litert| litert.name()), why)
    };
    let nothing = |_: &mut LoadSpec| ();
    assert_eq!(found("digits", EngineChoice::Auto, nothing), ("tensorflow", Some("litert"), String::new()));
    assert_eq!(found("digits_lite", EngineChoice::Auto, nothing), ("litert", None, String::new()));
    for engine in [EngineChoice::PreferTensorFlow, EngineChoice::TensorFlow] {
        assert_eq!(found("digits", engine, nothing), ("tensorflow", None, String::new()));
    }
    let (engine, other, why) = found("digits", EngineChoice::Auto, |spec| spec.shown = vec!["serving_default".into()]);
    assert_eq!((engine, other), ("litert", None));
    assert_eq!(why, "publishing found that LiteRT answers alike, and faster");
    let shown_in_part = found("digits", EngineChoice::Auto, |spec| spec.shown = vec!["another".into()]);
    assert_eq!(shown_in_part, ("tensorflow", Some("litert"), String::new()));
    let (engine, other, why) = found("digits", EngineChoice::Auto, |spec| spec.libraries.litert = None);
    assert_eq!((engine, other), ("tensorflow", None));
    assert!(why.starts_with("LiteRT cannot run it: "), "{why}");
    let (engine, other, why) = found("digits", EngineChoice::Auto, |spec| spec.libraries.tensorflow = None);
    assert_eq!((engine, other, why.as_str()), ("litert", None, "TensorFlow is not installed"));
}

#[test]
fn a_library_that_is_not_there_is_named_with_its_extra() {
    let Some(fixtures) = fixtures() else { return };
    let mut spec = fixtures.spec("digits", EngineChoice::TensorFlow);
    let gone = PathBuf::from("/nowhere/lib.so");
    spec.libraries = Libraries {
        tensorflow: Some(TensorFlowLibraries { core: gone.clone(), framework: gone.clone() }),
        litert: Some(gone),
    };
    let error = refusal(&spec);
    assert_eq!(error.kind, ErrorKind::FailedPrecondition);
    assert_eq!(
        error.message,
        "model \"digits\" version 1 needs the TensorFlow library, which is not installed: install taxiway[tensorflow]"
    );
    spec.engine = EngineChoice::LiteRt;
    assert!(
        refusal(&spec).message.ends_with("needs the LiteRT library, which is not installed: install taxiway[litert]")
    );
}

#[test]
fn a_library_that_is_another_one_is_refused() {
    let Some(fixtures) = fixtures() else { return };
    let mut spec = fixtures.spec("digits", EngineChoice::TensorFlow);
    let litert = spec.libraries.litert.clone().unwrap();
    spec.libraries.tensorflow = Some(TensorFlowLibraries { core: litert.clone(), framework: litert });
    let error = refusal(&spec);
    assert_eq!(error.kind, ErrorKind::FailedPrecondition);
    assert!(error.message.contains("has no function TF_"), "{error}");

    let text = fixtures.spec("broken", EngineChoice::LiteRt).path.join("model.tflite");
    spec.libraries.tensorflow = Some(TensorFlowLibraries { core: text.clone(), framework: text.clone() });
    let error = refusal(&spec);
    assert!(error.message.contains(&text.display().to_string()), "{error}");
}

#[test]
fn an_old_tensorflow_is_refused_with_the_versions_that_are_taken() {
    let Some(fixtures) = fixtures() else { return };
    let mut spec = fixtures.spec("digits", EngineChoice::TensorFlow);
    let old = fixtures.file("old_tensorflow/libtensorflow_cc.so.2");
    spec.libraries.tensorflow = Some(TensorFlowLibraries { core: old.clone(), framework: old.clone() });
    let error = refusal(&spec);
    assert_eq!(error.kind, ErrorKind::FailedPrecondition);
    let expected = format!(
        "the TensorFlow library {} (version 2.9.1) is not supported: TensorFlow 2.16 or a newer 2 is needed",
        old.display()
    );
    assert_eq!(error.message, expected);
}

#[test]
fn a_litert_of_another_version_is_refused_with_the_versions_that_are_taken() {
    let Some(fixtures) = fixtures() else { return };
    let packages = tempfile::tempdir().unwrap();
    let library = packages.path().join("ai_edge_litert/libLiteRt.so");
    for directory in ["ai_edge_litert", "ai_edge_litert-2.1.0.dist-info"] {
        std::fs::create_dir(packages.path().join(directory)).unwrap();
    }
    std::fs::write(&library, "not opened").unwrap();
    let mut spec = fixtures.spec("digits", EngineChoice::LiteRt);
    spec.libraries.litert = Some(library.clone());
    let error = refusal(&spec);
    assert_eq!(error.kind, ErrorKind::FailedPrecondition);
    let expected = format!(
        "the LiteRT library {} (version 2.1.0) is not supported: LiteRT 2.3 or a newer 2 is needed",
        library.display()
    );
    assert_eq!(error.message, expected);
}

#[test]
fn a_directory_without_a_model_is_said_to_be_one() {
    let Some(fixtures) = fixtures() else { return };
    for engine in [EngineChoice::Auto, EngineChoice::TensorFlow] {
        let spec = fixtures.spec("nothing", engine);
        let error = refusal(&spec);
        assert_eq!(error.kind, ErrorKind::NotFound);
        assert_eq!(
            error.message,
            format!(
                "Specified file path does not appear to contain a SavedModel bundle (should have a file called \
                 `saved_model.pb`)\nSpecified file path: {}",
                spec.path.display()
            )
        );
    }
    assert_eq!(refusal(&fixtures.spec("strings", EngineChoice::LiteRt)).kind, ErrorKind::NotFound);
}

#[test]
fn a_model_that_cannot_be_read_is_named_by_its_path() {
    let Some(fixtures) = fixtures() else { return };
    for (engine, words) in [(EngineChoice::TensorFlow, "Can't parse"), (EngineChoice::LiteRt, "LiteRT cannot read")] {
        let spec = fixtures.spec("broken", engine);
        let error = refusal(&spec);
        assert_eq!(error.kind, ErrorKind::DataLoss);
        assert!(error.message.contains(words), "{error}");
        assert!(error.message.contains(&spec.path.display().to_string()), "{error}");
    }
}

// tfs: tags-exact
#[test]
fn tags_that_the_model_does_not_have_are_refused_in_tensorflows_words() {
    let Some(fixtures) = fixtures() else { return };
    let mut spec = fixtures.spec("digits", EngineChoice::TensorFlow);
    spec.tags = vec!["gpu".to_owned()];
    let error = refusal(&spec);
    assert_eq!(error.kind, ErrorKind::NotFound);
    assert!(error.message.contains("Could not find meta graph def matching supplied tags: { gpu }"), "{error}");
    assert!(error.message.contains(&spec.path.display().to_string()), "{error}");
}
