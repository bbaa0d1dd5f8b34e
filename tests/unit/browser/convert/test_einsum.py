from __future__ import annotations

import numpy as np
import pytest

from taxiway.browser.convert.einsum import einsum_as_products
from taxiway.browser.convert.freeze import shapes_of
from tests.unit.browser.convert.graphs import graph_of, numbers, ops, ran

pytestmark = pytest.mark.tensorflow

SIZES = {"a": 2, "b": 3, "c": 4, "d": 5, "e": 6}


@pytest.mark.parametrize("unknown", ["", "a", "ab"])
@pytest.mark.parametrize(
    "equation",
    [
        "abc,cde->abde",  # a projection of attention
        "aecd,abcd->acbe",  # its scores
        "acbe,aecd->abcd",  # what is attended to
        "abcd,cde->abe",  # back
        "ab,bc->ac",
        "ab,ab->a",
        "a,b->ba",
        "abc,abd->abcd",
    ],
)
def test_an_equation_over_two_operands_is_a_product_of_matrices(equation: str, unknown: str) -> None:
    import tensorflow as tf

    letters = equation.partition("->")[0].split(",")
    shapes = [[None if one in unknown else SIZES[one] for one in part] for part in letters]
    operands = [numbers(*(SIZES[one] for one in part), seed=seed) for seed, part in enumerate(letters)]
    graph = graph_of(lambda x, y: tf.einsum(equation, x, y), *shapes)
    rewritten = einsum_as_products(graph, shapes_of(graph))
    assert "Einsum" not in ops(rewritten)
    assert np.allclose(ran(rewritten, *operands), np.einsum(equation, *operands), atol=1e-5)


@pytest.mark.parametrize("equation", ["aab,bc->ac", "abc,cd->ad", "...b,bc->...c", "abc->ab"])
def test_another_equation_stays(equation: str) -> None:
    import tensorflow as tf

    ranks = [len(part.replace("...", "zz")) for part in equation.partition("->")[0].split(",")]
    graph = graph_of(lambda *x: tf.einsum(equation, *x), *([3] * rank for rank in ranks))
    assert ops(einsum_as_products(graph, shapes_of(graph))) == ops(graph)
