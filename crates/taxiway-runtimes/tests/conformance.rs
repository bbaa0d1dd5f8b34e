//! Both runtimes under the suite that every engine passes.

mod fixtures;

use fixtures::fixtures;
use taxiway_engine::conformance::{Capabilities, Suite};
use taxiway_runtimes::EngineChoice;

#[test]
fn tensorflow_conforms() {
    let Some(fixtures) = fixtures() else { return };
    let open = |model: taxiway_engine::conformance::Model| fixtures.load(model.name(), EngineChoice::TensorFlow);
    let left_out = Suite { capabilities: Capabilities::ALL, open: &open }.run();
    assert!(left_out.is_empty());
}

#[test]
fn tensorflow_conforms_with_its_general_executor() {
    let Some(fixtures) = fixtures() else { return };
    let open = |model: taxiway_engine::conformance::Model| {
        let mut spec = fixtures.spec(model.name(), EngineChoice::TensorFlow);
        spec.session.inter_op_threads = 2;
        taxiway_runtimes::open(&spec).unwrap()
    };
    Suite { capabilities: Capabilities::ALL, open: &open }.run();
}

#[test]
fn litert_conforms_in_what_it_can_express() {
    let Some(fixtures) = fixtures() else { return };
    let open = |model: taxiway_engine::conformance::Model| fixtures.load(model.name(), EngineChoice::LiteRt);
    let capabilities = Capabilities { strings: false, unknown_rank: false, stops_runs: false };
    let left_out = Suite { capabilities, open: &open }.run();
    assert_eq!(left_out, ["strings", "any_rank", "endless"]);
}
