//! What TensorFlow takes beyond the suite: state, loops, TensorFlow 1, blocking graphs.

mod fixtures;

use std::time::Duration;

use fixtures::{fixtures, predict, predict_with};
use taxiway_engine::{Call, DEFAULT_SIGNATURE, ErrorKind, Tensor};
use taxiway_runtimes::EngineChoice::TensorFlow;

fn scalar(value: i64) -> Tensor {
    Tensor::from_values([], &[value]).expect("a scalar has one value")
}

#[test]
fn state_lives_in_the_engine_and_is_restored_with_it() {
    let Some(fixtures) = fixtures() else { return };
    let engine = fixtures.load("counter", TensorFlow);
    for expected in [5, 10, 15] {
        assert_eq!(predict(engine.as_ref(), &[scalar(5)]).unwrap(), [scalar(expected)]);
    }
    let other = fixtures.load("counter", TensorFlow);
    assert_eq!(predict(other.as_ref(), &[scalar(1)]).unwrap(), [scalar(1)]);
}

#[test]
fn a_keras_model_whose_variables_cannot_be_restored_is_refused_with_what_to_do() {
    let Some(fixtures) = fixtures() else { return };
    let error = taxiway_runtimes::open(&fixtures.spec("keras_3", TensorFlow)).err().unwrap();
    assert_eq!(error.kind, ErrorKind::FailedPrecondition);
    for part in ["for which this SavedModel has no value", "taxiway.export", "model.export"] {
        assert!(error.message.contains(part), "{error}");
    }
    let exported = fixtures.load("keras_3_exported", TensorFlow);
    let x = Tensor::from_values([1, 3], &[0.0f32; 3]).unwrap();
    assert_eq!(predict(exported.as_ref(), &[x]).unwrap()[0].shape(), [1, 2]);
}

#[test]
fn calls_that_share_their_inputs_are_one_run() {
    let Some(fixtures) = fixtures() else { return };
    let engine = fixtures.load("counter", TensorFlow);
    let signature = engine.signatures().get(DEFAULT_SIGNATURE).unwrap().unwrap();
    let (shared, other) = ([scalar(5)], [scalar(5)]);
    let call = |inputs| Call { signature, inputs, outputs: &[0], timeout: None };
    let together = |calls: &[Call<'_>]| engine.run_together(calls).unwrap().concat();
    assert_eq!(together(&[call(&shared), call(&shared)]), [scalar(5), scalar(5)]);
    assert_eq!(together(&[call(&shared), call(&other)]), [scalar(10), scalar(15)]);
    assert!(together(&[]).is_empty());
}

#[test]
fn loops_and_branches_run_on_either_executor() {
    let Some(fixtures) = fixtures() else { return };
    for inter_op_threads in [0, 2] {
        let mut spec = fixtures.spec("loop", TensorFlow);
        spec.session.inter_op_threads = inter_op_threads;
        let engine = taxiway_runtimes::open(&spec).unwrap();
        for (n, power, parity) in [(0, 1, "even"), (7, 128, "odd")] {
            let answer = predict(engine.as_ref(), &[scalar(n)]).unwrap();
            assert_eq!(answer[0].strings().unwrap().get(0), parity.as_bytes());
            assert_eq!(answer[1], scalar(power));
        }
    }
}

#[test]
fn a_graph_of_tensorflow_1_runs_as_it_always_did() {
    let Some(fixtures) = fixtures() else { return };
    let engine = fixtures.load("reference_variables", TensorFlow);
    let x = Tensor::from_values([2, 1], &[4.0f32, -1.0]).unwrap();
    let expected = Tensor::from_values([2, 1], &[4.0f32, 1.5]).unwrap();
    // Outputs are x, which is the input itself, and y.
    assert_eq!(predict(engine.as_ref(), std::slice::from_ref(&x)).unwrap(), [x, expected]);
    // A placeholder's shape is not checked: one row may come without its column, as clients of old send it.
    let row = Tensor::from_values([1], &[4.0f32]).unwrap();
    assert_eq!(
        predict(engine.as_ref(), std::slice::from_ref(&row)).unwrap()[1].values::<f32>().unwrap().as_ref(),
        [4.0]
    );
}

#[test]
fn references_are_fetched_as_values_and_a_lost_tensor_is_its_signatures_own_matter() {
    let Some(fixtures) = fixtures() else { return };
    let engine = fixtures.load("old_counter", TensorFlow);
    let total = |value: f32| [Tensor::from_values([], &[value]).unwrap()];
    assert_eq!(predict_with(engine.as_ref(), "add", &[]).unwrap(), total(1.0));
    assert_eq!(predict_with(engine.as_ref(), "add_by", &total(2.5)).unwrap(), total(3.5));
    assert_eq!(predict_with(engine.as_ref(), "get", &[]).unwrap(), total(3.5));
    let lost = predict_with(engine.as_ref(), "lost", &[]).unwrap_err();
    assert_eq!(lost.message, "signature \"lost\" names the tensor \"gone:0\", which the graph does not have");
}

#[test]
fn only_the_input_itself_needs_no_run() {
    let Some(fixtures) = fixtures() else { return };
    let engine = fixtures.load("reference_variables", TensorFlow);
    let signature = engine.signatures().get(DEFAULT_SIGNATURE).unwrap().unwrap();
    let inputs = [Tensor::from_values([1, 1], &[3.0f32]).unwrap()];
    let call = Call { signature, inputs: &inputs, outputs: &[0], timeout: None };
    assert_eq!(engine.run(&call).unwrap(), inputs);
}

#[test]
fn a_blocked_run_is_stopped_and_the_next_one_too() {
    let Some(fixtures) = fixtures() else { return };
    let engine = fixtures.load("endless", TensorFlow);
    let signature = engine.signatures().get(DEFAULT_SIGNATURE).unwrap().unwrap();
    let inputs = [Tensor::from_values([1], &[3.0f32]).unwrap()];
    for _ in 0..3 {
        let call = Call { signature, inputs: &inputs, outputs: &[0], timeout: Some(Duration::from_millis(20)) };
        assert_eq!(engine.run(&call).unwrap_err().kind, ErrorKind::DeadlineExceeded);
    }
}

#[test]
fn errors_are_in_tensorflows_own_words() {
    let Some(fixtures) = fixtures() else { return };
    let engine = fixtures.load("product", TensorFlow);
    let wide = Tensor::from_values([1, 3], &[1.0f32; 3]).unwrap();
    let error = predict(engine.as_ref(), &[wide]).unwrap_err();
    assert!(error.message.starts_with("Matrix size-incompatible: In[0]: [1,3], In[1]: [2,1]"), "{error}");
    let whole = Tensor::from_values([1, 2], &[1i32; 2]).unwrap();
    let error = predict(engine.as_ref(), &[whole]).unwrap_err();
    assert!(error.message.contains("float but int32 is provided"), "{error}");
}

#[test]
fn the_signature_of_an_initialiser_is_listed_and_not_callable() {
    let Some(fixtures) = fixtures() else { return };
    let engine = fixtures.load("strings", TensorFlow);
    let listed: Vec<_> = engine.signatures().definitions().keys().map(String::as_str).collect();
    assert_eq!(listed, ["__saved_model_init_op", DEFAULT_SIGNATURE]);
    assert!(engine.signatures().get("__saved_model_init_op").unwrap().is_err());
}
