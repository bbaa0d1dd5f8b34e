//! What is not loaded because it would begin threads. A process of its own: TensorFlow's threads are the process's.

mod fixtures;

use fixtures::fixtures;
use taxiway_runtimes::{EngineChoice, LoadSpec, Threads, candidates};

#[test]
fn only_a_first_model_of_tensorflow_and_models_of_several_threads_begin_some() {
    let Some(fixtures) = fixtures() else { return };
    let found = |model, engine, threads, change: fn(&mut LoadSpec)| {
        let mut spec = fixtures.spec(model, engine);
        change(&mut spec);
        candidates(&spec, threads).unwrap().map(|found| found.engine.name())
    };
    let nothing = |_: &mut LoadSpec| ();
    let shown = |spec: &mut LoadSpec| spec.shown = vec!["serving_default".into()];
    let two = |spec: &mut LoadSpec| spec.session.intra_op_threads = 2;
    for engine in [EngineChoice::Auto, EngineChoice::TensorFlow, EngineChoice::PreferTensorFlow] {
        assert_eq!(found("digits", engine, Threads::None, nothing), None, "{engine:?}");
    }
    assert_eq!(found("digits", EngineChoice::Auto, Threads::None, shown), Some("litert"));
    assert_eq!(found("digits", EngineChoice::LiteRt, Threads::None, nothing), Some("litert"));
    assert_eq!(found("digits_lite", EngineChoice::Auto, Threads::None, nothing), Some("litert"));
    assert_eq!(found("digits_lite", EngineChoice::Auto, Threads::None, two), None);
    assert_eq!(found("digits_lite", EngineChoice::Auto, Threads::Any, two), Some("litert"));

    assert_eq!(found("digits", EngineChoice::Auto, Threads::Any, nothing), Some("tensorflow"));
    assert_eq!(found("digits", EngineChoice::Auto, Threads::None, nothing), Some("tensorflow"));
    assert_eq!(found("digits", EngineChoice::TensorFlow, Threads::None, two), Some("tensorflow"));
    assert_eq!(found("digits", EngineChoice::Auto, Threads::None, two), None);
}
