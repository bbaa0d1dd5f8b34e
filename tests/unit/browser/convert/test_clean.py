from __future__ import annotations

import numpy as np
import pytest

from taxiway.browser.convert.clean import erfc_as_erf, without_side_effects
from tests.unit.browser.convert.graphs import graph_of, numbers, ops, ran

pytestmark = pytest.mark.tensorflow


def test_assertions_and_what_is_for_training_go_and_the_answer_stays() -> None:
    import tensorflow as tf

    def build(x: tf.Tensor) -> tf.Tensor:
        with tf.control_dependencies([tf.compat.v1.assert_positive(x + 9.0), tf.no_op()]):
            return tf.stop_gradient(tf.raw_ops.CheckNumerics(tensor=x * 2.0, message="no number"))

    graph = graph_of(build, [3])
    x = numbers(3)
    cleaned = without_side_effects(graph)
    assert not {"StopGradient", "CheckNumerics", "Assert", "NoOp"} & ops(cleaned).keys()
    assert not any(name.startswith("^") for node in cleaned.node for name in node.input)
    assert np.array_equal(ran(cleaned, x), ran(graph, x))


def test_a_pass_leaves_the_graph_it_is_given_as_it_is() -> None:
    import tensorflow as tf

    graph = graph_of(lambda x: tf.stop_gradient(tf.math.erfc(x)), [3])
    before = graph.SerializeToString(deterministic=True)
    without_side_effects(graph), erfc_as_erf(graph)
    assert graph.SerializeToString(deterministic=True) == before


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_erfc_is_one_minus_erf(dtype: str) -> None:
    import tensorflow as tf

    graph = graph_of(tf.math.erfc, [5], dtype=dtype)
    x = np.linspace(-3, 3, 5).astype(dtype)
    rewritten = erfc_as_erf(graph)
    assert ops(rewritten) == {"Erf": 1, "Sub": 1}
    assert np.allclose(ran(rewritten, x), ran(graph, x), atol=1e-7)
