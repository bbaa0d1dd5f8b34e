"""Tokenisers written down: what a device must do with a text, and which layers cannot be told in a document."""

from __future__ import annotations

from typing import Any

import pytest

from taxiway.artifacts.tokeniser import Tokeniser, tokeniser_of
from taxiway.errors import FailedPrecondition

CONFIG = {
    "standardize": "lower_and_strip_punctuation", "split": "whitespace", "output_sequence_length": 4,
    "output_mode": "int", "ngrams": None, "ragged": False,
}  # fmt: skip


def test_a_text_becomes_numbers() -> None:
    found = tokeniser_of("text", CONFIG, ["late", "again", "its", "Ä"])
    assert Tokeniser(**found.as_json()) == found
    texts: list[str | bytes] = ["Late,\tagain!", "it's", "", "ä Ä", b"late late late late late"]
    assert found.ids(texts).tolist() == [[2, 3, 0, 0], [4, 0, 0, 0], [0, 0, 0, 0], [1, 5, 0, 0], [2, 2, 2, 2]]
    plain = tokeniser_of("text", {**CONFIG, "standardize": None, "split": "character"}, ["a", "A", "-"])
    assert plain.ids(["Aa-b"]).tolist() == [[3, 2, 4, 1]]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"standardize": {"class_name": "function"}}, "standardizes by a function of its own"),
        ({"split": None}, "does not split at whitespace or characters"),
        ({"ngrams": 2}, "does not answer one number a word"),
        ({"output_mode": "tf_idf"}, "does not answer one number a word"),
        ({"output_sequence_length": None}, "has no output_sequence_length"),
    ],
)
def test_what_a_document_cannot_say_is_refused(changed: dict[str, Any], said: str) -> None:
    with pytest.raises(FailedPrecondition, match=f"cannot be split off: it {said}") as caught:
        tokeniser_of("text", {**CONFIG, **changed}, [])
    assert "--signature" in str(caught.value.hint)
