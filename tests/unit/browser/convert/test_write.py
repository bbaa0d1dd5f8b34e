from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from taxiway.browser.convert.freeze import freeze
from taxiway.browser.convert.operations import Operations, read_operations
from taxiway.browser.convert.write import Converted, convert, rewritten
from taxiway.browser.npm import Packages
from taxiway.errors import InvalidArgument, TaxiwayError, Unimplemented

pytestmark = pytest.mark.tensorflow


@pytest.fixture(scope="module")
def operations(packages: Packages) -> Operations:
    return read_operations(packages.path("tfjs-converter"))


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Signatures of each kind that matters, in one SavedModel."""
    import tensorflow as tf

    class Model(tf.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            self.weights = tf.Variable(np.random.default_rng(0).normal(size=(64, 3)).astype(np.float32))
            self.table = tf.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer([1, 2], [3, 4]), -1)

        @tf.function(input_signature=[tf.TensorSpec([None, 8, 8], name="image"), tf.TensorSpec([], tf.int64, "add")])  # type: ignore[untyped-decorator]
        def two(self, image: Any, add: Any) -> Any:
            scores = tf.nn.relu(tf.reshape(image, [-1, 64]) @ self.weights)
            return {"scores": scores, "same": scores, "plus": add + 1}

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "text")])  # type: ignore[untyped-decorator]
        def text(self, text: Any) -> Any:
            return {"length": tf.strings.length(text)}

        @tf.function(input_signature=[tf.TensorSpec([None], tf.int32, "id")])  # type: ignore[untyped-decorator]
        def looked_up(self, id: Any) -> Any:
            return {"found": self.table.lookup(id)}

        @tf.function(input_signature=[tf.TensorSpec([None], name="x")])  # type: ignore[untyped-decorator]
        def gamma(self, x: Any) -> Any:
            return {"y": tf.math.lgamma(x)}

    model = Model()
    folder = tmp_path_factory.mktemp("saved")
    names = ("two", "text", "looked_up", "gamma")
    tf.saved_model.save(model, str(folder), signatures={name: getattr(model, name) for name in names})
    return folder


def ops(converted: Converted) -> Counter[str]:
    return Counter(node["op"] for node in converted.document["modelTopology"]["node"])


def test_a_signature_is_written_with_its_names_and_whole_numbers_of_32_bits(
    saved: Path, operations: Operations
) -> None:
    converted = convert(saved, operations, signature="two")
    json.dumps(converted.document)
    signature = converted.document["signature"]
    assert signature["inputs"]["add"]["dtype"] == "DT_INT32"
    assert signature["inputs"]["image"]["tensorShape"]["dim"][0] == {"size": "-1"}
    # Two outputs of one value must stay two: TensorFlow.js tells outputs apart by their nodes.
    assert len({one["name"] for one in signature["outputs"].values()}) == 3
    assert "DT_INT64" not in json.dumps(converted.document)
    assert ops(converted)["MatMul"] == 1
    assert not any("tensorContent" in json.dumps(node) for node in converted.document["modelTopology"]["node"])


def test_weights_that_are_quantised_take_less(saved: Path, operations: Operations) -> None:
    sizes = [
        sum(map(len, convert(saved, operations, signature="two", weights=one).shards.values()))
        for one in ("float32", "float16", "uint8")
    ]
    assert sizes[0] - sizes[1] == 64 * 3 * 2
    assert sizes[0] - sizes[2] == 64 * 3 * 3


@pytest.mark.parametrize(
    ("signature", "kind", "sentence"),
    [
        ("text", Unimplemented, "The input 'text' of 'text' is text"),
        ("looked_up", Unimplemented, "reads a table or another resource"),
        ("gamma", Unimplemented, "does not have Lgamma"),
        ("none", InvalidArgument, "has no signature 'none'"),
    ],
)
def test_what_a_browser_cannot_do_is_refused_in_a_sentence(
    saved: Path, operations: Operations, signature: str, kind: type[TaxiwayError], sentence: str
) -> None:
    with pytest.raises(kind, match=sentence) as caught:
        convert(saved, operations, signature=signature)
    assert caught.value.hint and "\n" not in caught.value.message


def test_the_rewritten_graph_answers_as_the_signature(saved: Path) -> None:
    import tensorflow as tf

    frozen = rewritten(freeze(saved, "two"))
    image = np.random.default_rng(1).normal(size=(3, 8, 8)).astype(np.float32)
    signature = tf.saved_model.load(str(saved)).signatures["two"]
    expected = signature(image=tf.constant(image), add=tf.constant(4, tf.int64))
    with tf.Graph().as_default() as graph:
        tf.import_graph_def(frozen.graph, name="")
        with tf.compat.v1.Session(graph=graph) as session:
            feeds = {f"{frozen.inputs['image'].tensor}:0": image, f"{frozen.inputs['add'].tensor}:0": 4}
            found = session.run({name: f"{one.tensor}:0" for name, one in frozen.outputs.items()}, feeds)
    assert set(found) == set(expected)
    for name, one in expected.items():
        assert np.allclose(found[name], one.numpy(), atol=1e-6)
