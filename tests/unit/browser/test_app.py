"""What a page is made to do, told from a signature."""

from __future__ import annotations

import pytest

from taxiway.browser.app import page_config
from taxiway.browser.build import _scores
from taxiway.errors import InvalidArgument
from taxiway.wire.signatures import Signature, TensorSpec


def signature(*shape: int | None) -> Signature:
    rows = shape[:1]
    return Signature({"image": TensorSpec(1, shape, "image")}, {"scores": TensorSpec(1, (*rows, 10), "scores")})


def test_a_small_square_image_a_row_is_drawn_and_anything_else_filled_in() -> None:
    kinds = {
        (None, 8, 8, 1): "drawing", (1, 28, 28): "drawing", (None, 64): "drawing",
        (4, 8, 8, 1): "form", (None, 8, 8, 3): "form", (None, 7): "form",
    }  # fmt: skip
    for shape, kind in kinds.items():
        assert page_config(signature(*shape), "digits", None, "scores")["kind"] == kind, shape
    assert page_config(signature(None, 64), "digits", None, None)["kind"] == "form"


def test_scores_that_are_no_output_are_told() -> None:
    with pytest.raises(InvalidArgument, match="There is no output 'score'"):
        _scores(signature(None, 64), None, "score")
    assert _scores(signature(None, 64), None, None) == "scores"
