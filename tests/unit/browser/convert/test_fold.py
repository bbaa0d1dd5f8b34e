from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from taxiway.browser.convert.fold import added_as_bias, with_factors_folded, with_norms_split
from taxiway.browser.convert.fuse import fused, reachable
from tests.unit.browser.convert.graphs import graph_of, numbers, ops, ran

pytestmark = pytest.mark.tensorflow

SAME = [1, 1, 1, 1]


def conv(x: Any) -> Any:
    import tensorflow as tf

    return tf.nn.conv2d(x, numbers(3, 3, 2, 4), SAME, "SAME")


def depthwise(x: Any) -> Any:
    import tensorflow as tf

    return tf.nn.depthwise_conv2d(x, numbers(3, 3, 2, 2), SAME, "SAME")


def dense(x: Any) -> Any:
    import tensorflow as tf

    return tf.matmul(tf.reshape(x, [-1, 50]), numbers(4, 50), transpose_b=True)


LINEAR = [conv, depthwise, dense]


@pytest.mark.parametrize("linear", LINEAR)
def test_factors_become_part_of_the_weights(linear: Callable[[Any], Any]) -> None:
    import tensorflow as tf

    graph = graph_of(lambda x: tf.nn.bias_add(linear(x), numbers(4, seed=1)) * numbers(4, seed=2), [None, 5, 5, 2])
    x = numbers(2, 5, 5, 2, seed=3)
    folded = with_factors_folded(graph)
    assert "Mul" not in ops(folded)
    assert np.allclose(ran(folded, x), ran(graph, x), atol=1e-5)


def test_a_factor_stays_where_the_product_is_not_all_that_is_read() -> None:
    def build(x: Any) -> Any:
        before = conv(x)
        return before * numbers(4) + before

    graph = graph_of(build, [None, 5, 5, 2])
    assert list(with_factors_folded(graph).node) == list(graph.node)


def test_a_factor_that_is_no_number_a_channel_stays() -> None:
    graph = graph_of(lambda x: conv(x) * numbers(5, 5, 4), [None, 5, 5, 2])
    assert list(with_factors_folded(graph).node) == list(graph.node)


@pytest.mark.parametrize("linear", LINEAR[:2])
def test_a_batch_norm_becomes_part_of_the_weights_and_a_bias(linear: Callable[[Any], Any]) -> None:
    import tensorflow as tf

    statistics = [numbers(4, seed=seed) for seed in range(3)] + [np.abs(numbers(4, seed=3)) + 0.5]
    graph = graph_of(
        lambda x: tf.compat.v1.nn.fused_batch_norm(linear(x), *statistics, is_training=False, epsilon=1e-3)[0],
        [None, 5, 5, 2],
    )
    x = numbers(2, 5, 5, 2, seed=4)
    folded = with_factors_folded(with_norms_split(graph))
    assert ops(folded).keys() & {"FusedBatchNormV3", "Mul"} == set()
    assert ops(folded)["BiasAdd"] == 1
    assert np.allclose(ran(folded, x), ran(graph, x), atol=1e-5)


def test_a_batch_norm_in_training_stays() -> None:
    import tensorflow as tf

    graph = graph_of(
        lambda x: tf.compat.v1.nn.fused_batch_norm(conv(x), numbers(4), numbers(4), is_training=True)[0], [2, 5, 5, 2]
    )
    assert ops(with_norms_split(graph)) == ops(graph)


@pytest.mark.parametrize("linear", LINEAR)
def test_a_constant_that_is_added_is_a_bias_and_fuses_with_the_activation(linear: Callable[[Any], Any]) -> None:
    import tensorflow as tf

    graph = graph_of(lambda x: tf.nn.relu6(numbers(4, seed=1) + linear(x)), [None, 5, 5, 2])
    x = numbers(2, 5, 5, 2, seed=2)
    biased = added_as_bias(graph)
    assert ops(biased)["BiasAdd"] == 1
    assert np.allclose(ran(biased, x), ran(graph, x), atol=1e-6)
    one = fused(biased)
    kinds = ops(one).keys() - {"Reshape"}
    assert kinds <= {"_FusedConv2D", "FusedDepthwiseConv2dNative", "_FusedMatMul"} and len(kinds) == 1
    node = next(node for node in one.node if node.op in kinds)
    assert list(node.attr["fused_ops"].list.s) == [b"BiasAdd", b"Relu6"] and len(node.input) == 3


def test_an_activation_that_backends_do_not_fuse_stays_apart() -> None:
    import tensorflow as tf

    graph = graph_of(lambda x: tf.tanh(tf.nn.bias_add(conv(x), numbers(4))), [None, 5, 5, 2])
    assert ops(fused(graph)) == {"_FusedConv2D": 1, "Tanh": 1}


def test_what_no_output_needs_goes_but_not_an_input() -> None:
    graph = graph_of(lambda x, y: (x * 2.0, y * 3.0)[0], [2], [2])
    kept = {node.name for node in reachable(graph, ["result"], ["x0", "x1"]).node}
    assert kept == {"x0", "x1", "mul", "mul/y", "result"}
