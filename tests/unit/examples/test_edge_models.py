"""The models that artefacts are tried with: what they take, and that the words' numbers are the tokeniser's own."""

from __future__ import annotations

import numpy as np
import pytest

from examples.edge.models import EXAMPLES, HELD_BACK, digits, held_back, ids_of

tf = pytest.importorskip("tensorflow")
pytest.importorskip("sklearn")

pytestmark = pytest.mark.tensorflow


def test_every_model_takes_its_rows_and_answers_ten_classes() -> None:
    for name, example in EXAMPLES.items():
        if name == "mobilenet":
            continue  # it takes seconds to build, and takes what the cnn takes
        model = example.build()
        rows, labels = held_back(name, "serving_default")
        (inputs,) = rows.values()
        assert len(inputs) == len(labels) == HELD_BACK
        assert model(tf.constant(inputs[:2])).shape == (2, 10)
        assert list(rows) == [one.name for one in model.inputs]


def test_the_numbers_of_words_are_what_the_tokeniser_in_the_graph_makes_of_them() -> None:
    texts = EXAMPLES["text"].rows(digits()[0][:50])["text"]
    texts = np.array([*texts, "", "no known word", " ".join(["00"] * 99)])
    inside = EXAMPLES["text"].build().get_layer("tokens")(tf.constant(texts)).numpy()
    assert (ids_of(texts) == inside).all()
    assert (held_back("text")[0]["ids"][:5] == ids_of(texts[:5])).all()
