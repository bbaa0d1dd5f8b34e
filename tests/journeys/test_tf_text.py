"""A model with operations of TF Text serves where tensorflow-text is installed, without a word about it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from taxiway.serve.server import installed_op_libraries
from tests.journeys.test_drop_in import Process, serve

__all__ = ["serve"]  # the fixture
pytestmark = pytest.mark.timeout(300)

MAKE = """
import sys
import tensorflow as tf, tensorflow_text as text

class Words(tf.Module):
    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="text")])
    def __call__(self, lines):
        words = text.WhitespaceTokenizer().tokenize(lines)
        return {"words": words.to_tensor(""), "count": words.row_lengths()}

words = Words()
tf.saved_model.save(words, sys.argv[1], signatures=words.__call__)
"""


def test_operations_of_tf_text_are_found(tmp_path: Path, serve: Callable[..., Process]) -> None:
    subprocess.run([sys.executable, "-c", MAKE, str(tmp_path / "words" / "1")], check=True, capture_output=True)
    assert any(library.endswith("_whitespace_tokenizer_v2.so") for library in installed_op_libraries())
    server = serve("--model_name=words", f"--model_base_path={tmp_path / 'words'}")
    status, answer = server.ask("words:predict", {"instances": ["hello big world", "taxi"]})
    assert (status, answer["predictions"]) == (
        200,
        [{"count": 3, "words": ["hello", "big", "world"]}, {"count": 1, "words": ["taxi", "", ""]}],
    )
